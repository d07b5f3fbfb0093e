"""Lower bounds of linear forms of a layer, by intervals or backward to the inputs (CROWN)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from advcore.certify.intervals import InputBall, Interval
from advcore.certify.layers import Relaxed
from advcore.certify.tracing import Step


def propagate(steps: Sequence[Step], ball: InputBall) -> list[Interval]:
    """Return intervals of the inputs and of every step's outputs, layer by layer (IBP)."""
    found = [ball.interval()]
    for step in steps:
        found.append(step.layer.interval(*(found[at] for at in step.parents)))
    return found


def propagate_refined(steps: Sequence[Step], ball: InputBall, rows: int) -> list[Interval]:
    """Return intervals that are tightened backward before each relaxed layer (CROWN).

    Units that reach their bounds, or whose bounds do not matter to that layer, keep them.

    Args:
        rows: number of linear forms that pass backward at once; it bounds memory.
    """
    found = [ball.interval()]
    for step in steps:
        if isinstance(step.layer, Relaxed):
            (at,) = step.parents
            if found[at].reach == "bounds" and not isinstance(steps[at - 1].layer, Relaxed):
                units = step.layer.undecided(found[at])
                found[at] = _refined(steps, at, units, found, ball, rows)
        found.append(step.layer.interval(*(found[at] for at in step.parents)))
    return found


def least(
    steps: Sequence[Step],
    place: int,
    forms: Tensor,
    samples: Tensor,
    intervals: Sequence[Interval],
    ball: InputBall,
    relax: bool,
) -> Tensor:
    """Return a lower bound of `<forms, z>` over the ball, `(N,)`, z the outputs at a place.

    The forms pass backward through affine layers exactly. At others they are bounded by the
    intervals of their outputs, or, with `relax`, pass on by linear relaxation, to the inputs.

    Args:
        forms: `(N, *shape)`.
        samples: the sample of each form, `(N,)`.
        intervals: those of the inputs and of all steps up to the place.
    """
    waiting, total = {place: forms}, forms.new_zeros(len(forms))
    while waiting:
        at = max(waiting)
        form = waiting.pop(at)
        if at == 0:
            total = total + ball.minimum(form, samples)
            continue
        layer, parents = steps[at - 1].layer, steps[at - 1].parents
        if not isinstance(layer, Relaxed):
            backs, constant = layer.back(form)
        elif relax:
            backs, constant = layer.relax(form, intervals[parents[0]], samples)
        else:
            total = total + intervals[at].take(samples).minimum(form)
            continue
        total = total + constant
        for parent, back in zip(parents, backs, strict=True):
            waiting[parent] = waiting[parent] + back if parent in waiting else back
    return total


def _refined(
    steps: Sequence[Step],
    place: int,
    units: Tensor,
    intervals: Sequence[Interval],
    ball: InputBall,
    rows: int,
) -> Interval:
    """Return the interval of a place with some `units` `(B, *shape)` bounded backward."""
    before = intervals[place]
    lower, upper = before.lower.clone().flatten(1), before.upper.clone().flatten(1)
    for some in units.flatten(1).nonzero().split(max(1, rows // 2)):
        samples, unit = some.unbind(1)
        one = torch.zeros(len(some), lower.shape[1], dtype=lower.dtype, device=lower.device)
        one = one.scatter(1, unit[:, None], 1.0).view(-1, *before.lower.shape[1:])
        ends = least(
            steps, place, torch.cat([one, -one]), samples.repeat(2), intervals, ball, relax=True
        )
        low, high = ends[: len(some)], -ends[len(some) :]
        lower[samples, unit] = lower[samples, unit].maximum(low)
        upper[samples, unit] = upper[samples, unit].minimum(high)
    return Interval(lower.view_as(before.lower), upper.view_as(before.upper))
