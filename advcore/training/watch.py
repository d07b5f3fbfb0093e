"""The seam of what is looked at while a network is in training."""

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor, nn

from advcore.randomness import Randomness


class Watch(Protocol):
    """A frozen dataclass whose numbers stand among the metrics of each epoch.

    It changes nothing of the training.
    """

    @property
    def samples(self) -> int:
        """The number of samples it looks at, the same in each epoch.

        They are held-out ones if there are some, else training samples.
        """

    def __call__(
        self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Mapping[str, float]:
        """Numbers by name.

        The network comes in evaluation mode and is left as it was; images `(B, C, H, W)`, labels
        `(B,)`.
        """
