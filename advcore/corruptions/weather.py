"""Snow and fog."""

import math

import torch
from torch import Tensor

from advcore.corruptions.corruption import Corruption
from advcore.corruptions.filters import enlarged, luminance
from advcore.corruptions.motion import blur_along
from advcore.randomness import Randomness


def snow(
    images: Tensor,
    randomness: Randomness,
    mean: float,
    deviation: float,
    zoom: float,
    threshold: float,
    radius: float,
    sigma: float,
    kept: float,
) -> Tensor:
    """Return the images whitened, and flakes on them: noise, enlarged, cut, blurred by motion.

    The flakes fall up to 45 degrees from the vertical; the same ones, turned by half a turn, fall
    the other way. The original rounds them to 8 bits.
    """
    flakes = mean + deviation * randomness.normal((1, *images.shape[-2:])).double()
    flakes = enlarged(flakes, zoom)
    flakes = torch.where(flakes < threshold, 0, flakes).clamp_(0, 1)
    angles = (randomness.stream("angle").uniform(()) - 1.5) * (math.pi / 2)
    flakes = torch.round(blur_along(flakes, radius, sigma, angles) * 255) / 255
    white = torch.maximum(images, luminance(images) * 1.5 + 0.5).mul_(1 - kept)
    return white.add_(images, alpha=kept).add_(flakes + flakes.flip((-2, -1)))


def fog(images: Tensor, randomness: Randomness, strength: float, decay: float) -> Tensor:
    """Return `(x + strength p) m / (m + strength)`, p a plasma fractal, m the largest number of x.

    The fractal's side is the smallest power of 2 that is not below the longer side of the images.
    """
    height, width = images.shape[-2:]
    clouds = _plasma(randomness, 1 << (max(height, width) - 1).bit_length(), decay)
    largest = images.amax((1, 2, 3), keepdim=True)
    fogged = images + strength * clouds[:, None, :height, :width]
    return fogged.mul_(largest / (largest + strength))


def _plasma(randomness: Randomness, size: int, decay: float) -> Tensor:
    """Return height maps (B, size, size) in [0, 1] by the diamond-square algorithm, on a torus.

    Points in the middle of four others are their mean and a uniform number of `-w^2 ... w^2`, w
    falling by `decay` from one grid to the next finer one.
    """
    maps = torch.zeros(len(randomness.indices), size, size, dtype=torch.float64)
    maps = maps.to(randomness.indices.device)
    step, wibble = size, 100.0
    while step >= 2:
        half = step // 2
        drawn = randomness.stream("step", step).uniform((3, size // step, size // step)).double()
        square, above, beside = ((2 * drawn - 1) * wibble**2).unbind(1)
        corners = maps[:, ::step, ::step]
        across = corners + corners.roll(-1, 1)
        middles = (across + across.roll(-1, 2)) / 4 + square
        maps[:, half::step, half::step] = middles
        maps[:, ::step, half::step] = (
            middles + middles.roll(1, 1) + corners + corners.roll(-1, 2)
        ) / 4 + above
        maps[:, half::step, ::step] = (
            middles + middles.roll(1, 2) + corners + corners.roll(-1, 1)
        ) / 4 + beside
        step, wibble = half, wibble / decay
    maps -= maps.amin((1, 2), keepdim=True)
    return maps / maps.amax((1, 2), keepdim=True)


SNOW = Corruption(
    snow,
    small=(
        (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
        (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
        (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
        (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
        (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
    ),
    medium=(
        (0.1, 0.2, 1, 0.6, 8, 3, 0.8),
        (0.1, 0.2, 1, 0.5, 10, 4, 0.8),
        (0.15, 0.3, 1.75, 0.55, 10, 4, 0.7),
        (0.25, 0.3, 2.25, 0.6, 12, 6, 0.65),
        (0.3, 0.3, 1.25, 0.65, 14, 12, 0.6),
    ),
    large=(
        (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
        (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
        (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
        (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    ),
)
FOG = Corruption(
    fog,
    small=((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
    medium=((0.4, 3), (0.7, 3), (1, 2.5), (1.5, 2), (2, 1.75)),
    large=((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
)
