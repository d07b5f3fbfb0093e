"""The l0 "norm": how many coordinates, or pixels, change.

No norm, and so in no table of them, but of the same make.
"""

import torch
from torch import Tensor

from advcore import norms
from advcore.checks import check_pictures
from advcore.norms import Norm, Radius
from advcore.randomness import Randomness


def size_by_name(name: str) -> Norm:
    """`l0`, `pixels`, or one of the norms; ValueError lists those."""
    return SIZES.get(name) or norms.norm_by_name(name)


def keep_best(r: Tensor, count: Radius, low: Tensor, high: Tensor) -> Tensor:
    """Return the closest point, in l2, with at most `count` coordinates that are not 0.

    It has `low <= u <= high`, where `low <= 0 <= high`.

    With `c` the coordinate clamped, keeping it saves `r^2 - (r - c)^2 = c (2 r - c)`: those that
    save most are kept. Keeping the largest `|r|` and clamping them afterwards is not the closest: a
    coordinate at its wall would take the place of one with room.
    """
    clamped = r.clamp(low, high)
    savings = (clamped * (2 * r - clamped)).flatten(1)
    order = savings.sort(dim=1, descending=True, stable=True).indices
    ranks = torch.arange(order.shape[1], device=r.device, dtype=r.dtype)
    bound = torch.as_tensor(count, dtype=r.dtype, device=r.device).expand(len(r))[:, None]
    kept = torch.zeros_like(savings).scatter(1, order, (ranks < bound).to(r.dtype))
    return torch.where(kept.view_as(r) > 0, clamped, 0)


def fewest(gains: Tensor, gap: Tensor) -> Tensor:
    """Return how many of the `gains` `(B, *shape)` add up to `gap` `(B,)`, the largest first.

    No gain is negative; the number is that of all where they do not suffice.
    """
    ordered = gains.flatten(1).sort(1, descending=True).values
    short = ordered.cumsum(1) < gap[:, None]
    return (short.sum(1) + 1).clamp(max=ordered.shape[1]).to(gains.dtype)


def _l0_size(r: Tensor) -> Tensor:
    return (r.flatten(1) != 0).sum(1).to(r.dtype)


def _pixels_size(r: Tensor) -> Tensor:
    check_pictures(tuple(r.shape[1:]), "the number of changed pixels")
    return (r != 0).flatten(2).any(1).sum(1).to(r.dtype)


def _dual(w: Tensor) -> Tensor:
    raise ValueError("l0 has no dual norm: any step within one coordinate has length 1")


def _project(r: Tensor, count: Radius) -> Tensor:
    everywhere = torch.full_like(r, torch.inf)
    return keep_best(r, count, -everywhere, everywhere)


def _random(randomness: Randomness, shape: tuple[int, ...], radius: Radius) -> Tensor:
    raise ValueError("l0 has no random point: its balls have no size")


L0 = Norm("l0", _l0_size, _dual, _project, norms.L1.steepest, _random)  # type: ignore[arg-type]
PIXELS = Norm("pixels", _pixels_size, _dual, _project, norms.L1.steepest, _random)  # type: ignore[arg-type]

SIZES: dict[str, Norm] = {"l0": L0, "pixels": PIXELS}
"""`l0` counts coordinates (one channel of one pixel), as FMN does; `pixels` those with any channel
changed, as SparseFool does."""
