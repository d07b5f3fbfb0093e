"""Blur: of a lens out of focus, Gaussian, of a zoom."""

from functools import lru_cache

import torch
from torch import Tensor

from advcore.corruptions.corruption import Corruption
from advcore.corruptions.filters import enlarged, gaussian_blur, gaussian_matrix, inside
from advcore.randomness import Randomness


def defocus_blur(images: Tensor, randomness: Randomness, radius: float, sigma: float) -> Tensor:
    """Return the images through a disk of a radius in pixels, smoothed by a Gaussian of sigma.

    A disk of few different rows is a sum of as few products of a column and a row: one matrix
    multiplies each axis.
    """
    columns, rows = (part.to(images.device) for part in _products(radius, sigma))
    height, width = images.shape[-2:]
    down, across = _bands(columns, height), _bands(rows, width)
    filtered = (images @ across.flatten(0, 1).mT).unflatten(-1, (-1, width))
    return down.transpose(0, 1).flatten(1) @ filtered.movedim(-2, -3).flatten(-3, -2)


def gaussian_blurred(images: Tensor, randomness: Randomness, sigma: float) -> Tensor:
    """Return the images through a Gaussian filter of sigma pixels."""
    return gaussian_blur(images, sigma)


def zoom_blur(images: Tensor, randomness: Randomness, step: float, count: float) -> Tensor:
    """Return the mean of the image and of its enlargements by 1, 1 + step, ..., `count` ones."""
    total = images.clone()
    for factor in zoom_factors(step, int(count)):
        total += enlarged(images, factor)
    return total / (count + 1)


def zoom_factors(step: float, count: int) -> list[float]:
    """Return `count` numbers from 1 on, as `numpy.arange` has them: a last bit tells a size."""
    step = (1 + step) - 1
    return [1 + number * step for number in range(count)]


@lru_cache(maxsize=16)
def _disk(radius: float, sigma: float) -> Tensor:
    """Return the weights of a disk, smoothed, without the zeros around it; float64."""
    reach, smooth = (8, 1) if radius <= 8 else (int(radius), 2)
    line = torch.arange(-reach, reach + 1, dtype=torch.float64)
    disk = (line[:, None] ** 2 + line**2 <= radius**2).double()
    matrix = gaussian_matrix(len(line), sigma, smooth, "mirror")
    weights = matrix @ (disk / disk.sum()) @ matrix.mT
    kept = min(reach, int(radius) + smooth)
    return weights[reach - kept : reach + kept + 1, reach - kept : reach + kept + 1]


@lru_cache(maxsize=16)
def _products(radius: float, sigma: float) -> tuple[Tensor, Tensor]:
    """Return columns and rows `(rank, size)` the sum of whose products is the smoothed disk."""
    left, sizes, right = torch.linalg.svd(_disk(radius, sigma))
    rank = int((sizes > 1e-12 * sizes[0]).sum())
    return (left[:, :rank] * sizes[:rank]).mT, right[:rank]


def _bands(weights: Tensor, size: int) -> Tensor:
    """Return filters `(n, taps)` along an axis of `size` pixels as matrices (n, size, size)."""
    reach = weights.shape[1] // 2
    places = torch.arange(size, device=weights.device)[:, None]
    taps = inside(places + torch.arange(-reach, reach + 1, device=weights.device), size, "mirror")
    matrices = weights.new_zeros(len(weights), size, size)
    return matrices.scatter_add_(
        2, taps.expand(len(weights), -1, -1), weights[:, None].expand(-1, size, -1)
    )


DEFOCUS_BLUR = Corruption(
    defocus_blur,
    small=((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
    medium=((0.5, 0.6), (1, 0.1), (1.5, 0.1), (2.5, 0.01), (3, 0.1)),
    large=((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
)
GAUSSIAN_BLUR = Corruption(
    gaussian_blurred,
    small=((0.4,), (0.6,), (0.7,), (0.8,), (1,)),
    medium=((0.5,), (0.75,), (1,), (1.25,), (1.5,)),
    large=((1,), (2,), (3,), (4,), (6,)),
)
ZOOM_BLUR = Corruption(
    zoom_blur,
    small=((0.01, 7), (0.01, 12), (0.01, 16), (0.01, 21), (0.01, 26)),
    medium=((0.01, 7), (0.01, 12), (0.01, 16), (0.01, 21), (0.01, 26)),
    large=((0.01, 12), (0.01, 16), (0.02, 11), (0.02, 13), (0.03, 11)),
)
