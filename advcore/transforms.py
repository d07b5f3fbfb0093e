"""Transforms of a data set's images: interventions on their frequencies.

Source: Ortiz-Jimenez et al. 2020, "Hold me tight".
"""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from advcore.frequency import cut_off, flip, high_pass, low_pass


class Transform(Protocol):
    """A frozen dataclass of settings: a linear map of images, row by row.

    It takes `(B, C, H, W)` to the same shape.

    Images of [0, 1] may leave it. As it is linear, the mean of transformed images is the
    transformed mean.
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


TRANSFORMS: dict[str, type] = {
    "flip": Flip,
    "low_pass": LowPass,
    "high_pass": HighPass,
    "cut_off": CutOff,
}
"""The transforms that a data set can name by `kind`."""
