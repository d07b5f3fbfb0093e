"""Whole splits, of which samples are selected: read at once, or left in their files."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from advcore.workers.datasets.deferred import Images, Unboxed
from advcore.workers.datasets.pixels import (
    check_shape,
    check_values,
    pixels,
    unbounded,
    whole_labels,
)
from advcore.workers.datasets.records import Decoder, Records
from advcore.workers.datasets.stored import parts, sample_bytes, stored

SENT = 2**28
"""Bytes of selected samples up to which they are read at once and travel to the workers. Larger
ones stay in their files, which the workers must see."""


class Source(Protocol):
    """A whole split: its number of samples, the names of its classes, and any of its samples.

    `columns` `(N,)` are what else it says of all samples, by name.
    """

    @property
    def samples(self) -> int: ...

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def columns(self) -> Mapping[str, np.ndarray]: ...

    def select(self, indices: np.ndarray) -> tuple[Images, np.ndarray]:
        """Return images `(n, C, H, W)` and labels `(n,)` of the samples at ascending indices.

        Inputs without a box are `(n, *shape)`.
        """


@dataclass(frozen=True, eq=False)
class ReadAtOnce:
    """A split whose selected samples are read into memory, as what it lies in allows no other way.

    `take(indices)` returns images `(n, C, H, W)` and labels `(n,)`; where there is no `box`, inputs
    `(n, *shape)`. `columns` `(N,)` are what else is known of all samples, by name.
    """

    samples: int
    names: tuple[str, ...]
    take: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
    box: bool = True
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)

    def select(self, indices: np.ndarray) -> tuple[Images, np.ndarray]:
        images, labels = self.take(indices)
        if not self.box:
            return _unboxed(images), whole_labels(labels)
        return np.ascontiguousarray(pixels(images)), whole_labels(labels)


@dataclass(frozen=True, eq=False)
class InFiles:
    """A split whose samples may stay in their files.

    `records(indices)` describes selected samples; `labels` and `columns` `(N,)` are those of all.
    """

    labels: np.ndarray
    names: tuple[str, ...]
    records: Callable[[np.ndarray], tuple[Records, Decoder]]
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def samples(self) -> int:
        return len(self.labels)

    def select(self, indices: np.ndarray) -> tuple[Images, np.ndarray]:
        records, decoder = self.records(indices)
        shape = (len(indices), *decoder.shape)
        check_shape(shape, decoder.dtype, decoder.box)
        if len(indices) * sample_bytes(decoder) > SENT:
            return stored(records, decoder, indices, self.samples), self.labels[indices]
        images = np.empty(shape, decoder.dtype)
        for rows in parts(np.arange(len(indices)), decoder):
            names = [records.name(int(row)) for row in rows]
            images[rows] = decoder.decode(records.read(rows), names)
        return images if decoder.box else _unboxed(images), self.labels[indices]


def from_arrays(
    images: np.ndarray, labels: np.ndarray, names: tuple[str, ...], box: bool = True
) -> ReadAtOnce:
    """A source over arrays `(N, C, H, W)` and `(N,)` in memory; without a box `(N, *shape)`."""
    return ReadAtOnce(len(images), names, lambda indices: (images[indices], labels[indices]), box)


def _unboxed(inputs: np.ndarray) -> Unboxed:
    values = np.ascontiguousarray(unbounded(inputs))
    check_shape(values.shape, values.dtype, box=False)
    check_values(values, box=False)
    return Unboxed(values)
