"""The one ascent loop: region, objective, step and start are values."""

from collections.abc import Callable

import torch
from torch import Tensor

from advcore.attacks.attack import SearchResult
from advcore.classifier import Classifier, check_finite, logits_of, take_rows
from advcore.criteria import Criterion
from advcore.logit_gradients import differentiate, pull_back
from advcore.norms import per_sample
from advcore.objectives import Objective, cross_entropy, cross_entropy_slope
from advcore.threats.region import Region

Move = Callable[[Region, Tensor, Tensor, int], Tensor]
"""A step of an ascent: `move(region, parameters, gradient, i)`, the parameters after step i."""


def evaluate(
    classifier: Classifier, images: Tensor, criterion: Criterion, objective: Objective
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradient `(B, *shape)` of the objective, its value `(B,)`, and the logits `(B, K)`."""
    if objective is cross_entropy:
        return pull_back(classifier, images, lambda logits: cross_entropy_slope(logits, criterion))
    return differentiate(classifier, images, lambda logits: objective(logits, criterion))


def better(value: Tensor, best: Tensor) -> Tensor:
    """Return whether a value is larger than the best so far.

    NaN is: so the image that gave it is handed back, verified, refused.
    """
    return ~(value <= best)


def ascend(
    classifier: Classifier,
    region: Region,
    start: Tensor,
    criterion: Criterion,
    objective: Objective,
    step: float,
    steps: int,
    leave: bool,
) -> SearchResult:
    """Maximise the objective over the inputs of a region by projected steepest ascent.

    Each step is `phi <- P(phi + step * radius * steepest(gradient))`; in a ball `phi` is the image.
    `step` is a share of each sample's radius; the rest is as in `ascend_by`.
    """
    return ascend_by(
        _projected(step), classifier, region, start, criterion, objective, steps, leave
    )


def _projected(step: float) -> Move:
    def move(region: Region, parameters: Tensor, gradient: Tensor, i: int) -> Tensor:
        stride = per_sample(step * region.radius, parameters)
        way = region.steepest(gradient, parameters)
        return region.project(torch.addcmul(parameters, way, stride))

    return move


def ascend_by(
    move: Move,
    classifier: Classifier,
    region: Region,
    start: Tensor,
    criterion: Criterion,
    objective: Objective,
    steps: int,
    leave: bool,
) -> SearchResult:
    """Maximise the objective over the inputs of a region by steps of any kind.

    With `leave`, a sample stops at its first adversarial iterate and leaves the batch; one that has
    none ends at its iterate of the largest objective, and makes no claim. Without, all samples make
    all steps and the last iterate is returned: what adversarial training trains on.

    Args:
        start: parameters `(B, *parameters)` of the region, inside it.
    """
    classifier = region.through(classifier)
    current, result = start, start.clone()
    best: _Best | None = None
    active = torch.arange(len(start), device=start.device)
    spent = torch.full((len(start),), steps, device=start.device)
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
                active, current, gradient = active[keep], current[keep], gradient[keep]
                region, best = region.take(keep), best.take(keep)
                classifier, criterion = take_rows(classifier, keep), criterion.take(keep)
        current = move(region, current, gradient, i)
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
