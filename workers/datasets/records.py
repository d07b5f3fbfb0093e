"""Samples that lie in files: the bytes of each, and how images come of them.

`Records` say where the bytes of each sample lie and `Decoder` what they mean; both are small,
frozen and picklable, and any process that sees the same files reads the same bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

import numpy as np

from advcore.workers.datasets.pixels import pixels, unbounded
from advcore.workers.datasets.reading import Readable


class Records(Protocol):
    """The bytes of some samples, in their order, in files of a known version."""

    @property
    def stamp(self) -> str:
        """The text that changes when the files do, but for what `versions` tells."""

    @property
    def nbytes(self) -> int:
        """The memory that the description itself takes, in bytes."""

    def __len__(self) -> int: ...

    def read(self, rows: np.ndarray) -> list[bytes]:
        """Return the records at the positions `rows`.

        Raises InputError where they cannot be read, or the files have changed.
        """

    def chosen(self, rows: np.ndarray) -> "Records":
        """Return the description of the samples at the positions `rows` alone."""

    def versions(self) -> np.ndarray:
        """Return the size and the version of each sample's own file, int64 `(N, 2)`.

        Zeros where many samples lie in one file, whose version is in `stamp`.
        """

    def name(self, row: int) -> str:
        """Return how messages call a sample."""


class Decoder(Protocol):
    """The meaning of the bytes of a record.

    Attributes:
        shape: shape of one sample.
        dtype: uint8 or float32.
        box: whether all values must lie in [0, 1].
        meaning: text that changes when the same bytes give other values; it is part of keys.
    """

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype: ...

    @property
    def box(self) -> bool: ...

    @property
    def meaning(self) -> str: ...

    def decode(self, records: Sequence[bytes], names: Sequence[str]) -> np.ndarray:
        """Return the samples `(n, *shape)`; their names are for messages."""


@dataclass(frozen=True, eq=False)
class Spans:
    """Records at known places in one or several files.

    Attributes:
        label: name of the data set.
        files: files that hold them.
        which: number of each record's file, `(N,)`.
        offsets, lengths: place and size of each record in its file, in bytes, `(N,)`.
        indices: index of each sample in the whole split, `(N,)`.
    """

    label: str
    files: tuple[Readable, ...]
    which: np.ndarray
    offsets: np.ndarray
    lengths: np.ndarray
    indices: np.ndarray

    @property
    def stamp(self) -> str:
        return f"{self.label} " + "; ".join(file.stamp for file in self.files)

    @property
    def nbytes(self) -> int:
        arrays = (self.which, self.offsets, self.lengths, self.indices)
        return sum(array.nbytes for array in arrays)

    def __len__(self) -> int:
        return len(self.which)

    def read(self, rows: np.ndarray) -> list[bytes]:
        found = [b""] * len(rows)
        which = self.which[rows]
        for number in np.unique(which):
            places = np.flatnonzero(which == number)
            own = rows[places]
            records = self.files[number].read_all(self.offsets[own], self.lengths[own])
            for place, record in zip(places, records, strict=True):
                found[place] = record
        return found

    def chosen(self, rows: np.ndarray) -> "Spans":
        return replace(
            self,
            which=self.which[rows],
            offsets=self.offsets[rows],
            lengths=self.lengths[rows],
            indices=self.indices[rows],
        )

    def versions(self) -> np.ndarray:
        return np.zeros((len(self), 2), np.int64)

    def name(self, row: int) -> str:
        return f"sample {self.indices[row]} of {self.label}"


@dataclass(frozen=True)
class Arrays:
    """Rows of an array, as NumPy writes them.

    Attributes:
        type: type of the values, as NumPy writes it ("<f4").
        row: shape of one row, `(C, H, W)`, `(H, W, C)` or `(H, W)`.
        channels_last: whether the row is `(H, W, C)`.
    """

    type: str
    row: tuple[int, ...]
    channels_last: bool = False

    box: ClassVar[bool] = True

    @property
    def shape(self) -> tuple[int, ...]:
        if self.channels_last:
            height, width, channels = self.row
            return channels, height, width
        return (1, *self.row) if len(self.row) == 2 else self.row

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.uint8 if np.dtype(self.type) == np.uint8 else np.float32)

    @property
    def meaning(self) -> str:
        return f"array {self.type} {self.row} {'nhwc' if self.channels_last else 'nchw'}"

    def decode(self, records: Sequence[bytes], names: Sequence[str]) -> np.ndarray:
        rows = np.frombuffer(bytearray().join(records), self.type).reshape(len(records), *self.row)
        if self.channels_last:
            rows = rows.transpose(0, 3, 1, 2)
        return np.ascontiguousarray(pixels(rows.reshape(len(records), *self.shape)))


@dataclass(frozen=True)
class Numbers:
    """Rows of an array that have no box, of any shape.

    Attributes:
        type: type of the values, as NumPy writes it ("<f8").
        row: shape of one row, `(F,)` of a table, `(T, E)` of a sequence.
    """

    type: str
    row: tuple[int, ...]

    box: ClassVar[bool] = False

    @property
    def shape(self) -> tuple[int, ...]:
        return self.row

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.float32)

    @property
    def meaning(self) -> str:
        return f"array {self.type} {self.row} without a box"

    def decode(self, records: Sequence[bytes], names: Sequence[str]) -> np.ndarray:
        rows = np.frombuffer(bytearray().join(records), self.type)
        return np.ascontiguousarray(unbounded(rows.reshape(len(records), *self.row)))
