"""Local linearity regularisation, LLR.

Source: Qin et al. 2019, Adversarial robustness through local linearization.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from advcore import norms
from advcore.attacks import PGD
from advcore.attacks.ascent import ascend
from advcore.attacks.budget import check_eps, radii
from advcore.classifier import evaluating, frozen
from advcore.criteria import Untargeted
from advcore.randomness import Randomness
from advcore.threats.ball import Ball
from advcore.training.loss_gradient import input_gradient, surprise
from advcore.training.refused_labels import refuses_labels
from advcore.training.term import check_weight


@dataclass(frozen=True)
class LocalLinearity:
    """`E [gamma(d) + share |d^T grad l(x)|]`, at the d in the ball with the largest gamma.

    `gamma(d) = |l(x + d) - l(x) - d^T grad l(x)|`, l the cross-entropy. It goes with the term
    `cross_entropy`.

    For any d, `l(x + d) <= l(x) + gamma + |d^T grad l(x)|`: the term bounds what an adversary gains
    by how far the loss is from its tangent plane, and by that plane's slope. d is a constant of the
    step; the gradient goes through both l and grad l. Every product is a sample's own. The network
    is in evaluation mode for this term, and in float32 whatever the recipe's
    precision: gamma is a small difference of large numbers.

    d is found by the ascent of the attacks, on a classifier whose only output is the signed error,
    from a random point of the ball (at 0 the error has no gradient), all steps. The authors' code
    is not public: the start and the steps are our choice.

    Attributes:
        eps: radius in pixel units; 8/255 in the paper on CIFAR-10. At 0 the term is 0, without any
            pass.
        norm: norm of the ball; linf in the paper.
        share: share mu / lambda; 3/4 in the paper on CIFAR-10, 2 on ImageNet.
        steps: gradient steps of the ascent; 10 in the paper on CIFAR-10, 2 on ImageNet.
        relative_step: step length as a share of eps; 2.5 / steps when None.
        box: keep `x + d` in [0, 1].
        weight: weight lambda of the term; 4 in the paper on CIFAR-10, 3 on ImageNet.
    """

    eps: float
    norm: Literal["l2", "linf"] = "linf"
    share: float = 0.75
    steps: int = 10
    relative_step: float | None = None
    box: bool = True
    weight: float = 4.0

    def __post_init__(self) -> None:
        check_weight(self.weight)
        check_eps(self.eps, wanted=True)
        if not self.share >= 0:
            raise ValueError(f"share, mu / lambda, must not be negative; got {self.share}")
        _ = self.chosen

    @property
    def chosen(self) -> PGD:
        """The ball and the steps of the inner maximisation; what it climbs is the term's own."""
        return PGD(self.eps, self.norm, self.steps, self.relative_step, box=self.box)

    @refuses_labels
    def __call__(
        self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Tensor:
        if self.eps == 0:
            return images.new_zeros(())
        with evaluating(network), torch.autocast(images.device.type, enabled=False):
            loss, gradient = input_gradient(network, images, labels)
            d = (
                self._farthest(
                    network, images, labels, loss.detach(), gradient.detach(), randomness
                )
                - images
            )
            rise = (d * gradient).flatten(1).sum(1)
            gamma = (surprise(network, images + d, labels) - loss - rise).abs()
        return (gamma + self.share * rise.abs()).mean()

    def _farthest(
        self,
        network: nn.Module,
        images: Tensor,
        labels: Tensor,
        loss: Tensor,
        gradient: Tensor,
        randomness: Randomness,
    ) -> Tensor:
        """`x + d` where the loss is farthest from its tangent plane, `(B, C, H, W)`."""
        ball = Ball.of(norms.norm_by_name(self.norm), images, radii(self.eps, images), self.box)
        noise = ball.norm.random(
            randomness.stream("start"), tuple(images.shape[1:]), ball.radius
        ).to(images.dtype)

        def error(moved: Tensor) -> Tensor:
            rise = ((moved - images) * gradient).flatten(1).sum(1)
            return (surprise(network, moved, labels) - loss - rise)[:, None]

        with frozen(network, compiled=True):
            start, step = ball.project(images + noise), self.chosen.step
            return ascend(
                error, ball, start, Untargeted(labels), _size, step, self.steps, leave=False
            ).images


def _size(error: Tensor, _: object) -> Tensor:
    """Return the objective of the ascent, `(B,)`, of errors `(B, 1)`."""
    return torch.abs(error[:, 0])
