"""Spectral norms of linear layers: exact ones, and upper bounds where these cost too much."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

STEPS = 30
"""Products by which the norm of an average is bounded."""

FLOOR = 1e-6
"""Least entry of the vector of those products, by its largest."""


def matrix_norm(weight: Tensor) -> float:
    """Return the spectral norm of a matrix."""
    return torch.linalg.matrix_norm(weight.double(), 2).item()


def convolution_norm(
    weight: Tensor,
    side: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> float:
    """Return an upper bound of the spectral norm of a convolution of images of `side`.

    It is the norm of the circular convolution (Sedghi et al. 2019) of images that are padded with
    zeros until nothing meets at their ends: so it holds for any zero padding, and lies above by
    what hangs on the border. A stride folds the frequencies that become the same.

    Args:
        weight: `(C', C / groups, h, w)`.
    """
    reach = [gap * (taps - 1) for gap, taps in zip(dilation, weight.shape[2:], strict=True)]
    torus = [
        step * math.ceil((own + more) / step)
        for own, more, step in zip(side, reach, stride, strict=True)
    ]
    spread = weight.new_zeros(*weight.shape[:2], *torus, dtype=torch.float64)
    spread[:, :, : reach[0] + 1 : dilation[0], : reach[1] + 1 : dilation[1]] = weight
    folds = [length // step for length, step in zip(torus, stride, strict=True)]
    shape = (groups, -1, weight.shape[1], stride[0], folds[0], stride[1], folds[1])
    transfer = torch.fft.fft2(spread).view(shape).permute(0, 4, 6, 1, 2, 3, 5).flatten(4)
    if transfer.shape[3] > transfer.shape[4]:
        transfer = transfer.mH
    gram = transfer @ transfer.mH
    return (torch.linalg.eigvalsh(gram).max().item() / math.prod(stride)) ** 0.5


def average_norm(
    function: Callable[[Tensor], Tensor], adjoint: Callable[[Tensor], Tensor], like: Tensor
) -> float:
    """Return an upper bound of the spectral norm of a linear map without negative weights.

    The largest eigenvalue of `B = A^T A` is at most the largest `(B v)_i / v_i`, for any positive
    v (Collatz 1942, Wielandt 1950); products with B bring it down.

    Args:
        function: `A` of a batch of inputs `(1, *shape)`.
        adjoint: `A^T` of a batch of outputs.
        like: an input, of which shape and device count.
    """
    vector = torch.ones_like(like, dtype=torch.float64)[None]
    least = torch.inf
    for _ in range(STEPS):
        product = adjoint(function(vector))
        least = min(least, (product / vector).max().item())
        vector = (product / product.max()).clamp(min=FLOOR)
    return least**0.5
