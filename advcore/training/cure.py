"""CURE: curvature regularisation.

Source: Moosavi-Dezfooli et al. 2019, Robustness via curvature regularization, and vice versa.
"""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from advcore.classifier import evaluating
from advcore.norms import L2, per_sample
from advcore.randomness import Randomness
from advcore.training.loss_gradient import input_gradient
from advcore.training.refused_labels import refuses_labels
from advcore.training.term import check_weight

GUARD = 1e-7
"""The number that the released code adds to the signs and to their norm."""


@dataclass(frozen=True)
class CURE:
    """`E ||grad l(x + h z) - grad l(x)||_2^2`, l the cross-entropy.

    `z = sign(g) / ||sign(g)||_2` and `g = grad l(x)`.

    About `h^2 ||H z||^2`, H the Hessian of the loss in the input, and exactly that for a quadratic
    loss: it flattens the loss along the signs of its gradient, without any attack. z is a constant
    of the step, and the network is in evaluation mode for this term, as in the authors' code. It
    goes with the term `cross_entropy`. Without a box: `x + h z` may leave [0, 1].

    As `released`, the term is what the authors' code computes: norms that are not squared, of
    gradients of the batch's mean loss, so `E ||grad l(x + h z) - grad l(x)||_2 / B` for a batch of
    B samples; and z is 1 in every pixel where the gradient is 0.

    Attributes:
        weight: weight of the term: gamma in the paper, 4 there; of the released form lambda, 4 in
            its class and 1 in its notebook.
        h: step of the finite difference, l2 norm in pixel units, 1.5 at the end of the paper's
            ramp. The released code's 3 is in images divided by a std of 0.2.
        form: form of the paper, or that of the authors' code.
    """

    weight: float = 4.0
    h: float = 1.5
    form: Literal["paper", "released"] = "paper"

    def __post_init__(self) -> None:
        check_weight(self.weight)
        if not self.h > 0:
            raise ValueError(f"h must be positive; got {self.h}")
        if self.form not in ("paper", "released"):
            raise ValueError(f"form must be paper or released; got {self.form!r}")

    @refuses_labels
    def __call__(
        self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Tensor:
        return self.penalty(network, images, labels).mean()

    def penalty(self, network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """The term of each sample, `(B,)`, differentiable in the network's parameters."""
        with evaluating(network):
            _, here = input_gradient(network, images, labels)
            _, there = input_gradient(
                network, images + self.h * self._direction(here.detach().sign()), labels
            )
        change = there - here
        return (
            change.flatten(1).square().sum(1)
            if self.form == "paper"
            else L2.size(change) / len(images)
        )

    def _direction(self, signs: Tensor) -> Tensor:
        if self.form == "paper":
            return L2.steepest(signs)
        return (signs + GUARD) / per_sample(L2.size(signs) + GUARD, signs)
