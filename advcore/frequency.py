"""The orthonormal two-dimensional DCT-II of images, and filters in it.

All act on the last two axes of `(..., H, W)`.
"""

import math
from functools import lru_cache

import torch
from torch import Tensor


def dct_matrix(size: int, like: Tensor | None = None) -> Tensor:
    """Return the orthonormal DCT-II as a matrix `(size, size)`.

    Row k samples the k-th cosine, row 0 is constant.

    `D[k, n] = s_k cos(pi (2n + 1) k / (2 size))` with `s_0 = sqrt(1/size)`, else `sqrt(2/size)`.
    Computed in float64 and given in the dtype and on the device of `like`.
    """
    matrix = _cosines(size)
    return (
        matrix.clone()
        if like is None
        else matrix.to(dtype=like.dtype, device=like.device, copy=True)
    )


@lru_cache(maxsize=16)
def _cosines(size: int) -> Tensor:
    positions = torch.arange(size, dtype=torch.float64)
    cosines = torch.cos(math.pi / (2 * size) * (2 * positions[None, :] + 1) * positions[:, None])
    cosines[0] *= math.sqrt(0.5)
    return cosines * math.sqrt(2 / size)


def dct2(images: Tensor) -> Tensor:
    """Coefficients of images: `D_H x D_W^T`.

    An isometry; entry (0, 0) is the mean times sqrt(H W).
    """
    height, width = images.shape[-2:]
    return dct_matrix(height, images) @ images @ dct_matrix(width, images).mT


def idct2(coefficients: Tensor) -> Tensor:
    """The inverse of `dct2`."""
    height, width = coefficients.shape[-2:]
    return dct_matrix(height, coefficients).mT @ coefficients @ dct_matrix(width, coefficients)


def low_pass(images: Tensor, band: int) -> Tensor:
    """Keep the `band` x `band` lowest frequencies of each channel."""
    _check_band(images, band)
    coefficients = dct2(images)
    kept = torch.zeros_like(coefficients)
    kept[..., :band, :band] = coefficients[..., :band, :band]
    return idct2(kept)


def high_pass(images: Tensor, band: int) -> Tensor:
    """Keep the `band` x `band` highest frequencies of each channel."""
    _check_band(images, band)
    coefficients = dct2(images)
    kept = torch.zeros_like(coefficients)
    kept[..., -band:, -band:] = coefficients[..., -band:, -band:]
    return idct2(kept)


def cut_off(images: Tensor, band: int) -> Tensor:
    """Remove the `band` x `band` lowest frequencies of each channel.

    What is left is all that `low_pass` does not keep.
    """
    return images - low_pass(images, band)


def flip(images: Tensor) -> Tensor:
    """Swap low and high frequencies.

    This orthogonal involution takes the mean to the highest frequency.
    """
    return idct2(dct2(images).flip(-2, -1))


def _check_band(images: Tensor, band: int) -> None:
    height, width = images.shape[-2:]
    if type(band) is not int or not 1 <= band <= min(height, width):
        raise ValueError(
            f"band must be a whole number in 1..{min(height, width)} for images of {height} x "
            f"{width}; got {band}"
        )
