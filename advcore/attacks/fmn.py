"""FMN: fast minimum-norm attacks in l0, l1, l2, linf (Pintor et al. 2021)."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from advcore import norms
from advcore.attacks import l0
from advcore.attacks.attack import Adversarial, SearchResult, Status
from advcore.attacks.boundary_walk import Iterate, cosine, walk
from advcore.attacks.search import solve
from advcore.classifier import Classifier
from advcore.criteria import Criterion
from advcore.norms import Norm
from advcore.objectives import logit_margin
from advcore.randomness import Randomness
from advcore.threats.ball import Ball, free_gradient

FMNNorm = Literal["l0", "l1", "l2", "linf"]

STEPS = {"l0": 100.0, "l1": 10.0, "l2": 1.0, "linf": 10.0}
"""First steps: where the projection flattens `r`, or leaves it few coordinates, a long one lets new
coordinates in."""


@dataclass(frozen=True)
class FMN:
    """Find the shortest `r`, `x + r` adversarial, with a ball that shrinks and grows.

    Steps along the gradient of the logit margin are projected onto a ball of radius eps that
    shrinks while `x + r` is adversarial and grows while it is not.

    With `m` the margin (positive if adversarial) and `g` its gradient at `x + r`, one step is

        eps <- min((1 - gamma) eps, shortest)                  where m > 0
        eps <- (1 + gamma) eps                                 elsewhere, once an adversarial r is
        known eps <- (1 + gamma) (||r||_p + |m| / ||g||_q)           before: the distance to the
        linearised boundary r   <- P(r + a g / ||g||_2),  P onto the ball and the box,

    `gamma` and `a` falling along a cosine (Pintor et al., Fast minimum-norm adversarial attacks
    through adaptive norm constraints, NeurIPS 2021, algorithm 1). The `1 + gamma` of the third line
    is ours: without it `r` ends on the linearised boundary, where rounding decides, and an affine
    classifier may not be crossed at all. The margin's scale cancels, in `m / ||g||` as in `g /
    ||g||`: so do the logits'.

    In l0 eps is a number of coordinates, one channel of one pixel each. It changes by at least one;
    its first estimate is how many coordinates, moved to their wall, bring the linearised margin to
    0 (1 without the box); and P keeps those that serve best with the box in mind (`l0.keep_best`).

    Guarantee: an upper bound on the minimal distance.

    Attributes:
        norm: norm in which the perturbation is short.
        steps: number of iterates, one forward and one backward pass each.
        gamma: share by which eps changes, at first.
        last_gamma: share by which eps changes, at last.
        step: first length `a` of the step, in pixel units, measured in l2 in any norm; None takes
            the one of `STEPS`.
        last_step: last length of the step, as a share of `step`.
        box: keep `x + r` in [0, 1].
    """

    norm: FMNNorm = "l2"
    steps: int = 100
    gamma: float = 0.05
    last_gamma: float = 0.001
    step: float | None = None
    last_step: float = 0.01
    box: bool = True

    def __post_init__(self) -> None:
        norms.check_norm(self.norm, FMNNorm)
        if self.steps < 2:
            raise ValueError(
                "steps must be at least 2, as the first looks at the image itself; got "
                f"{self.steps}"
            )
        if not 0 < self.last_gamma <= self.gamma < 1:
            raise ValueError(
                f"0 < last_gamma <= gamma < 1 is needed; got gamma={self.gamma}, "
                f"last_gamma={self.last_gamma}"
            )
        for name in ("step", "last_step"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ValueError(f"{name} must be positive and finite; got {value}")

    def __call__(
        self,
        classifier: Classifier,
        images: Tensor,
        criterion: Criterion,
        randomness: Randomness | None = None,
    ) -> Adversarial:
        return solve(
            self._search,
            l0.size_by_name(self.norm),
            Status.FAILED,
            classifier,
            images,
            criterion,
            randomness,
            self.box,
        )

    def _search(
        self, classifier: Classifier, images: Tensor, criterion: Criterion, randomness: Randomness
    ) -> SearchResult:
        norm = l0.size_by_name(self.norm)
        first = STEPS[self.norm] if self.step is None else self.step
        eps = images.new_zeros(len(images))
        everywhere = torch.full_like(images, torch.inf)
        low, high = (-images, 1 - images) if self.box else (-everywhere, everywhere)
        farthest = norm.size(torch.maximum(-low, high))

        def move(step: int, iterate: Iterate) -> Tensor:
            nonlocal eps
            gamma = cosine(self.gamma, self.last_gamma, step, self.steps)
            eps = self._radius(norm, eps, gamma, iterate, images).clamp(min=0).minimum(farthest)
            length = cosine(first, first * self.last_step, step, self.steps)
            way = iterate.perturbations + length * norms.L2.steepest(
                self._free(iterate) if norm is norms.L2 else iterate.gradient
            )
            if norm is l0.L0:
                return images + l0.keep_best(way, eps, low, high)
            return (
                Ball.of(norm, images, eps).project(images + way)
                if self.box
                else images + norm.project(way, eps)
            )

        return walk(classifier, images, criterion, logit_margin, norm, self.steps, move)

    def _radius(
        self, norm: Norm, eps: Tensor, gamma: float, iterate: Iterate, images: Tensor
    ) -> Tensor:
        """The next radius `(B,)`."""
        gap = iterate.value.abs()
        gradient = self._free(iterate)
        if norm is l0.L0:
            shrunk = torch.minimum(eps - 1, ((1 - gamma) * eps).floor())
            grown = torch.maximum(eps + 1, ((1 + gamma) * eps).floor())
            room = (
                torch.where(gradient > 0, 1 - images, images)
                if self.box
                else torch.full_like(images, torch.inf)
            )
            gains = torch.nan_to_num(
                gradient.abs() * room
            )  # 0 times inf: such a coordinate gains nothing
            guess = torch.maximum(grown, l0.fewest(gains, gap)) if not eps.any() else grown
        else:
            shrunk, grown = (1 - gamma) * eps, (1 + gamma) * eps
            slope = norm.dual(gradient)
            distance = torch.where(slope > 0, gap / slope, 0)
            guess = torch.maximum(
                grown, (1 + gamma) * (norm.size(iterate.perturbations) + distance)
            )
        outside = torch.where(iterate.shortest.isfinite(), grown, guess)
        return torch.where(iterate.found, shrunk.minimum(iterate.shortest), outside)

    def _free(self, iterate: Iterate) -> Tensor:
        """The gradient without what the box does not let move."""
        return free_gradient(iterate.gradient, iterate.images) if self.box else iterate.gradient
