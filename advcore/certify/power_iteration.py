"""The spectral norm of a linear map that is known by its products (block power iteration)."""

from collections.abc import Callable

import torch
from torch import Tensor

COLUMNS = 4
"""Vectors that are iterated at once: near singular values then do not slow the largest down."""

MOST_STEPS = 500
"""Largest number of iterations."""

CHANGE = 1e-6
"""Relative change of the norm below which the iteration ends."""


def spectral_norm(
    function: Callable[[Tensor], Tensor], adjoint: Callable[[Tensor], Tensor], like: Tensor
) -> float:
    """Return the largest singular value of a linear map, from below.

    It is that of the map on the span of a block of inputs, which are multiplied by `A^T A` and made
    orthonormal until it stands still (subspace iteration).

    Args:
        function: `A` of a batch of inputs `(N, *shape)`.
        adjoint: `A^T` of a batch of outputs.
        like: an input, of which shape, precision and device count.
    """
    generator = torch.Generator().manual_seed(0)
    count = min(COLUMNS, like.numel())
    block = torch.randn(like.numel(), count, generator=generator, dtype=torch.float64).to(like)
    largest = 0.0
    for _ in range(MOST_STEPS):
        rows = torch.linalg.qr(block).Q.mT.reshape(count, *like.shape)
        images = function(rows)
        before, largest = largest, torch.linalg.matrix_norm(images.flatten(1), 2).item()
        if largest - before <= CHANGE * largest:
            break
        block = adjoint(images).flatten(1).mT
    return largest
