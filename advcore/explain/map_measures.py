"""Measures of one map: how few pixels hold it, and how rough it is."""

import torch
from torch import Tensor


def gini(maps: Tensor) -> Tensor:
    """Return the Gini index of `|m|` `(B,)`: 0 where all D are equal, `1 - 1/D` for one alone.

    `sum_i (2 i - D - 1) |m|_(i) / (D sum |m|)` with the values ascending (Hurley and Rickard 2009;
    Chalasani et al. 2020 for attributions). NaN where the map is 0.
    """
    sizes = maps.abs().flatten(1).sort(1).values
    count = sizes.shape[1]
    ranks = torch.arange(1, count + 1, dtype=maps.dtype, device=maps.device)
    return ((2 * ranks - count - 1) * sizes).sum(1) / (count * sizes.sum(1))


def total_variation(maps: Tensor) -> Tensor:
    """Return the roughness of maps `(B, C, H, W)`, `(B,)`, blind to their scale; NaN where 0.

    The sum of `|m_p - m_q|` over neighbouring pixels p, q, across and down, over the sum of `|m|`:
    0 for one value everywhere, 4 for single pixels that no two of lie side by side or at an edge.
    """
    across = (maps[..., 1:] - maps[..., :-1]).abs().flatten(1).sum(1)
    down = (maps[..., 1:, :] - maps[..., :-1, :]).abs().flatten(1).sum(1)
    return (across + down) / maps.abs().flatten(1).sum(1)


def map_cosine(one: Tensor, other: Tensor) -> Tensor:
    """Return the cosine of the angle between two maps `(B, *shape)`, `(B,)`; NaN where one is 0."""
    first, second = one.flatten(1), other.flatten(1)
    return (first * second).sum(1) / (first.norm(dim=1) * second.norm(dim=1))
