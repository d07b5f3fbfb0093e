"""Linear filters of images, with the borders of the libraries that the original uses."""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

Border = Literal["nearest", "mirror", "symmetric"]


def inside(positions: Tensor, size: int, border: Border) -> Tensor:
    """Return the pixels, 0 to size - 1, that stand for positions on and beyond an edge.

    `nearest` repeats the pixel at the edge (aaa|abc), `mirror` reflects about it (cb|abc),
    `symmetric` about the edge itself (ba|abc).
    """
    return _BORDERS[border](positions, size)


def _mirror(positions: Tensor, size: int) -> Tensor:
    turned = positions.remainder(2 * size - 2)
    return torch.minimum(turned, 2 * size - 2 - turned)


def _symmetric(positions: Tensor, size: int) -> Tensor:
    turned = positions.remainder(2 * size)
    return torch.minimum(turned, 2 * size - 1 - turned)


_BORDERS: dict[str, Callable[[Tensor, int], Tensor]] = {
    "nearest": lambda positions, size: positions.clamp(0, size - 1),
    "mirror": _mirror,
    "symmetric": _symmetric,
}


@lru_cache(maxsize=64)
def gaussian_matrix(size: int, sigma: float, radius: int, border: Border) -> Tensor:
    """Return the Gaussian filter of `2 radius + 1` weights as a matrix (size, size), float64."""
    offsets = torch.arange(-radius, radius + 1)
    weights = torch.exp(-0.5 * (offsets.double() / sigma) ** 2)
    weights /= weights.sum()
    rows = torch.arange(size)[:, None]
    matrix = torch.zeros(size, size, dtype=torch.float64)
    places = rows.expand(-1, len(offsets)), inside(rows + offsets, size, border)
    return matrix.index_put(places, weights.expand(size, -1), accumulate=True)


def gaussian_blur(
    images: Tensor, sigma: float, truncate: float = 4.0, border: Border = "nearest"
) -> Tensor:
    """Return images `(..., H, W)` through a Gaussian filter of `sigma` pixels; 0 does nothing.

    It is cut at `truncate` sigma, rounded to a pixel.
    """
    radius = int(truncate * sigma + 0.5)
    if radius == 0:
        return images
    down, across = (
        gaussian_matrix(size, sigma, radius, border).to(images) for size in images.shape[-2:]
    )
    return transformed(images, down, across)


def transformed(images: Tensor, down: Tensor, across: Tensor) -> Tensor:
    """Return `down @ x @ across.mT` of each plane x of images `(..., H, W)`."""
    return along_last(down, along_last(across, images)).movedim((0, 1), (-2, -1))


def along_last(matrix: Tensor, values: Tensor) -> Tensor:
    """Return `matrix @ x` of each line x of values `(..., W)`, the new axis first: `(V, ...)`.

    It is one product of matrices, and takes half as long as one for each image.
    """
    lines = values.reshape(-1, values.shape[-1])
    return (matrix @ lines.mT).view(-1, *values.shape[:-1])


def luminance(images: Tensor) -> Tensor:
    """Return the brightness `(B, 1, H, W)` of colour images, by the weights of ITU-R BT.601.

    A grey image is its own.
    """
    if images.shape[1] == 1:
        return images
    red, green, blue = images.split(1, 1)
    return (red * 0.299).add_(green, alpha=0.587).add_(blue, alpha=0.114)


def enlarged(images: Tensor, factor: float) -> Tensor:
    """Return the middle of images `(..., H, W)`, `factor` times as large, of the same size."""
    down, across = (_as_matrix(*enlargement(size, factor)) for size in images.shape[-2:])
    return transformed(images, down.to(images), across.to(images))


def enlargement(size: int, factor: float) -> tuple[Tensor, Tensor]:
    """Return which two pixels of a line each one lies between when its middle is enlarged.

    And their weights, both `(size, 2)`. The corners of what is enlarged lie on the corners of the
    result, which is a pixel or more larger at times: its middle is returned.
    """
    cut = math.ceil(size / factor)
    large = round(cut * factor)
    numbers = torch.arange(size, dtype=torch.float64) + (large - size) // 2
    places = numbers * ((cut - 1) / (large - 1))
    first = places.long().clamp(max=cut - 2)
    share = places - first
    return (
        torch.stack([first, first + 1], 1) + (size - cut) // 2,
        torch.stack([1 - share, share], 1),
    )


def _as_matrix(places: Tensor, weights: Tensor) -> Tensor:
    return weights.new_zeros(len(places), len(places)).scatter_(1, places, weights)
