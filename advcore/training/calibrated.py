"""Confidence-calibrated adversarial training, CCAT (Stutz et al. 2020)."""

from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from advcore import norms
from advcore.attacks import PGD
from advcore.attacks.ascent import ascend
from advcore.attacks.budget import check_eps, radii
from advcore.classifier import frozen
from advcore.criteria import Untargeted
from advcore.norms import per_sample
from advcore.objectives import wrong_confidence
from advcore.randomness import Randomness
from advcore.threats.ball import Ball
from advcore.training.refused_labels import refuses_labels
from advcore.training.term import check_weight


@dataclass(frozen=True)
class CCAT:
    """`E cross_entropy(x + r, lambda onehot(y) + (1 - lambda) / K)`.

    Here `lambda = (1 - min(1, ||r|| / eps))^rho`: the farther an adversarial image, the less sure
    the network shall be of it, so that it can be refused by its confidence.

    `r` maximises the largest confidence in a wrong class, `max_{k != y} p_k(x + r)`, over `||r|| <=
    eps`: projected ascent on its logarithm, all steps, in evaluation mode, from x for half of the
    samples, by chance, and for the others from a random direction at a radius uniform in (0, eps).
    Left out of the published attack: momentum, backtracking (a step that lowers the confidence is
    undone and shortened) and the choice of the best iterate. So unless the ascent finds a top
    inside the ball, `||r||` is eps or close to it, and lambda 0.

    The paper's objective halves each batch: the terms `cross_entropy` and `calibrated`, each with
    weight 0.5.

    Attributes:
        eps: radius in pixel units; 0.3 in the paper on MNIST, 0.03 on CIFAR-10. At 0 it is plain
            training.
        norm: norm of the ball, and of the distance that lambda falls with; linf in the paper.
        rho: exponent by which lambda falls, 10 in the paper.
        steps: gradient steps of the ascent; 40 in the paper.
        relative_step: step length as a share of eps; 2.5 / steps when None. In the paper a step is
            0.005.
        box: keep `x + r` in [0, 1].
        weight: weight of the term.
    """

    eps: float
    norm: Literal["l2", "linf"] = "linf"
    rho: float = 10.0
    steps: int = 40
    relative_step: float | None = None
    box: bool = True
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_weight(self.weight)
        check_eps(self.eps, wanted=True)
        if not self.rho > 0:
            raise ValueError(f"rho must be positive; got {self.rho}")
        _ = self.chosen

    @property
    def chosen(self) -> PGD:
        """The ball and the steps of the inner maximisation.

        Its start and its objective are the term's own.
        """
        return PGD(self.eps, self.norm, self.steps, self.relative_step, box=self.box)

    @refuses_labels
    def __call__(
        self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Tensor:
        if self.eps == 0:
            return F.cross_entropy(network(images), labels)
        moved = self.perturbed(network, images, labels, randomness)
        logits = network(moved)
        kept = self.kept(moved - images)[:, None]
        onehot = F.one_hot(labels, logits.shape[1]).to(logits.dtype)
        return F.cross_entropy(logits, kept * onehot + (1 - kept) / logits.shape[1])

    def kept(self, r: Tensor) -> Tensor:
        """lambda, the share of the label that is left at a perturbation r, `(B,)`."""
        return (1 - norms.norm_by_name(self.norm).size(r) / self.eps).clamp(min=0) ** self.rho

    def perturbed(
        self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Tensor:
        """`x + r`, `(B, C, H, W)`."""
        ball = Ball.of(norms.norm_by_name(self.norm), images, radii(self.eps, images), self.box)
        with frozen(network, compiled=True):
            start = ball.project(images + self._start(images, randomness))
            step = self.chosen.step
            return ascend(
                network,
                ball,
                start,
                Untargeted(labels),
                wrong_confidence,
                step,
                self.steps,
                leave=False,
            ).images

    def _start(self, images: Tensor, randomness: Randomness) -> Tensor:
        """Perturbations `(B, *shape)`: 0, or of a size uniform in (0, eps)."""
        noise = randomness.stream("start").normal(images.shape[1:]).to(images.dtype)
        radius = (
            self.eps
            * randomness.stream("radius").uniform(())
            * (randomness.stream("still").uniform(()) < 0.5)
        )
        return noise * per_sample(
            radius.to(images.dtype) / norms.norm_by_name(self.norm).size(noise), noise
        )
