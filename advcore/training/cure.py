"""CURE: curvature regularisation (Moosavi-Dezfooli et al. 2019, Robustness via curvature regularization, and vice versa)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advcore.norms import L2
from advcore.randomness import Randomness
from advcore.training.term import check_weight


@dataclass(frozen=True)
class CURE:
    """`E ||grad l(x + h z) - grad l(x)||_2^2`, l the cross-entropy, `z = sign(g) / ||sign(g)||_2` and `g = grad l(x)`.

    About `h^2 ||H z||^2`, H the Hessian of the loss in the input, and exactly that for a quadratic loss: it flattens the loss along
    the signs of its gradient, without any attack. z is a constant of the step, and the network is in evaluation mode for this term,
    as in the authors' code; the mean over samples is of squared norms of each sample's own gradient, as in the paper (the code
    takes norms of gradients of the batch's mean loss). It goes with the term `cross_entropy`.

    Attributes:
        weight: gamma in the paper, 4 there.
        h: the step of the finite difference, l2 norm in pixel units.
    """

    weight: float = 4.0
    h: float = 1.5

    def __post_init__(self) -> None:
        check_weight(self.weight)
        if not self.h > 0:
            raise ValueError(f"h must be positive; got {self.h}")

    def __call__(self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness) -> Tensor:
        return self.penalty(network, images, labels).mean()

    def penalty(self, network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """`||grad l(x + h z) - grad l(x)||_2^2` of each sample, `(B,)`, differentiable in the network's parameters."""
        modes = [(module, module.training) for module in network.modules()]
        network.eval()
        try:
            here = self._gradient(network, images, labels)
            z = L2.steepest(here.detach().sign())
            there = self._gradient(network, images + self.h * z, labels)
        finally:
            for module, mode in modes:
                module.training = mode
        return (there - here).flatten(1).square().sum(1)

    def _gradient(self, network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        images = images.detach().requires_grad_()
        loss = F.cross_entropy(network(images), labels, reduction="sum")
        return torch.autograd.grad(loss, images, create_graph=True)[0]
