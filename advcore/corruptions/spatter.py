"""Spatter: drops of water, or mud, on the lens."""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d

from advcore.corruptions.corruption import Corruption, cut_to_levels
from advcore.corruptions.edges import canny_edges, distances
from advcore.corruptions.filters import gaussian_blur, inside, luminance
from advcore.randomness import Randomness

WATER, MUD = (175, 238, 238), (63, 42, 20)
_RELIEF = ((-2, -1, 0), (-1, 1, 1), (0, 1, 2))


def spattered(
    images: Tensor,
    randomness: Randomness,
    mean: float,
    deviation: float,
    sigma: float,
    threshold: float,
    strength: float,
    mud: float,
) -> Tensor:
    """Return the images with turquoise light on them, or with brown in the place of a part.

    Both stand where noise behind a Gaussian filter of `sigma` exceeds a threshold. Water shines by
    the distance to the rims of its drops, as far as `strength`; mud has rims smoothed by a filter
    of `strength`. On grey images they are as bright as their colours.
    """
    noise = mean + deviation * randomness.normal(images.shape[-2:]).double()
    liquid = gaussian_blur(noise, sigma)
    liquid = torch.where(liquid < threshold, 0, liquid)
    if mud:
        cover = gaussian_blur((liquid > threshold).double(), strength)[:, None]
        cover = torch.where(cover < 0.8, 0, cover)
        return images * (1 - cover) + cover * _colour(MUD, images)
    shine = _shine(cut_to_levels(liquid))[:, None]
    return images + (strength * shine * _colour(WATER, images)).clamp(max=1)


def _shine(levels: Tensor) -> Tensor:
    """Return the light `(B, H, W)` of drops, 1 at the brightest pixel; 0 where there is none."""
    apart = torch.floor(_means(distances(canny_edges(levels, 50, 150), 20)))
    relief = _filtered(_equalised(apart)).round().clamp(0, 255)
    light = levels * _means(relief).round()
    brightest = light.amax((1, 2), keepdim=True)
    return torch.where(brightest > 0, light / brightest, 0)


def _equalised(levels: Tensor) -> Tensor:
    """Return levels 0 ... 20 `(B, H, W)` spread over 0 ... 255 by how many lie below each."""
    numbers = levels.long().flatten(1)
    counts = torch.zeros(len(levels), 21, dtype=levels.dtype, device=levels.device)
    counts.scatter_add_(1, numbers, torch.ones_like(numbers, dtype=levels.dtype))
    below = counts.cumsum(1)
    first = below.gather(1, numbers.amin(1, keepdim=True))
    total = numbers.shape[1]
    spread = torch.where(first < total, (below - first) * 255 / (total - first), 0)
    alike = (first == total).expand_as(numbers)
    return torch.where(alike, numbers, spread.gather(1, numbers).round()).view_as(levels)


def _around(planes: Tensor) -> Tensor:
    """Return planes `(B, 1, H + 2, W + 2)`, reflected about the pixels at their edges."""
    rows, columns = (
        inside(torch.arange(-1, size + 1, device=planes.device), size, "mirror")
        for size in planes.shape[-2:]
    )
    return planes[:, None, rows[:, None], columns]


def _means(planes: Tensor) -> Tensor:
    return avg_pool2d(_around(planes), 3, 1)[:, 0]


def _filtered(planes: Tensor) -> Tensor:
    return conv2d(_around(planes), planes.new_tensor(_RELIEF)[None, None])[:, 0]


def _colour(levels: tuple[int, int, int], images: Tensor) -> Tensor:
    colour = images.new_tensor(levels).view(1, 3, 1, 1) / 255
    return colour if images.shape[1] == 3 else luminance(colour)


SPATTER = Corruption(
    spattered,
    small=(
        (0.62, 0.1, 0.7, 0.7, 0.5, 0),
        (0.65, 0.1, 0.8, 0.7, 0.5, 0),
        (0.65, 0.3, 1, 0.69, 0.5, 0),
        (0.65, 0.1, 0.7, 0.69, 0.6, 1),
        (0.65, 0.1, 0.5, 0.68, 0.6, 1),
    ),
    medium=(
        (0.62, 0.1, 0.7, 0.7, 0.6, 0),
        (0.65, 0.1, 0.8, 0.7, 0.6, 0),
        (0.65, 0.3, 1, 0.69, 0.6, 0),
        (0.65, 0.1, 0.7, 0.68, 0.6, 1),
        (0.65, 0.1, 0.5, 0.67, 0.6, 1),
    ),
    large=(
        (0.65, 0.3, 4, 0.69, 0.6, 0),
        (0.65, 0.3, 3, 0.68, 0.6, 0),
        (0.65, 0.3, 2, 0.68, 0.5, 0),
        (0.65, 0.3, 1, 0.65, 1.5, 1),
        (0.67, 0.4, 1, 0.65, 1.5, 1),
    ),
)
