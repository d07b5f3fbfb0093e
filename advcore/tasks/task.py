"""The seam of tasks whose targets are made of the pictures themselves."""

from typing import Protocol

from torch import Tensor

from advcore.randomness import Randomness
from advcore.tasks.output_criteria import OutputCriterion


class Task(Protocol):
    """A frozen dataclass that poses a question about pictures and knows the answer."""

    @property
    def criterion(self) -> OutputCriterion:
        """The criterion of outputs that count as wrong."""

    def check(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError for inputs of a shape of which it cannot be asked."""

    def pose(self, images: Tensor, randomness: Randomness) -> tuple[Tensor, Tensor]:
        """Return what the network sees, `(B, C, H, W)` in [0, 1], and the targets `(B, M)`.

        They are drawn by (seed, index).
        """

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each sample `(B,)` that is trained on."""
