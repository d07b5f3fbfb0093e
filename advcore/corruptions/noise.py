"""Noise of each pixel and channel: Gaussian, shot, impulse, speckle."""

import math
from functools import lru_cache

import torch
from torch import Tensor

from advcore.corruptions.corruption import Corruption
from advcore.randomness import Randomness


def gaussian_noise(images: Tensor, randomness: Randomness, deviation: float) -> Tensor:
    """Return `x + n` with `n ~ N(0, deviation^2)`."""
    return images + deviation * randomness.normal(images.shape[1:])


def speckle_noise(images: Tensor, randomness: Randomness, deviation: float) -> Tensor:
    """Return `x + x n` with `n ~ N(0, deviation^2)`."""
    return images + images * (deviation * randomness.normal(images.shape[1:]))


def shot_noise(images: Tensor, randomness: Randomness, photons: float) -> Tensor:
    """Return `Poisson(photons x) / photons`: how many of a number of photons arrive.

    Drawn by the inverse of the distribution function, of which there is one for each of the 256
    levels: put one after the other, they grow from 0 to 256.
    """
    levels = (images * 255).round()
    functions = _poisson(photons)
    sought = levels + randomness.uniform(images.shape[1:])
    found = torch.searchsorted(functions.flatten().to(images.device), sought, right=True)
    return (found - levels * functions.shape[1]) / photons


def impulse_noise(images: Tensor, randomness: Randomness, share: float) -> Tensor:
    """Return the images with a share of their numbers set to 0 or to 1, one as often."""
    drawn = randomness.uniform(images.shape[1:])
    return images.masked_fill(drawn < share, 1).masked_fill(drawn < share / 2, 0)


@lru_cache(maxsize=16)
def _poisson(photons: float) -> Tensor:
    """Return `level + P(N <= k)`, `(256, K)`, N ~ Poisson(photons level / 255); P(N < K) = 1."""
    rates = photons * torch.arange(256, dtype=torch.float64)[:, None] / 255
    counts = torch.arange(math.ceil(photons + 10 * math.sqrt(photons) + 20), dtype=torch.float64)
    functions = torch.special.gammaincc(counts + 1, rates)
    return torch.arange(256)[:, None] + functions.cummax(1).values


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
