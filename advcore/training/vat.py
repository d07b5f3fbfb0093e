"""Virtual adversarial training (Miyato et al. 2018): no labels in the divergence."""

from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor, nn

from advcore import norms
from advcore.attacks.budget import check_eps
from advcore.classifier import frozen
from advcore.logit_gradients import leaf
from advcore.places import filled
from advcore.randomness import Randomness
from advcore.training.term import check_weight
from advcore.training.trades import divergence


@dataclass(frozen=True)
class VAT:
    """`KL(p(x) || p(x + r))`, r the l2 direction of length eps that moves the prediction most.

    p is the softmax. The divergence is 0 at r = 0 with its first derivative, so r is eps times the
    leading eigenvector of its Hessian: power iterations from a random direction d, each the
    gradient at `x + xi d`, normalised; one in the paper. It goes with the term `cross_entropy`, and
    the gradient of the weights does not go through p(x). r is looked for in evaluation mode. There
    is no box. Empty places of sequences `(B, T, E)`, rows of 0, stay.

    Attributes:
        eps: l2 length of r, in units of the inputs; at 0 the term is 0, without any pass.
        xi: l2 length at which the gradient is taken, in units of the inputs; 1e-6 in the paper, 10
            in others' code, small against what the network bends over.
        iterations: number of power iterations.
        weight: weight of the term.
    """

    eps: float
    xi: float = 0.01
    iterations: int = 1
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_weight(self.weight)
        check_eps(self.eps, wanted=True)
        if not 0 < self.xi < inf:
            raise ValueError(f"xi must be a positive, finite length; got {self.xi}")
        if self.iterations < 1:
            raise ValueError(f"iterations must be at least 1; got {self.iterations}")

    @property
    def box(self) -> bool:
        """False: the inputs may be any."""
        return False

    def __call__(
        self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Tensor:
        if self.eps == 0:
            return images.new_zeros(())
        clean, direction = self.constants(network, images, randomness)
        return divergence(clean, network(images + self.eps * direction)).mean()

    def constants(
        self, network: nn.Module, images: Tensor, randomness: Randomness
    ) -> tuple[Tensor, Tensor]:
        """The logits at the images and the unit vectors r / eps: no gradient goes through them."""
        with torch.no_grad():
            clean = network(images)
        return clean, self.direction(network, images, randomness)

    def direction(self, network: nn.Module, images: Tensor, randomness: Randomness) -> Tensor:
        """The unit vectors r / eps, like the images; 0 where no direction moves the prediction."""
        places = filled(images)
        noise = randomness.stream("start").normal(images.shape[1:]).to(images)
        direction = norms.L2.steepest(noise * places)
        with frozen(network):
            with torch.no_grad():
                clean = network(images)
            for _ in range(self.iterations):
                with torch.enable_grad():
                    tried = leaf(images + self.xi * direction)
                    total = divergence(clean, network(tried)).sum()
                (gradient,) = torch.autograd.grad(total, tried)
                direction = norms.L2.steepest(gradient * places)
        return direction
