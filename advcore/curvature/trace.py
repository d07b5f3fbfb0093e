"""Hutchinson's estimates of a trace and a Frobenius norm (1990), batched over samples."""

from dataclasses import dataclass

import torch
from torch import Tensor

from advcore.curvature.lanczos_method import SymmetricOperator
from advcore.randomness import Randomness


@dataclass(frozen=True, eq=False)
class Moments:
    """`trace`, and `squares`, `tr A^2 = ||A||_F^2`, each with its standard error: `(B,)` each.

    The errors are `trace_error` and `squares_error`. Both estimates are unbiased. `along_random`
    `(B,)` is the mean of `|v^T A v|` over the same directions, as unit ones. `frobenius` is the
    root of `squares`, and its error to first order; NaN where `squares` is 0.
    """

    trace: Tensor
    trace_error: Tensor
    squares: Tensor
    squares_error: Tensor
    along_random: Tensor

    @property
    def frobenius(self) -> Tensor:
        """Return the estimated Frobenius norm, `(B,)`."""
        return self.squares.sqrt()

    @property
    def frobenius_error(self) -> Tensor:
        """Return the standard error of `frobenius`, `(B,)`."""
        return self.squares_error / (2 * self.frobenius)


def hutchinson(
    operator: SymmetricOperator,
    randomness: Randomness,
    dimension: int,
    draws: int,
    dtype: torch.dtype,
) -> Moments:
    """Return the means of `v^T A v` and of `||A v||^2` over `draws` random vectors.

    The vectors have random signs; the products are the same for both.
    """
    if draws < 2:
        raise ValueError(f"draws must be at least 2, for a standard error; got {draws}")
    quotients, squares = [], []
    for draw in range(draws):
        signs = (randomness.stream("hutchinson", draw).uniform((dimension,)) - 0.5).sign().to(dtype)
        image = operator @ signs
        quotients.append((signs * image).sum(1))
        squares.append(image.square().sum(1))
    along_random = torch.stack(quotients).abs().mean(0) / dimension
    return Moments(*_mean(quotients), *_mean(squares), along_random)


def _mean(draws: list[Tensor]) -> tuple[Tensor, Tensor]:
    """The mean of draws `(B,)` and its standard error."""
    values = torch.stack(draws)
    return values.mean(0), values.std(0) / len(draws) ** 0.5
