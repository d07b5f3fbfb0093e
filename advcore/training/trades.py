"""TRADES: the divergence between predictions at an image and near it.

Source: Zhang et al. 2019, Theoretically principled trade-off.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from advcore import norms
from advcore.attacks import PGD
from advcore.attacks.ascent import ascend
from advcore.attacks.budget import check_eps, radii
from advcore.classifier import frozen
from advcore.criteria import Criterion, Untargeted
from advcore.randomness import Randomness
from advcore.threats.ball import Ball
from advcore.training.term import check_weight

NOISE = 1e-3
"""Standard deviation of the start around x, pixel units: at x itself the divergence has no
gradient."""


@dataclass(frozen=True)
class TRADES:
    """`E max_{||r|| <= eps} KL(p(x) || p(x + r))`, p the softmax.

    It measures how far the prediction can be moved, whatever the label. It goes with the term
    `cross_entropy`.

    The maximum is that of projected ascent on the same divergence, all steps, from `x + 0.001 N(0,
    1)` drawn into the ball and the box, in evaluation mode. The value's gradient goes through both
    p(x) and p(x + r), in training mode, and it is a mean over the samples there are. The authors'
    first code attacked in training mode, and divided the last, smaller batch by 128 too.

    Attributes:
        eps: radius in pixel units; 0.031 in the paper. At 0 the term is 0, without any pass.
        norm: norm of the ball.
        steps: gradient steps of the ascent; 10 in the paper.
        relative_step: step length as a share of eps; 2.5 / steps when None. The authors take 2.26 /
            steps in linf, 2 / steps in l2.
        box: keep `x + r` in [0, 1].
        weight: weight beta of the term, `1 / lambda` of the paper, 6 there.
    """

    eps: float
    norm: Literal["l2", "linf"] = "linf"
    steps: int = 10
    relative_step: float | None = None
    box: bool = True
    weight: float = 6.0

    def __post_init__(self) -> None:
        check_weight(self.weight)
        check_eps(self.eps, wanted=True)
        _ = self.chosen

    @property
    def chosen(self) -> PGD:
        """The ball and the steps of the inner maximisation.

        Its start and its objective are the term's own.
        """
        return PGD(self.eps, self.norm, self.steps, self.relative_step, box=self.box)

    def __call__(
        self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Tensor:
        if self.eps == 0:
            return images.new_zeros(())
        moved = self.perturbed(network, images, labels, randomness)
        return divergence(network(images), network(moved)).mean()

    def perturbed(
        self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Tensor:
        """`x + r`, `(B, C, H, W)`."""
        ball = Ball.of(norms.norm_by_name(self.norm), images, radii(self.eps, images), self.box)
        noise = randomness.stream("start").normal(images.shape[1:]).to(images.dtype)
        start = ball.project(images + NOISE * noise)
        with frozen(network, compiled=True):
            with torch.no_grad():
                clean = network(images)

            def objective(logits: Tensor, _: Criterion) -> Tensor:
                return divergence(clean, logits)

            return ascend(
                network,
                ball,
                start,
                Untargeted(labels),
                objective,
                self.chosen.step,
                self.steps,
                leave=False,
            ).images


def divergence(clean: Tensor, moved: Tensor) -> Tensor:
    """Return `KL(p || q)` of the softmax p and q of two batches of logits `(B, K)`, `(B,)`.

    It is computed in double precision: its gradient in the logits is q - p, which single precision
    rounds to 0 for the label where it leads by 17 and more.
    """
    log_p, log_q = clean.double().log_softmax(1), moved.double().log_softmax(1)
    return (log_p.exp() * (log_p - log_q)).sum(1).to(clean.dtype)
