"""Noise of each pixel and channel: Gaussian, shot, impulse, speckle."""

import math
from functools import lru_cache

import torch
from torch import Tensor

from advcore.corruptions.corruption import Corruption
from advcore.randomness import Randomness

_BUCKETS = 1024
"""Parts of a level in the table of shot noise."""


def gaussian_noise(images: Tensor, randomness: Randomness, deviation: float) -> Tensor:
    """Return `x + n` with `n ~ N(0, deviation^2)`."""
    return images + randomness.normal(images.shape[1:]).mul_(deviation)


def speckle_noise(images: Tensor, randomness: Randomness, deviation: float) -> Tensor:
    """Return `x + x n` with `n ~ N(0, deviation^2)`."""
    return images + images * randomness.normal(images.shape[1:]).mul_(deviation)


def shot_noise(images: Tensor, randomness: Randomness, photons: float) -> Tensor:
    """Return `Poisson(photons x) / photons`: how many of a number of photons arrive.

    Drawn by the inverse of the distribution function, of which there is one for each of the 256
    levels: put one after the other, they grow from 0 to 256. A table tells the number of photons
    wherever it is the same in a whole bucket; the others are sought.
    """
    levels = (images * 255).round_().flatten()
    functions, table = (part.to(images.device) for part in _poisson(photons))
    sought = levels + randomness.uniform(images.shape[1:]).flatten()
    counts = table.index_select(0, (sought * _BUCKETS).long()).double()
    unsure = (counts < 0).nonzero()[:, 0]
    found = torch.searchsorted(functions.flatten(), sought[unsure], right=True)
    counts[unsure] = found - levels[unsure] * functions.shape[1]
    return counts.view_as(images).div_(photons)


def impulse_noise(images: Tensor, randomness: Randomness, share: float) -> Tensor:
    """Return the images with a share of their numbers set to 0 or to 1, one as often."""
    drawn = randomness.uniform(images.shape[1:])
    return torch.where(drawn < share / 2, 0, torch.where(drawn < share, 1, images))


@lru_cache(maxsize=16)
def _poisson(photons: float) -> tuple[Tensor, Tensor]:
    """Return `level + P(N <= k)`, `(256, K)`, N ~ Poisson(photons level / 255); P(N < K) = 1.

    And, for each of `_BUCKETS` equal parts of a level, the number k that all of it stands for, or
    -1 where it stands for several.
    """
    rates = photons * torch.arange(256, dtype=torch.float64)[:, None] / 255
    counts = torch.arange(math.ceil(photons + 10 * math.sqrt(photons) + 20), dtype=torch.float64)
    functions = torch.special.gammaincc(counts + 1, rates)
    functions = torch.arange(256)[:, None] + functions.cummax(1).values
    ends = torch.arange(256 * _BUCKETS + 1, dtype=torch.float64) / _BUCKETS
    least = torch.searchsorted(functions.flatten(), ends[:-1], right=True)
    most = torch.searchsorted(functions.flatten(), ends[1:], right=False)
    first = torch.arange(256).repeat_interleave(_BUCKETS) * functions.shape[1]
    return functions, torch.where(least == most, least - first, -1).short()


GAUSSIAN_NOISE = Corruption(
    gaussian_noise,
    small=((0.04,), (0.06,), (0.08,), (0.09,), (0.10,)),
    medium=((0.04,), (0.08,), (0.12,), (0.15,), (0.18,)),
    large=((0.08,), (0.12,), (0.18,), (0.26,), (0.38,)),
)
SHOT_NOISE = Corruption(
    shot_noise,
    small=((500,), (250,), (100,), (75,), (50,)),
    medium=((250,), (100,), (50,), (30,), (15,)),
    large=((60,), (25,), (12,), (5,), (3,)),
)
IMPULSE_NOISE = Corruption(
    impulse_noise,
    small=((0.01,), (0.02,), (0.03,), (0.05,), (0.07,)),
    medium=((0.01,), (0.02,), (0.05,), (0.08,), (0.14,)),
    large=((0.03,), (0.06,), (0.09,), (0.17,), (0.27,)),
)
SPECKLE_NOISE = Corruption(
    speckle_noise,
    small=((0.06,), (0.10,), (0.12,), (0.16,), (0.20,)),
    medium=((0.15,), (0.20,), (0.25,), (0.30,), (0.35,)),
    large=((0.15,), (0.20,), (0.35,), (0.45,), (0.60,)),
)
