"""A frequency for each class, added to inputs: features that are known and linearly separable."""

import math

from torch import Tensor

from advcore.frequency import dct_matrix


def check_marks(shape: tuple[int, ...], classes: int, size: float, band: int) -> None:
    """Raise ValueError for marks that inputs `(C, H, W)` of so many classes cannot have."""
    if not 0 <= size < math.inf:
        raise ValueError(f"size must be a finite number >= 0 in pixel units; got {size}")
    if len(shape) != 3:
        raise ValueError(f"marks need pictures (C, H, W); got inputs of shape {tuple(shape)}")
    if not 1 <= band <= min(shape[1:]):
        raise ValueError(
            f"band must be from 1 to the shorter side of the pictures, {min(shape[1:])}; got {band}"
        )
    if band**2 < classes:
        raise ValueError(
            f"band {band} has {band**2} frequencies, fewer than the {classes} classes: give a "
            "larger band"
        )


def add_marks(images: Tensor, labels: Tensor, size: float, band: int) -> Tensor:
    """Return images `(B, C, H, W)` with one of the highest DCT frequencies added, by their label.

    Class c has frequency `(H - 1 - c // band, W - 1 - c mod band)`, the same in all channels, of
    l2 norm `size` in pixel units. Marks of different classes are orthogonal: without the images a
    linear classifier tells them apart with margin `size / sqrt(2)`. Pixels may leave [0, 1].
    """
    channels, height, width = images.shape[1:]
    up, across = dct_matrix(height)[height - 1 - labels // band], dct_matrix(width)
    across = across[width - 1 - labels % band]
    mark = (size / math.sqrt(channels)) * up[:, :, None] * across[:, None, :]
    return (images.double() + mark[:, None].to(images.device)).to(images.dtype)
