"""The shortest way from a point onto a hyperplane inside the box [0, 1].

It is exact, in l1, l2 and linf.
"""

import torch
from torch import Tensor

from advcore.norms import L1, LINF, Norm, per_sample


def step_to_hyperplane(
    norm: Norm, origin: Tensor, normal: Tensor, gap: Tensor, box: bool = True
) -> Tensor:
    """`min ||r||_p` with `<normal, r> = gap` and, with `box`, `origin + r` in [0, 1].

    Args:
        origin, normal: `(B, *shape)`, `origin` in [0, 1] when there is a box.
        gap: `(B,)`, not negative.

    Returns:
        r `(B, *shape)`. Where the box does not reach the hyperplane, the corner that comes closest
        to it.

    In l2 and linf the solution is `r_i = sign(w_i) min(t s_i, room_i)`, `s = |w|` or 1, `room` the
    way to the box's wall: t follows from the coordinates that are still free, and those that it
    sends beyond their wall are fixed there, until none is. The free ones only become fewer, so this
    ends at the exact t. In l1 the coordinates are used up in the order of their `|w_i|`.
    """
    if not box:
        dual = norm.dual(normal)
        return norm.steepest(normal) * per_sample(torch.where(dual > 0, gap / dual, 0), normal)
    weights = normal.abs().flatten(1)
    room = torch.where(normal > 0, 1 - origin, origin).flatten(1)
    gains = weights * room
    lengths = (
        _greedy(weights, gains, room, gap) if norm is L1 else _fill(norm, weights, gains, room, gap)
    )
    return normal.sign() * lengths.view_as(normal)


def _fill(norm: Norm, weights: Tensor, gains: Tensor, room: Tensor, gap: Tensor) -> Tensor:
    """Return the lengths `(B, D)` of l2 or linf.

    All free coordinates grow by their share until the gap is closed.
    """
    share = (weights > 0).to(weights.dtype) if norm is LINF else weights
    slope = weights * share
    free = (gains > 0).to(weights.dtype)
    while True:
        rest = gap - (gains * (1 - free)).sum(1)
        level = rest / (slope * free).sum(1)  # inf where nothing is free: the corner
        beyond = (free > 0) & (share * level[:, None] >= room)
        if not beyond.any():
            return torch.where(free > 0, share * level[:, None], room * (gains > 0))
        free = free.masked_fill(beyond, 0)


def _greedy(weights: Tensor, gains: Tensor, room: Tensor, gap: Tensor) -> Tensor:
    """Return the lengths `(B, D)` of l1.

    The heaviest coordinates come first, each to its wall, the last one as far as the gap asks.
    """
    order = weights.argsort(1, descending=True)
    ordered = gains.gather(1, order)
    before = ordered.cumsum(1) - ordered
    left = (gap[:, None] - before).clamp(min=0)
    lengths = torch.minimum(
        left / weights.gather(1, order).clamp(min=torch.finfo(weights.dtype).tiny),
        room.gather(1, order),
    )
    return torch.zeros_like(lengths).scatter(1, order, lengths)
