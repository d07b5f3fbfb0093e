"""Edges of grey images after Canny (1986), and the distance to them."""

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d, pad

_TANGENT = 2**0.5 - 1
"""Tangent of 22.5 degrees."""


def canny_edges(levels: Tensor, low: float, high: float) -> Tensor:
    """Return True at the edges of images `(B, H, W)` of whole levels, as OpenCV's Canny does.

    The gradient is Sobel's, its size `|dx| + |dy|`. A pixel is an edge if it is larger than its
    neighbours along the gradient and above `high`, or above `low` and joined to such a one.
    """
    around = pad(levels[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    smooth_down = around[:, :-2] + 2 * around[:, 1:-1] + around[:, 2:]
    smooth_across = around[..., :-2] + 2 * around[..., 1:-1] + around[..., 2:]
    across = smooth_down[..., 2:] - smooth_down[..., :-2]
    down = smooth_across[:, 2:] - smooth_across[:, :-2]
    size = across.abs() + down.abs()
    ridge = _largest_along(size, across, down) & (size > low)
    found, before = ridge & (size > high), torch.zeros_like(ridge)
    while not torch.equal(found, before):
        near = max_pool2d(found[:, None].to(size), 3, 1, 1)[:, 0] > 0
        found, before = ridge & near, found
    return found


def _largest_along(size: Tensor, across: Tensor, down: Tensor) -> Tensor:
    """Return True where a gradient is larger than those before and behind it."""
    around = pad(size, (1, 1, 1, 1))
    height, width = size.shape[-2:]

    def beside(rows: int, columns: int) -> Tensor:
        return around[:, 1 + rows : 1 + rows + height, 1 + columns : 1 + columns + width]

    flat = down.abs() < _TANGENT * across.abs()
    steep = down.abs() > (2 + _TANGENT) * across.abs()
    along = (size > beside(0, -1)) & (size >= beside(0, 1))
    upright = (size > beside(-1, 0)) & (size >= beside(1, 0))
    falling = (size > beside(-1, -1)) & (size > beside(1, 1))
    rising = (size > beside(-1, 1)) & (size > beside(1, -1))
    slanted = torch.where((across < 0) == (down < 0), falling, rising)
    return torch.where(flat, along, torch.where(steep, upright, slanted))


def distances(marked: Tensor, farthest: int) -> Tensor:
    """Return how far each pixel `(B, H, W)` is from a marked one, up to `farthest`, in pixels."""
    squares = torch.full(marked.shape, float(farthest**2), dtype=torch.float64)
    squares = squares.to(marked.device).masked_fill(marked, 0)
    for axis in (-1, -2):
        nearest = squares.clone()
        for step in range(1, min(farthest, marked.shape[axis])):
            kept = marked.shape[axis] - step
            for here, there in ((0, step), (step, 0)):
                part = nearest.narrow(axis, here, kept)
                torch.minimum(part, squares.narrow(axis, there, kept) + step**2, out=part)
        squares = nearest
    return squares.sqrt()
