"""A network beside its teacher: itself, as it was before its training."""

from copy import deepcopy
from typing import Self

from torch import Tensor, nn


class Taught(nn.Module):
    """A network and a copy of what it began as, which no step moves.

    The copy is in evaluation mode, also while the network trains. It is part of a training's state,
    so that a training that was left goes on with the same teacher.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.teacher = deepcopy(network).requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        """Set the mode of the network; the teacher stays in evaluation mode."""
        super().train(mode)
        self.teacher.eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Return the network's own logits `(B, K)`."""
        logits: Tensor = self.network(images)
        return logits
