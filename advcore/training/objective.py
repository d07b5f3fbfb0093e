"""The seam of training: an objective is what one step minimises."""

from dataclasses import dataclass
from typing import Protocol

import torch.nn.functional as F
from torch import Tensor, nn

from advcore.randomness import Randomness


class Objective(Protocol):
    """A frozen dataclass of its weights and radii."""

    def __call__(self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness) -> Tensor:
        """The loss of a batch, a scalar to differentiate. The network comes in training mode and stays in it."""


@dataclass(frozen=True)
class CrossEntropy:
    """Plain training: the mean cross-entropy of clean images."""

    def __call__(self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness) -> Tensor:
        return F.cross_entropy(network(images), labels)
