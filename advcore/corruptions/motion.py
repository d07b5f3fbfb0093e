"""Motion blur: a mean along a line, with weights that fall as half a Gaussian."""

import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import pad

from advcore.corruptions.corruption import Corruption
from advcore.randomness import Randomness

_NEGLIGIBLE = 1e-6
"""Share of a weight in their sum below which it is left out: less than a thousandth of a level."""

_WINDOW = 4
"""Pixels that are read at once."""
_NUMBERS = 2**16
"""Numbers of the images that are blurred at a time, at most: they are read from a processor's
cache."""


def motion_blur(images: Tensor, randomness: Randomness, radius: float, sigma: float) -> Tensor:
    """Return the images blurred along a line, up to 45 degrees from the horizontal."""
    angles = (randomness.uniform(()) - 0.5) * (math.pi / 2)
    return blur_along(images, radius, sigma, angles)


def blur_along(images: Tensor, radius: float, sigma: float, angles: Tensor) -> Tensor:
    """Return images `(B, C, H, W)` blurred along angles `(B,)`, in radians, from the horizontal.

    `sum_i w_i x(p + i u)` over i = 0 ... 2 radius with `w_i ~ exp(-i^2 / (2 sigma^2))`, u the unit
    vector of the angle, places rounded to pixels; the pixels of an edge are repeated outside. The
    sums are in float32, in the order of i: they do not depend on the batch.
    """
    count = max(1, _NUMBERS // images[0].numel())
    parts = zip(images.float().split(count), angles.split(count), strict=True)
    return torch.cat([_blurred(some, radius, sigma, along) for some, along in parts]).to(images)


def _blurred(images: Tensor, radius: float, sigma: float, angles: Tensor) -> Tensor:
    """Return float32 images, blurred, some at a time."""
    weights = _weights(radius, sigma)
    steps = torch.arange(len(weights), dtype=torch.float64, device=images.device)
    down, across = (
        torch.ceil(steps * part(angles.double())[:, None] - 0.5).long()
        for part in (torch.sin, torch.cos)
    )
    left, right = max(0, -int(across.amin())), max(0, int(across.amax()))
    windows = _windows(images, left, right)
    starts, places = _places(images, windows, down, across + left)
    read = starts.new_empty(*images.shape[:3], places.shape[-1])
    taken = windows.new_empty(read.flatten(1).shape)
    every, pixels = windows.flatten(1), taken.view(torch.float32)
    blurred = torch.zeros_like(pixels)
    for start, weight in zip(starts.unbind(1), weights, strict=True):
        torch.add(start[:, None, :, None], places, out=read)
        torch.gather(every, 1, read.flatten(1), out=taken)
        blurred.add_(pixels, alpha=weight)
    return blurred.view(*images.shape[:3], -1)[..., : images.shape[-1]]


def _places(images: Tensor, windows: Tensor, down: Tensor, across: Tensor) -> tuple[Tensor, Tensor]:
    """Return which windows the pixels are read from that lie so far down and across.

    The place of a window is the sum of one for its row, `(B, steps, H)`, and one for its channel
    and column, `(C, 1, W / 4)`.
    """
    height, width = images.shape[-2:]
    columns = windows.shape[-1]
    rows = (torch.arange(height, device=images.device) + down[..., None]).clamp_(0, height - 1)
    first = across % _WINDOW * windows[0, 0].numel() + across // _WINDOW
    planes = torch.arange(images.shape[1], device=images.device)[:, None, None] * height * columns
    places = planes + torch.arange(-(-width // _WINDOW), device=images.device)
    return rows * columns + first[..., None], places


def _windows(images: Tensor, left: int, right: int) -> Tensor:
    """Return windows of four pixels of a row, each one number of 16 bytes, which is read at once.

    `(B, 4, C, H, columns)`: those that begin at pixels 0, 4, 8, ..., at 1, 5, 9, ..., at 2 and 3,
    of the images with so many pixels of their edges repeated at both sides.
    """
    columns = -(-(left + images.shape[-1] + right) // _WINDOW)
    beyond = (columns + 1) * _WINDOW - left - images.shape[-1]
    around = pad(images, (left, beyond, 0, 0), mode="replicate")
    phases = [around[..., begin : begin + columns * _WINDOW] for begin in range(_WINDOW)]
    return torch.stack(phases, 1).view(torch.complex128)


@lru_cache(maxsize=16)
def _weights(radius: float, sigma: float) -> list[float]:
    """Return the weights of i = 0, 1, ..., without those that are negligible."""
    steps = torch.arange(2 * int(radius) + 1, dtype=torch.float64)
    weights = torch.exp(-0.5 * (steps / sigma) ** 2)
    weights /= weights.sum()
    return weights[weights >= _NEGLIGIBLE].tolist()


MOTION_BLUR = Corruption(
    motion_blur,
    small=((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
    medium=((10, 1), (10, 1.5), (10, 2), (10, 2.5), (12, 3)),
    large=((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
)
