"""The seam of images that are read or made when they are used, in the place of an array."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np


class Deferred(Protocol):
    """Images `(N, *shape)` that come when they are indexed by an array of positions.

    Such a value is small where it can be, for it travels to the workers. It is a frozen dataclass;
    equal ones give the same bits in every process.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape `(N, *shape)`."""

    @property
    def dtype(self) -> np.dtype:
        """The type of the values: uint8 or float32."""

    @property
    def nbytes(self) -> int:
        """The memory that travels, in bytes."""

    @property
    def in_box(self) -> bool:
        """True where all images lie in [0, 1]."""

    @property
    def meaning(self) -> str:
        """The text that changes when equal `content` gives other images; it is part of keys."""

    @property
    def content(self) -> np.ndarray:
        """An array that changes when the images do: the digests of the samples, say."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """Return the images at the positions `rows`, `(n, *shape)`: a copy."""

    def chosen(self, rows: np.ndarray) -> "Deferred":
        """Return the images at the positions `rows` alone; nothing is read or made."""


@dataclass(frozen=True, eq=False)
class Unboxed:
    """Inputs `(N, *shape)` in memory that have no box, float32 of any finite values.

    Attributes:
        values: inputs of all samples.
    """

    values: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    @property
    def dtype(self) -> np.dtype:
        return self.values.dtype

    @property
    def nbytes(self) -> int:
        return self.values.nbytes

    @property
    def in_box(self) -> bool:
        return False

    @property
    def meaning(self) -> str:
        return "without a box"

    @property
    def content(self) -> np.ndarray:
        return self.values

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        return self.values[rows]

    def chosen(self, rows: np.ndarray) -> "Unboxed":
        return Unboxed(self.values[rows])


Images = np.ndarray | Deferred
"""Images in memory, or those that come when they are used."""


def chosen_images(images: Images, rows: np.ndarray) -> Images:
    """Return the images at the positions `rows` alone; nothing is read or made."""
    return images[rows] if isinstance(images, np.ndarray) else images.chosen(rows)


def lie_in_box(images: Images) -> bool:
    """Return whether all images lie in [0, 1]; arrays do."""
    return isinstance(images, np.ndarray) or images.in_box


def meaning_of(images: Images) -> str:
    """Return the text that says what `content_of` means; an array means itself."""
    return "" if isinstance(images, np.ndarray) else images.meaning


def content_of(images: Images) -> np.ndarray:
    """Return an array that changes when the images do: the images themselves, or digests."""
    return images if isinstance(images, np.ndarray) else images.content


def add_arrays(add: Callable[[Any], object], arrays: Iterable[np.ndarray]) -> None:
    """Add arrays to a digest, by its `update`: their types, their shapes and what they hold."""
    for array in arrays:
        add(f"{array.dtype.str}{array.shape}".encode())
        add(np.ascontiguousarray(array).data)
