"""Blur: of a lens out of focus, Gaussian, of a zoom."""

import math
import warnings
from functools import lru_cache

import torch
from torch import Tensor

from advcore.corruptions.corruption import Corruption
from advcore.corruptions.filters import enlargement, gaussian_blur, gaussian_matrix, transformed
from advcore.randomness import Randomness


def defocus_blur(images: Tensor, randomness: Randomness, radius: float, sigma: float) -> Tensor:
    """Return the images through a disk of a radius in pixels, smoothed by a Gaussian of sigma.

    The images are reflected about the pixels at their edges: cosines are what such a filter
    only scales, see `_spectrum`.
    """
    height, width = images.shape[-2:]
    scales = _spectrum(height, width, radius, sigma).to(images)
    (down, up), (across, back) = (
        [part.to(images) for part in _cosines(size)] for size in (height, width)
    )
    return transformed(transformed(images, down, across).mul_(scales), up, back)


def gaussian_blurred(images: Tensor, randomness: Randomness, sigma: float) -> Tensor:
    """Return the images through a Gaussian filter of sigma pixels."""
    return gaussian_blur(images, sigma)


def zoom_blur(images: Tensor, randomness: Randomness, step: float, count: float) -> Tensor:
    """Return the mean of the image and of its enlargements by 1, 1 + step, ..., `count` ones."""
    matrix = _zooms(*images.shape[-2:], step, int(count)).to(images.device)
    return (matrix @ images.flatten(0, 1).flatten(1).mT).mT.reshape(images.shape)


@lru_cache(maxsize=8)
def _zooms(height: int, width: int, step: float, count: int) -> Tensor:
    """Return the zoom blur as a sparse matrix (H W, H W): few pixels make up each one."""
    pixels = torch.arange(height * width)
    places, weights = [torch.stack([pixels, pixels])], [torch.ones(len(pixels)).double()]
    for factor in zoom_factors(step, count):
        (rows, down), (columns, across) = (enlargement(size, factor) for size in (height, width))
        read = rows[:, None, :, None] * width + columns[:, None]
        places.append(torch.stack([pixels.repeat_interleave(4), read.flatten()]))
        weights.append((down[:, None, :, None] * across[:, None]).flatten())
    matrix = torch.sparse_coo_tensor(
        torch.cat(places, 1),
        torch.cat(weights) / (count + 1),
        (len(pixels), len(pixels)),
        check_invariants=True,
    )
    with warnings.catch_warnings():  # rows are ten times as fast; torch calls them beta
        warnings.simplefilter("ignore", UserWarning)
        return matrix.coalesce().to_sparse_csr()


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
def _spectrum(height: int, width: int, radius: float, sigma: float) -> Tensor:
    """Return by what the disk multiplies each product of two cosines, `(H, W)`."""
    disk = _disk(radius, sigma)
    reach = len(disk) // 2
    offsets = torch.arange(-reach, reach + 1, dtype=torch.float64)
    down, across = (
        torch.cos(math.pi / (size - 1) * torch.arange(size)[:, None] * offsets)
        for size in (height, width)
    )
    return down @ disk @ across.mT


@lru_cache(maxsize=16)
def _cosines(size: int) -> tuple[Tensor, Tensor]:
    """Return the amplitudes of cosines in a line, as a matrix (size, size), and its inverse."""
    numbers = torch.arange(size, dtype=torch.float64)
    cosines = torch.cos(math.pi / (size - 1) * numbers[:, None] * numbers)
    return torch.linalg.inv(cosines), cosines


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
