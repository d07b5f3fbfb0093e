"""Shorter adversarial perturbations by turning on the decision boundary."""

from dataclasses import dataclass

import torch
from torch import Tensor

from advcore import objectives
from advcore.attacks.ascent import evaluate
from advcore.attacks.halfspace import step_to_hyperplane
from advcore.classifier import Classifier, logits_of, take_rows
from advcore.criteria import Criterion
from advcore.norms import Norm, per_sample
from advcore.objectives import Objective

SLACK = 1e-5
"""Distance beyond the boundary at which a point counts, as a share of the logit margin at the clean
image. A few roundings of the largest logit come on top, so that another batch's rounding does not
undo it."""

CONVERGED = 1e-3
"""A sample whose turns have become this short leaves."""


@dataclass(frozen=True, eq=False)
class AttackedSamples:
    """The samples under attack, as minimal-norm attacks see them; it counts their cost.

    `origin` `(n, *shape)`; `lead` `(n,)`, the logit margin at the origin, negative, and `slack`
    `(n,)`, what is taken off every margin; `rows`, their places in `queries` and `gradients`, which
    are shared with the whole batch.
    """

    classifier: Classifier
    origin: Tensor
    criterion: Criterion
    lead: Tensor
    slack: Tensor
    rows: Tensor
    queries: Tensor
    gradients: Tensor

    @classmethod
    def of(
        cls, classifier: Classifier, images: Tensor, criterion: Criterion, logits: Tensor
    ) -> "AttackedSamples":
        """Return the state of all samples of a batch, with their logits and nothing spent."""
        lead = objectives.logit_margin(logits, criterion)
        slack = SLACK * lead.abs() + 8 * torch.finfo(logits.dtype).eps * logits.abs().amax(1)
        queries = torch.zeros(len(images), dtype=torch.int64, device=images.device)
        rows = torch.arange(len(images), device=images.device)
        return cls(
            classifier, images, criterion, lead, slack, rows, queries, torch.zeros_like(queries)
        )

    def take(self, index: Tensor) -> "AttackedSamples":
        """The samples `index`, perhaps more than once each."""
        own, criterion = take_rows(self.classifier, index), self.criterion.take(index)
        lead, slack, rows = self.lead[index], self.slack[index], self.rows[index]
        return AttackedSamples(
            own, self.origin[index], criterion, lead, slack, rows, self.queries, self.gradients
        )

    def spend(self, queries: int, gradients: int = 0) -> None:
        """Count queries and gradients for each sample."""
        self.queries.index_add_(0, self.rows, torch.full_like(self.rows, queries))
        self.gradients.index_add_(0, self.rows, torch.full_like(self.rows, gradients))

    def inside(self, perturbation: Tensor) -> Tensor:
        """The perturbation, cut so that the image stays in [0, 1]."""
        return (self.origin + perturbation).clamp(0, 1) - self.origin

    def margin(self, perturbation: Tensor) -> Tensor:
        """The logit margin less the slack, `(n,)`: positive means adversarial, beyond rounding."""
        self.spend(queries=1)
        with torch.no_grad():
            return (
                objectives.logit_margin(
                    logits_of(self.classifier, self.origin + perturbation), self.criterion
                )
                - self.slack
            )

    def ascent(self, perturbation: Tensor, objective: Objective) -> tuple[Tensor, Tensor]:
        """The gradient of an objective, and whether the point is adversarial."""
        gradient, margin = self._differentiate(perturbation, objective)
        return gradient, margin > 0

    def normal(self, perturbation: Tensor) -> tuple[Tensor, Tensor]:
        """The gradient of the logit margin, and the margin."""
        return self._differentiate(perturbation, objectives.logit_margin)

    def _differentiate(self, perturbation: Tensor, objective: Objective) -> tuple[Tensor, Tensor]:
        self.spend(queries=1, gradients=1)
        gradient, _, logits = evaluate(
            self.classifier, self.origin + perturbation, self.criterion, objective
        )
        return gradient, objectives.logit_margin(logits, self.criterion) - self.slack


def shrink_to_boundary(
    attacked: AttackedSamples, perturbation: Tensor, margin: Tensor | None = None, steps: int = 2
) -> Tensor:
    """Shorten adversarial perturbations `(n, *shape)` along themselves towards the boundary.

    Bracketed secant steps on the logit margin; the result is adversarial. `margin` `(n,)` is that
    of the perturbations, where it is known.
    """
    low, high = torch.zeros_like(attacked.lead), torch.ones_like(attacked.lead)
    at_low, at_high = attacked.lead, attacked.margin(perturbation) if margin is None else margin
    for _ in range(steps):
        secant = (-at_low / (at_high - at_low).clamp(min=torch.finfo(low.dtype).tiny)).clamp(
            0.02, 0.98
        )
        share = low + (high - low) * (
            secant + 0.01
        )  # a little beyond, so that the upper end comes down
        margin = attacked.margin(per_sample(share, perturbation) * perturbation)
        adversarial = margin > 0
        low, at_low = torch.where(adversarial, low, share), torch.where(adversarial, at_low, margin)
        high, at_high = (
            torch.where(adversarial, share, high),
            torch.where(adversarial, margin, at_high),
        )
    return per_sample(high, perturbation) * perturbation


def turned(
    norm: Norm,
    attacked: AttackedSamples,
    perturbation: Tensor,
    target: Tensor,
    share: Tensor,
    box: bool,
) -> Tensor:
    """Move perturbations `(n, *shape)` a share `(n,)` of the way to a target.

    They are scaled to just below the size that they had.
    """
    moved = perturbation + per_sample(share, perturbation) * (target - perturbation)
    shrink = (
        norm.size(perturbation)
        * (1 - 1e-4)
        / norm.size(moved).clamp(min=torch.finfo(share.dtype).tiny)
    )
    moved = moved * per_sample(shrink, moved)
    return attacked.inside(moved) if box else moved


def refine(
    norm: Norm, attacked: AttackedSamples, perturbation: Tensor, turns: int, box: bool
) -> Tensor:
    """Turn adversarial perturbations `(n, *shape)` towards the linearised boundary.

    They turn to its closest point, while that shortens them.

    At `x + r` the logit margin `m` has the gradient `w`: the boundary is near `{r' : <w, r' - r> =
    -m}`, whose closest point to `x`, under the box, is `p`. The try is `r + t (p - r)`, scaled to
    just below the size of `r`. Where it is adversarial it is drawn back onto the boundary and `t`
    grows; where not, `r` stays and `t` shrinks. So every accepted turn is strictly shorter.
    """
    best = perturbation.clone()
    active = torch.arange(len(best), device=best.device)
    turn = torch.ones_like(attacked.lead)
    for _ in range(turns):
        current = best[active]
        normal, margin = attacked.normal(current)
        gap = ((normal * current).flatten(1).sum(1) - margin).clamp(min=0)
        target = step_to_hyperplane(norm, attacked.origin, normal, gap, box)
        tried = turned(norm, attacked, current, target, turn, box)
        reached = attacked.margin(tried)
        shorter = reached > 0
        gained = shorter.nonzero()[:, 0]
        if len(gained):
            best[active[gained]] = shrink_to_boundary(
                attacked.take(gained), tried[gained], reached[gained]
            )
        turn = torch.where(shorter, (1.5 * turn).clamp(max=1), turn / 3)
        keep = (turn > CONVERGED).nonzero()[:, 0]
        if not len(keep):
            break
        if len(keep) < len(active):
            active, turn, attacked = active[keep], turn[keep], attacked.take(keep)
    return best
