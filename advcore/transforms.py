"""Transforms of a data set's images: on their frequencies, of their size, of a part of them.

Source: Ortiz-Jimenez et al. 2020, "Hold me tight".
"""

import math
from dataclasses import dataclass, field
from typing import Literal, Protocol

from torch import Tensor
from torch.nn.functional import interpolate, pad

from advcore.frequency import cut_off, flip, high_pass, low_pass
from advcore.rectangle import Rectangle


class Transform(Protocol):
    """A frozen dataclass of settings: a linear map of images, row by row.

    It takes `(B, C, H, W)` to the same shape, or to another size as `Resize` does.

    Images of [0, 1] may leave it, see `keeps_box`. As it is linear, the mean of transformed images
    is the transformed mean.
    """

    def __call__(self, images: Tensor) -> Tensor:
        """The transformed images; ValueError when they are not of a size that fits."""


@dataclass(frozen=True)
class Flip:
    """Low and high frequencies swapped: an orthogonal involution."""

    def __call__(self, images: Tensor) -> Tensor:
        """Return the transformed images `(B, C, H, W)`."""
        return flip(images)


@dataclass(frozen=True)
class LowPass:
    """The `band` x `band` lowest frequencies of each channel kept, all others removed.

    Attributes:
        band: number of frequencies along each side that are kept.
    """

    band: int

    def __call__(self, images: Tensor) -> Tensor:
        """Return the transformed images `(B, C, H, W)`."""
        return low_pass(images, self.band)


@dataclass(frozen=True)
class HighPass:
    """The `band` x `band` highest frequencies of each channel kept, all others removed.

    Attributes:
        band: number of frequencies along each side that are kept.
    """

    band: int

    def __call__(self, images: Tensor) -> Tensor:
        """Return the transformed images `(B, C, H, W)`."""
        return high_pass(images, self.band)


@dataclass(frozen=True)
class CutOff:
    """The `band` x `band` lowest frequencies of each channel removed, all others kept.

    Attributes:
        band: number of frequencies along each side that are removed.
    """

    band: int

    def __call__(self, images: Tensor) -> Tensor:
        """Return the transformed images `(B, C, H, W)`."""
        return cut_off(images, self.band)


@dataclass(frozen=True)
class Resize:
    """Images of `size` x `size` pixels, without aliasing where they become smaller.

    Bilinear, a pixel is a mean of pixels, with weights that are no less than 0; bicubic, it is cut
    at the smallest and the largest number of its image: images stay in [0, 1]. An image that is no
    square is squeezed into one.

    Attributes:
        size: height and width, in pixels.
        method: interpolation, `bilinear` or `bicubic`. What is cut makes the second one no linear
            map.
    """

    size: int
    method: Literal["bilinear", "bicubic"] = field(default="bilinear", metadata={"later": True})

    def __post_init__(self) -> None:
        if type(self.size) is not int or self.size < 1:
            raise ValueError(f"size must be a whole number of pixels, 1 or more; got {self.size}")

    def __call__(self, images: Tensor) -> Tensor:
        """Return the transformed images `(B, C, size, size)`."""
        resized = interpolate(images, (self.size, self.size), mode=self.method, antialias=True)
        low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
        return resized.clamp(low, high)  # bilinear, it is in between but for the rounding


@dataclass(frozen=True)
class Blank:
    """A rectangle of each channel filled with the mean of the pixels outside of it.

    Attributes:
        rectangle: pixels that are filled; the same ones can be painted anew in a threat model
            `window`.
    """

    rectangle: Rectangle

    def __call__(self, images: Tensor) -> Tensor:
        """Return the images `(B, C, H, W)`, filled."""
        inside = self.rectangle(tuple(images.shape[1:])).to(images)
        outside = 1 - inside
        mean = (images * outside).sum((-2, -1), keepdim=True) / outside.sum()
        return images * outside + mean * inside


@dataclass(frozen=True)
class Pad:
    """Images with a black margin, so that nothing is lost where they are turned or shifted.

    Attributes:
        margin: width of the margin on each side, in pixels.
    """

    margin: int

    def __post_init__(self) -> None:
        if type(self.margin) is not int or self.margin < 0:
            raise ValueError(
                f"margin must be a whole number of pixels, not negative; got {self.margin}"
            )

    def __call__(self, images: Tensor) -> Tensor:
        """Return the images `(B, C, H + 2 margin, W + 2 margin)`."""
        return pad(images, (self.margin,) * 4)


@dataclass(frozen=True)
class Scale:
    """Images times a factor, around black: the ray along which they leave the box.

    Along almost every ray a ReLU network becomes sure of a class (Hein et al. 2019, theorem 3.1).

    Attributes:
        factor: factor of each pixel.
    """

    factor: float

    def __post_init__(self) -> None:
        if not 0 <= self.factor < math.inf:
            raise ValueError(f"factor must be a finite number >= 0; got {self.factor}")

    def __call__(self, images: Tensor) -> Tensor:
        """Return the transformed images `(B, C, H, W)`."""
        return self.factor * images


def shape_before(transform: Transform, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape (C, H, W) of images that a transform makes ones of `shape` of."""
    if not isinstance(transform, Pad):
        return shape
    channels, height, width = shape
    return channels, height - 2 * transform.margin, width - 2 * transform.margin


def keeps_box(transform: Transform | None) -> bool:
    """Return whether images in [0, 1] stay there."""
    if isinstance(transform, Scale):
        return transform.factor <= 1
    return transform is None or isinstance(transform, Resize | Pad | Blank)


TRANSFORMS: dict[str, type] = {
    "flip": Flip,
    "low_pass": LowPass,
    "high_pass": HighPass,
    "cut_off": CutOff,
    "resize": Resize,
    "pad": Pad,
    "blank": Blank,
    "scale": Scale,
}
"""The transforms that a data set can name by `kind`."""
