"""The half-spaces that the linearised logits give.

How far and which way each class lies that would count as adversarial.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from advcore.classifier import Classifier, take_rows
from advcore.criteria import Criterion
from advcore.logit_gradients import jacobian
from advcore.norms import Norm

DRIFT = 1.3
"""The factor by which a normal may grow, beyond what the leader's grows, from one linearisation to
the next before its class is overlooked."""


def logit_gaps(logits: Tensor, criterion: Criterion, goals: Tensor) -> Tensor:
    """Return `z_rival - z_goal` for the goal classes `(B, k)`.

    It is what each lacks to the class that it has to overtake, `(B, k)`.
    """
    return logits.gather(1, criterion.rival(logits.detach())[:, None]) - logits.gather(1, goals)


def halfspaces(
    classifier: Classifier, images: Tensor, criterion: Criterion, goals: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """The linearisation at images `(B, *shape)` of what each goal class lacks.

    Args:
        goals: from the logits `(B, K)` to the goal classes `(B, k)`.

    Returns:
        logits `(B, K)`; gaps `(B, k)`, `z_rival - z_goal`; normals `(B, k, *shape)`, the gradients
        of `z_goal - z_rival`: to first order `x + r` reaches the goal when `<normal, r> >= gap`.
        One forward pass and k backward passes.
    """
    logits, normals = jacobian(
        classifier, images, lambda logits: -logit_gaps(logits, criterion, goals(logits.detach()))
    )
    return logits, logit_gaps(logits, criterion, goals(logits)), normals


@dataclass(frozen=True, eq=False)
class Closest:
    """The closest of each sample's linearised boundaries.

    - `logits` `(B, K)`; `goals` `(B, k)`: the classes among which it was looked for.
    - `gap` `(B,)`, `|z_rival - z_goal|`; `normal` `(B, *shape)`, of dual norm `length` `(B,)`: it
      is `gap / length` away.
    - `lengths` `(B, k)`: the dual norm of each goal's normal where it was last looked at.
    - `looks` `(B,)` int64: how many goals were looked at.
    - `room` `(B,)`: how far the closest boundary is by these lengths, 0 where the criterion holds.
      Classes that are no goals count with the largest length.
    """

    logits: Tensor
    goals: Tensor
    gap: Tensor
    normal: Tensor
    length: Tensor
    lengths: Tensor
    looks: Tensor
    room: Tensor

    def take(self, index: Tensor) -> "Closest":
        """Return the half-spaces of the samples `index`."""
        return Closest(*(getattr(self, field.name)[index] for field in fields(self)))


def closest(
    norm: Norm, classifier: Classifier, images: Tensor, criterion: Criterion, classes: int
) -> Closest:
    """Return the closest of the linearised boundaries with the likeliest classes.

    This costs one forward pass and a backward pass per class.
    """
    logits, gaps, normals = halfspaces(
        classifier, images, criterion, lambda logits: criterion.goals(logits, classes)
    )
    goals, gaps = criterion.goals(logits, classes), gaps.abs()
    lengths = norm.dual(normals.flatten(0, 1)).view(goals.shape)
    nearest = _distances(gaps, lengths).argmin(1)
    everyone = torch.arange(len(goals), device=goals.device)
    looks = torch.full_like(nearest, goals.shape[1])
    gap, normal, length = (
        gaps[everyone, nearest],
        normals[everyone, nearest],
        lengths[everyone, nearest],
    )
    return Closest(
        logits, goals, gap, normal, length, lengths, looks, _room(logits, criterion, goals, lengths)
    )


def update_closest(
    norm: Norm, classifier: Classifier, images: Tensor, criterion: Criterion, last: Closest
) -> Closest:
    """Like `closest`, with gradients of those goals alone that may be the closest.

    This costs a forward and a backward pass per look, mostly one look.

    Goals and lengths are those of the `last` linearisation. All gaps are known from one forward
    pass. The goal that would be closest by the last lengths, the leader, is looked at first: it is
    at a distance d, and its normal has grown by some factor. The others' are taken to have grown by
    the same, since they mostly grow and shrink together, and those whose gap is less than `DRIFT *
    d` times that length are looked at, and those whose length was 0. So the choice is that among
    all goals as long as no normal has grown by `DRIFT` times as much as the leader's; one that has
    may be overlooked.
    """
    goals, lengths = last.goals, last.lengths

    def leader(logits: Tensor) -> Tensor:
        return _distances(logit_gaps(logits, criterion, goals).abs(), lengths).argmin(
            1, keepdim=True
        )

    logits, _, normals = halfspaces(
        classifier, images, criterion, lambda logits: goals.gather(1, leader(logits))
    )
    gaps, first = logit_gaps(logits, criterion, goals).abs(), leader(logits)
    length = norm.dual(normals[:, 0])[:, None]
    distance = _distances(gaps.gather(1, first), length)
    before = lengths.gather(1, first)
    lengths = lengths * torch.where((before > 0) & (length > 0), length / before, 1)
    near = ((gaps < DRIFT * distance * lengths) | (lengths == 0)).scatter(1, first, False)
    rows, columns = near.nonzero(as_tuple=True)
    others = _normals(classifier, images, criterion, rows, goals[rows, columns])
    lengths = lengths.scatter(1, first, length).index_put((rows, columns), norm.dual(others))
    everyone = torch.arange(len(goals), device=goals.device)
    place = everyone[:, None].repeat(1, goals.shape[1])
    place[rows, columns] = len(goals) + torch.arange(len(rows), device=rows.device)
    nearest = (
        _distances(gaps, lengths).masked_fill(~near.scatter(1, first, True), torch.inf).argmin(1)
    )
    normal = torch.cat([normals[:, 0], others])[place[everyone, nearest]]
    gap, length, room = (
        gaps[everyone, nearest],
        lengths[everyone, nearest],
        _room(logits, criterion, goals, lengths),
    )
    return Closest(logits, goals, gap, normal, length, lengths, 1 + near.sum(1), room)


def _normals(
    classifier: Classifier, images: Tensor, criterion: Criterion, rows: Tensor, goals: Tensor
) -> Tensor:
    """Return the normals `(n, *shape)` of the goals `(n,)` of the samples `rows`.

    They are computed in batches no larger than that of all samples.
    """

    def own(row: Tensor, goal: Tensor) -> Tensor:
        _, _, normals = halfspaces(
            take_rows(classifier, row),
            images[row],
            criterion.take(row),
            lambda logits: goal[:, None],
        )
        return normals[:, 0]

    parts = zip(rows.split(len(images)), goals.split(len(images)), strict=True) if len(rows) else ()
    return torch.cat([images[:0], *(own(row, goal) for row, goal in parts)])


def _room(logits: Tensor, criterion: Criterion, goals: Tensor, lengths: Tensor) -> Tensor:
    """Return the distance to the closest class that would count as adversarial, `(B,)`.

    It is measured by the goals' lengths.
    """
    every = criterion.goals(logits, logits.shape[1])
    slopes = (
        lengths.amax(1, keepdim=True).expand_as(logits).scatter(1, goals, lengths).gather(1, every)
    )
    lack = logit_gaps(logits, criterion, every)
    return torch.where(lack > 0, lack / slopes, 0).amin(1)


def _distances(gaps: Tensor, lengths: Tensor) -> Tensor:
    """Return the distances to the boundaries; inf where nothing leads to one."""
    return torch.where(lengths > 0, gaps / lengths, torch.inf)
