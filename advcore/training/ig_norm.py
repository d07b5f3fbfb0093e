"""IG-NORM: attributions of the loss that no perturbation can make large.

Source: Chen et al. 2019, Robust attribution regularization.
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
from advcore.logit_gradients import leaf
from advcore.midpoint_rule import midpoints
from advcore.modules import twice_differentiable
from advcore.norms import L1
from advcore.randomness import Randomness
from advcore.threats.ball import Ball
from advcore.training.loss_gradient import surprise
from advcore.training.refused_labels import refuses_labels
from advcore.training.term import check_weight


@dataclass(frozen=True)
class IGNorm:
    """`E max_{||r|| <= eps} ||IG(x, x + r)||_1`, integrated gradients of the cross-entropy l.

    `IG(x, x')_d = (x' - x)_d int_0^1 dl/dx_d (x + t (x' - x)) dt`. Its sum over the pixels is
    `l(x') - l(x)`, so the term is at least what a perturbation adds to the loss; where the loss is
    affine it is `eps ||grad l||_1` in linf, the `gradient_penalty` of that norm. It goes with the
    term `cross_entropy`.

    The maximum is that of projected ascent on the same norm from a random point of the ball (at x
    itself it is 0), all steps; `x + r` is then a constant of the step. The integral is the mean at
    the midpoints of `points` equal parts; a step holds the passes of all of them at once. The
    network is in evaluation mode for this term. Each step of the ascent differentiates a gradient:
    in a network of ReLUs that leaves the curvature of the softmax, and the factor `x' - x`.

    Attributes:
        eps: radius in pixel units; 0.3 in the paper on MNIST, 0.1 on Fashion-MNIST. At 0 the term
            is 0, without any pass.
        norm: norm of the ball; linf in the paper.
        steps: gradient steps of the ascent; 40 in the paper on MNIST, 20 on Fashion-MNIST.
        relative_step: step length as a share of eps; 2.5 / steps when None. In the paper a step is
            0.01.
        points: points of the integral, 50 in the paper.
        ascent_points: points of the integral in the ascent, a fifth of those in the paper.
        box: keep `x + r` in [0, 1].
        weight: weight lambda of the term, 1 in the paper.
    """

    eps: float
    norm: Literal["l2", "linf"] = "linf"
    steps: int = 20
    relative_step: float | None = None
    points: int = 50
    ascent_points: int = 10
    box: bool = True
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_weight(self.weight)
        check_eps(self.eps, wanted=True)
        for name, count in (("points", self.points), ("ascent_points", self.ascent_points)):
            if count < 1:
                raise ValueError(f"{name} of the integral must be at least 1; got {count}")
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
        with evaluating(network):
            moved = leaf(self.perturbed(network, images, labels, randomness))
            return norm_of_gradients(network, images, moved, labels, self.points).mean()

    def perturbed(
        self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Tensor:
        """`x + r`, `(B, C, H, W)`."""
        ball = Ball.of(norms.norm_by_name(self.norm), images, radii(self.eps, images), self.box)
        noise = ball.norm.random(
            randomness.stream("start"), tuple(images.shape[1:]), ball.radius
        ).to(images.dtype)

        def size(moved: Tensor) -> Tensor:
            return norm_of_gradients(network, images, moved, labels, self.ascent_points)[:, None]

        with frozen(network, compiled=True):
            start, step = ball.project(images + noise), self.chosen.step
            return ascend(
                size, ball, start, Untargeted(labels), _itself, step, self.steps, leave=False
            ).images


def norm_of_gradients(
    network: nn.Module, images: Tensor, moved: Tensor, labels: Tensor, points: int
) -> Tensor:
    """Return `||IG(x, x')||_1` from images x to x', both `(B, C, H, W)`, `(B,)`.

    It can be differentiated in x', which has to require it, and in the network's parameters.
    """
    way = moved - images
    along = midpoints(images, way, points)
    path = along.flatten(0, 1)
    with twice_differentiable():
        loss = surprise(network, path, labels.repeat(points))
    gradient = torch.autograd.grad(loss.sum(), path, create_graph=True, materialize_grads=True)[0]
    return L1.size(way * gradient.view_as(along).mean(0))


def _itself(size: Tensor, _: object) -> Tensor:
    """Return the objective of the ascent, `(B,)`, of norms `(B, 1)`."""
    return size[:, 0]
