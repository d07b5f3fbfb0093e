"""The squared error of the logits against one-hot labels.

This is least squares, and with weight decay ridge regression.
"""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from advcore.randomness import Randomness
from advcore.training.refused_labels import refuses_labels
from advcore.training.term import check_weight


@dataclass(frozen=True)
class SquaredError:
    """`||z(x) - e_y||^2 / 2`, e_y the label's unit vector, the mean over clean images.

    For a linear layer on fixed features, and SGD with weight decay d until it no longer moves, the
    weights are those of ridge regression with the penalty `d ||W||^2 / 2` beside the mean (and the
    same penalty on the bias).

    Attributes:
        weight: weight of the term.
    """

    weight: float = 1.0

    def __post_init__(self) -> None:
        check_weight(self.weight)

    @refuses_labels
    def __call__(
        self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Tensor:
        logits = network(images)
        return (logits - F.one_hot(labels, logits.shape[1])).square().sum(1).mean() / 2
