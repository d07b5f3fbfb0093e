"""The seam of training: an objective is a weighted sum of terms."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch.nn.functional as F
from torch import Tensor, nn

from advcore.randomness import Randomness


class Term(Protocol):
    """A frozen dataclass of its weight, radii and steps; each is pure: cross-entropy on clean images is a term of its own."""

    @property
    def weight(self) -> float:
        """What its value is multiplied by in the objective, not negative; at 0 it is not computed."""

    def __call__(self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness) -> Tensor:
        """Its value on a batch without the weight, a scalar to differentiate: as a rule the mean over samples.

        The network comes in training mode and is left in it; images `(B, C, H, W)`, labels `(B,)`.
        """


Objective = Mapping[str, Term]
"""The terms whose weighted sum a step minimises, by the names that they bear in files, flags and metrics."""


@dataclass(frozen=True)
class CrossEntropy:
    """Plain training: the mean cross-entropy of clean images."""

    weight: float = 1.0

    def __post_init__(self) -> None:
        check_weight(self.weight)

    def __call__(self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness) -> Tensor:
        return F.cross_entropy(network(images), labels)


def check_weight(weight: float) -> None:
    """Raise ValueError for a weight below 0, or NaN."""
    if not weight >= 0:
        raise ValueError(f"weight must not be negative (0 leaves the term out); got {weight}")
