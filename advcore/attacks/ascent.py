"""The one projected-ascent loop: ball, objective, step and start are values."""

import torch
from torch import Tensor

from advcore import norms
from advcore.attacks.attack import SearchResult
from advcore.attacks.ball import Ball
from advcore.classifier import Classifier, check_finite, logits_of, take_rows
from advcore.criteria import Criterion
from advcore.logit_gradients import differentiate, pull_back
from advcore.norms import per_sample
from advcore.objectives import Objective, cross_entropy, cross_entropy_slope

L1_SHARE = 0.01
"""The share of all coordinates that a step in l1 moves."""


def evaluate(
    classifier: Classifier, images: Tensor, criterion: Criterion, objective: Objective
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradient `(B, *shape)` of the objective, its value `(B,)`, and the logits `(B, K)`."""
    if objective is cross_entropy:
        return pull_back(classifier, images, lambda logits: cross_entropy_slope(logits, criterion))
    return differentiate(classifier, images, lambda logits: objective(logits, criterion))


def free_gradient(gradient: Tensor, images: Tensor) -> Tensor:
    """Return the gradient without the coordinates that it would push out of the box."""
    return gradient * torch.where(gradient > 0, images < 1, images > 0)


def better(value: Tensor, best: Tensor) -> Tensor:
    """Return whether a value is larger than the best so far.

    NaN is: so the image that gave it is handed back, verified, refused.
    """
    return ~(value <= best)


def ascend(
    classifier: Classifier,
    ball: Ball,
    start: Tensor,
    criterion: Criterion,
    objective: Objective,
    step: float,
    steps: int,
    leave: bool,
) -> SearchResult:
    """Maximise the objective over a ball and the box.

    Each step is `x <- P(x + step * radius * steepest(gradient))`.

    With `leave`, a sample stops at its first adversarial iterate and leaves the batch; one that has
    none ends at its iterate of the largest objective, and makes no claim. Without, all samples make
    all steps and the last iterate is returned: what adversarial training trains on.

    Args:
        start: `(B, *shape)`, inside the ball.
        step: as a share of each sample's radius.
    """
    current, result = start, start.clone()
    best: _Best | None = None
    active = torch.arange(len(start), device=start.device)
    spent = torch.full((len(start),), steps, device=start.device)
    stride = per_sample(step * ball.radius, start)
    for i in range(steps):
        gradient, value, logits = evaluate(classifier, current, criterion, objective)
        if leave:
            best = _Best(current, value) if best is None else best.or_better(current, value)
            broken = criterion.holds(logits)
            if broken.any():
                result[active[broken]], spent[active[broken]] = current[broken], i + 1
                keep = (~broken).nonzero()[:, 0]
                if not len(keep):
                    return SearchResult(result, spent, spent)
                active, current, gradient, stride = (
                    active[keep],
                    current[keep],
                    gradient[keep],
                    stride[keep],
                )
                ball, best = ball.take(keep), best.take(keep)
                classifier, criterion = take_rows(classifier, keep), criterion.take(keep)
        way = _direction(ball, gradient, current)
        current = ball.project(torch.addcmul(current, way, stride))
    if best is None:
        return SearchResult(current, spent, spent)
    with torch.no_grad():
        logits = logits_of(classifier, current)
    check_finite(logits)
    queries = spent.index_add(0, active, torch.ones_like(active))
    value = objective(logits, criterion).masked_fill(criterion.holds(logits), torch.inf)
    best = best.or_better(current, value)
    result[active] = best.images
    claimed = torch.ones_like(spent, dtype=torch.bool).index_copy(
        0, active, ~best.values.isfinite()
    )
    return SearchResult(result, queries, spent, claimed=claimed)


class _Best:
    """The iterate with the largest value so far of each sample.

    Images are `(B, *shape)`, values `(B,)`.
    """

    def __init__(self, images: Tensor, values: Tensor) -> None:
        self.images, self.values = images, values

    def or_better(self, images: Tensor, values: Tensor) -> "_Best":
        wins = better(values, self.values)
        if wins.all():  # as a rule, until the ascent has reached its top: nothing to copy
            return _Best(images, values)
        rows = wins.nonzero()[:, 0]
        if not len(rows):
            return self
        return _Best(
            self.images.index_copy(0, rows, images[rows]), torch.where(wins, values, self.values)
        )

    def take(self, index: Tensor) -> "_Best":
        return _Best(self.images[index], self.values[index])


def _direction(ball: Ball, gradient: Tensor, images: Tensor) -> Tensor:
    if ball.norm is norms.L1:
        free = free_gradient(gradient, images) if ball.box else gradient
        return norms.sparse_steepest(free, max(1, int(L1_SHARE * gradient[0].numel())))
    return ball.norm.steepest(gradient)
