"""The start of Square, and the change of one square of an image."""

from functools import lru_cache

import torch
from torch import Tensor

from advcore import norms
from advcore.norms import per_sample
from advcore.randomness import Randomness


def stripes(center: Tensor, radius: Tensor, randomness: Randomness) -> Tensor:
    """Vertical stripes of the radius `(B,)` up or down, each channel and column for itself."""
    channels, _, width = center.shape[1:]
    signs = _signs(randomness.uniform((channels, 1, width)).to(center.dtype))
    return (center + per_sample(radius, center) * signs).clamp(0, 1)


def flip(center: Tensor, best: Tensor, radius: Tensor, side: int, draws: Tensor) -> Tensor:
    """Return `best` with one square per sample.

    There each channel lies at `center` plus or minus the radius.
    """
    (square,) = _windows(center, side, draws[:, :2])
    ways = radius[:, None, None] * _signs(draws[:, 5:, None])
    values = (center.flatten(2).gather(2, square) + ways).clamp(0, 1)
    return best.flatten(2).scatter(2, square, values).view_as(best)


def tiles(center: Tensor, radius: Tensor, randomness: Randomness) -> Tensor:
    """Bumps of a random sign side by side, a fifth of the image each, scaled to the radius."""
    channels, height, width = center.shape[1:]
    side = max(min(height, width) // 5, 1)
    rows, columns = (
        torch.arange(height, device=center.device),
        torch.arange(width, device=center.device),
    )
    pattern = _bump(side, center)[rows % side][:, columns % side]
    signs = _signs(
        randomness.uniform((channels, -(-height // side), -(-width // side))).to(center.dtype)
    )
    way = pattern * signs[:, :, rows // side][..., columns // side]
    return (center + way * per_sample(radius / norms.L2.size(way), way)).clamp(0, 1)


def shift(center: Tensor, best: Tensor, radius: Tensor, side: int, draws: Tensor) -> Tensor:
    """Return `best` with mass moved into one window per sample and channel.

    The mass is that of a second window, and what the ball has left.
    """
    first, second = _windows(center, side, draws[:, :4])
    r = (best - center).flatten(2)
    left = (radius**2 - norms.L2.size(r) ** 2).clamp(min=0)[:, None, None] / center.shape[1]
    old = r.gather(2, first)
    mass = (
        left
        + old.square().sum(2, keepdim=True)
        + r.scatter_(2, first, 0).gather(2, second).square().sum(2, keepdim=True)
    )
    bumps = _halves(side, center.dtype, center.device)[(draws[:, 4] < 0.5).long()][:, None]
    new = _unit(_unit(old) + _signs(draws[:, 5:, None]) * bumps) * mass.sqrt()
    way = r.scatter_(2, second, 0).scatter_(2, first, new).view_as(center)
    way *= per_sample(radius / norms.L2.size(way).clamp(min=torch.finfo(way.dtype).tiny), way)
    return way.add_(center).clamp_(0, 1)


def _unit(r: Tensor) -> Tensor:
    """Return vectors of length 1 along the last axis; 0 stays 0."""
    return r / torch.linalg.vector_norm(r, dim=-1, keepdim=True).clamp(
        min=torch.finfo(r.dtype).tiny
    )


@lru_cache(64)
def _halves(side: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return two opposite bumps in a square, side by side and above each other.

    They have norm 1, row by row, `(2, side * side)`.
    """
    upper, like = side // 2, torch.empty(0, dtype=dtype, device=device)
    bumps = (
        torch.cat([_bump(upper, like, side), -_bump(side - upper, like, side)])
        if upper
        else _bump(side, like)
    )
    return _unit(torch.stack([bumps.T.flatten(), bumps.flatten()]))


def _bump(height: int, like: Tensor, width: int | None = None) -> Tensor:
    """Return a pyramid steep at its middle, `(height, width)`.

    Its rings have the heights `sum 1 / (k + 1)^2`.
    """
    width = width or height
    rows, columns = (
        torch.arange(height, device=like.device),
        torch.arange(width, device=like.device),
    )
    ring = torch.maximum((rows - height // 2).abs()[:, None], (columns - width // 2).abs()[None])
    steps = (
        1 / torch.arange(1, max(height, width) + 2, device=like.device, dtype=like.dtype).square()
    )
    return steps.flip(0).cumsum(0).flip(0)[ring]


def _windows(center: Tensor, side: int, places: Tensor) -> list[Tensor]:
    """The pixels of k squares, `(B, C, side * side)` each, counted row by row in their channel.

    Args:
        places: `(B, 2 k)` numbers in (0, 1): how far down and how far right each square lies.
    """
    height, width = center.shape[2:]
    steps = torch.arange(side, device=center.device)
    rows = _corner(places[:, 0::2], height, side)[..., None] + steps
    columns = _corner(places[:, 1::2], width, side)[..., None] + steps
    pixels = rows[..., None] * width + columns[..., None, :]
    return [
        square.flatten(1)[:, None].expand(-1, center.shape[1], -1) for square in pixels.unbind(1)
    ]


def _corner(number: Tensor, extent: int, side: int) -> Tensor:
    return (number * (extent - side + 1)).long().clamp(max=extent - side)


def _signs(number: Tensor) -> Tensor:
    return torch.where(number < 0.5, -1.0, 1.0).to(number.dtype)
