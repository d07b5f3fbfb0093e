"""The span of the lowest frequencies of pictures, or all of the space of inputs."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from advcore.classifier import check_pictures
from advcore.frequency import dct_matrix


@dataclass(frozen=True)
class LowFrequencies:
    """The lowest `band` x `band` frequencies of the DCT in each channel of inputs of a `shape`.

    At most as many as a side has pixels. All inputs of any shape where `band` is None. The basis is
    orthonormal. Raises ValueError for a band of inputs that are no pictures.
    """

    shape: tuple[int, ...]
    band: int | None = None

    def __post_init__(self) -> None:
        if self.band is not None:
            check_pictures(self.shape, f"a band of {self.band} frequencies")

    @property
    def sides(self) -> tuple[int, int]:
        """The number of frequencies along the height and the width."""
        assert self.band is not None, "asked for pictures alone"
        return min(self.band, self.shape[1]), min(self.band, self.shape[2])

    @property
    def dim(self) -> int:
        """The number of coordinates."""
        return math.prod(self.shape if self.band is None else (self.shape[0], *self.sides))

    def frequencies(self, like: Tensor) -> Tensor:
        """Return the frequency of each coordinate, `(dim,)`, 0 where they are no frequencies.

        It is the length of its two along height and width, with the dtype and device of `like`.
        """
        if self.band is None:
            return like.new_zeros(self.dim)
        rows, columns = (torch.arange(side).to(like) for side in self.sides)
        return torch.hypot(rows[:, None], columns).flatten().repeat(self.shape[0])

    def lift(self, coordinates: Tensor) -> Tensor:
        """The inputs `(..., *shape)` that have these coordinates `(..., dim)`."""
        if self.band is None:
            return coordinates.reshape(*coordinates.shape[:-1], *self.shape)
        height, width = self.sides
        block = coordinates.reshape(*coordinates.shape[:-1], self.shape[0], height, width)
        rows, columns = (dct_matrix(side, block) for side in self.shape[1:])
        return rows[:height].mT @ block @ columns[:width]

    def coordinates(self, inputs: Tensor) -> Tensor:
        """The coordinates `(..., dim)` of the projections of inputs `(..., *shape)`."""
        if self.band is None:
            return inputs.flatten(-len(self.shape))
        height, width = self.sides
        rows, columns = (dct_matrix(side, inputs) for side in self.shape[1:])
        return (rows[:height] @ inputs @ columns[:width].mT).flatten(-3)


def check_band(band: int | None) -> None:
    """Raise ValueError for a band without a frequency."""
    if band is not None and band < 1:
        raise ValueError(f"band must be at least 1 frequency a side, or None for all; got {band}")
