"""Hutchinson's estimate of a trace (1990), batched over samples."""

import torch
from torch import Tensor

from advcore.curvature.lanczos import SymmetricOperator
from advcore.randomness import Randomness


def hutchinson(
    operator: SymmetricOperator, randomness: Randomness, dimension: int, draws: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """The mean of `v^T A v` over `draws` vectors of random signs, and its standard error, `(B,)` each; unbiased."""
    if draws < 2:
        raise ValueError(f"draws must be at least 2, for a standard error; got {draws}")
    quotients = []
    for draw in range(draws):
        signs = (randomness.stream("hutchinson", draw).uniform((dimension,)) - 0.5).sign().to(dtype)
        quotients.append((signs * (operator @ signs)).sum(1))
    values = torch.stack(quotients)
    return values.mean(0), values.std(0) / draws**0.5
