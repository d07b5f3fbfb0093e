"""Motion blur: a mean along a line, with weights that fall as half a Gaussian."""

import math

import torch
from torch import Tensor
from torch.nn.functional import pad

from advcore.corruptions.corruption import Corruption
from advcore.randomness import Randomness

_NEGLIGIBLE = 1e-6
"""Share of a weight in their sum below which it is left out: less than a thousandth of a level."""


def motion_blur(images: Tensor, randomness: Randomness, radius: float, sigma: float) -> Tensor:
    """Return the images blurred along a line, up to 45 degrees from the horizontal."""
    angles = (randomness.uniform(()) - 0.5) * (math.pi / 2)
    return blur_along(images, radius, sigma, angles)


def blur_along(images: Tensor, radius: float, sigma: float, angles: Tensor) -> Tensor:
    """Return images `(B, C, H, W)` blurred along angles `(B,)`, in radians, from the horizontal.

    `sum_i w_i x(p + i u)` over i = 0 ... 2 radius with `w_i ~ exp(-i^2 / (2 sigma^2))`, u the unit
    vector of the angle, places rounded to pixels; the pixels of an edge are repeated outside.
    """
    height, width = images.shape[-2:]
    steps = torch.arange(2 * int(radius) + 1, dtype=torch.float64, device=images.device)
    weights = torch.exp(-0.5 * (steps / sigma) ** 2)
    weights /= weights.sum()
    down, across = (
        torch.ceil(steps * part(angles.double())[:, None] - 0.5).long()
        for part in (torch.sin, torch.cos)
    )
    top, left = int(down.abs().max()), int(across.abs().max())
    around = pad(images, (left, left, top, top), mode="replicate")
    numbers = torch.arange(around.shape[-2] * around.shape[-1], device=images.device)
    places = numbers.view(around.shape[-2:])[top : top + height, left : left + width].flatten()
    offsets = down * around.shape[-1] + across
    pixels, blurred = around.flatten(2), torch.zeros_like(images.flatten(2))
    for number, weight in enumerate(weights.tolist()):
        if weight < _NEGLIGIBLE:
            break
        read = (places + offsets[:, number, None])[:, None].expand_as(blurred)
        blurred.add_(pixels.gather(2, read), alpha=weight)
    return blurred.view_as(images)


MOTION_BLUR = Corruption(
    motion_blur,
    small=((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
    medium=((10, 1), (10, 1.5), (10, 2), (10, 2.5), (12, 3)),
    large=((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
)
