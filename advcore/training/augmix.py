"""AugMix: mixed chains of the usual operations on pictures (Hendrycks et al. 2020)."""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from advcore.randomness import Randomness
from advcore.training.chains import check_chains, mixed_chains
from advcore.training.picture_operations import (
    GREYS,
    autocontrast,
    equalised,
    posterised,
    rotated,
    sheared,
    solarised,
    translated,
)


@dataclass(frozen=True)
class AugMix:
    """A random mixture of each image and of chains of random operations on it.

    `(1 - m) x + m sum_c w_c chain_c(x)`: each chain makes 1 to `depth` operations; the weights w
    are Dirichlet(1, ..., 1), the share m is Beta(1, 1). The operations are the nine of the paper:
    autocontrast, equalise, posterise, rotate, solarise, shear and translate along either axis. None
    of them is a corruption of its test by name; elastic_transform of severity 1 in the constants
    `small` and `medium` is an affine map as rotate, shear and translate are, and autocontrast
    changes contrast.

    The magnitude of an operation is uniform in [.1, severity] tenths of its largest: 30 degrees,
    slopes of .3, a third of the side, 4 of the upper 4 bits, all 256 greys. Operations keep pixels
    in [0, 1]; those on 8-bit greys round first, and chains are not rounded between.

    Attributes:
        severity: strength of the operations, in (.1, 10].
        width: number of chains.
        depth: largest number of operations in a chain.
    """

    severity: float = 3.0
    width: int = 3
    depth: int = 3

    def __post_init__(self) -> None:
        check_chains(self.width, self.depth)
        if not 0.1 < self.severity <= 10:
            raise ValueError(f"severity must lie in (0.1, 10]; got {self.severity}")

    @property
    def box(self) -> bool:
        """True: pixels are kept in [0, 1]."""
        return True

    def __call__(self, images: Tensor, randomness: Randomness) -> Tensor:
        operations = [partial(operation, severity=self.severity) for operation in OPERATIONS]
        return mixed_chains(operations, images, randomness, self.width, self.depth)


def _autocontrast(images: Tensor, randomness: Randomness, severity: float) -> Tensor:
    return autocontrast(images)


def _equalise(images: Tensor, randomness: Randomness, severity: float) -> Tensor:
    return equalised(images)


def _posterise(images: Tensor, randomness: Randomness, severity: float) -> Tensor:
    return posterised(images, 4 - _magnitude(randomness, severity, 4).long())


def _solarise(images: Tensor, randomness: Randomness, severity: float) -> Tensor:
    return solarised(images, GREYS - _magnitude(randomness, severity, GREYS).long())


def _rotate(images: Tensor, randomness: Randomness, severity: float) -> Tensor:
    return rotated(images, _signed(randomness, severity, 30).trunc())


def _shear(axis: int, images: Tensor, randomness: Randomness, severity: float) -> Tensor:
    return sheared(images, _signed(randomness, severity, 0.3), axis)


def _translate(axis: int, images: Tensor, randomness: Randomness, severity: float) -> Tensor:
    third = images.shape[-1 - axis] / 3
    return translated(images, _signed(randomness, severity, third).trunc(), axis)


OPERATIONS = (
    _autocontrast,
    _equalise,
    _posterise,
    _rotate,
    _solarise,
    partial(_shear, 0),
    partial(_shear, 1),
    partial(_translate, 0),
    partial(_translate, 1),
)
"""The operations of AugMix, with equal chances."""


def _magnitude(randomness: Randomness, severity: float, largest: float) -> Tensor:
    """A magnitude for each image, `(B,)`: uniform in [.1, severity] tenths of the largest."""
    tenths = 0.1 + (severity - 0.1) * randomness.stream("magnitude").uniform(())
    return tenths * largest / 10


def _signed(randomness: Randomness, severity: float, largest: float) -> Tensor:
    """A magnitude to either side."""
    sign = torch.where(randomness.stream("sign").uniform(()) < 0.5, -1, 1)
    return sign * _magnitude(randomness, severity, largest)
