"""Parquet files: encoded pictures or arrays in one column, labels in another.

A group of rows is the least that can be read of one, so a process keeps the last few.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from advcore.workers.datasets.parquet_values import is_bytes, is_list, nested_array, value_bytes
from advcore.workers.datasets.pictures import first_line, pictures
from advcore.workers.datasets.pixels import CLASSES, pixels, whole_labels
from advcore.workers.datasets.places import files_of
from advcore.workers.datasets.reading import File
from advcore.workers.datasets.records import Arrays, Decoder, Records
from advcore.workers.datasets.sources import InFiles, Source
from advcore.workers.errors import InputError
from advcore.workers.notices import warn

IMAGES = ("image", "images", "img", "jpg", "png")
"""Names of the column of images, the first that is there."""
LABELS = ("label", "labels", "cls", "fine_label")
"""Names of the column of labels, the first that is there."""
GROUP_BYTES = 2**26
"""Bytes of a group of rows from which a warning comes: each worker holds two of them."""
_GROUPS = 2
"""Groups of rows that a process keeps."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Values of one column of Parquet files.

    Attributes:
        label: name of the data set.
        files: files that hold them.
        column: name of the column.
        which: number of each row's file, `(N,)`.
        groups: number of its group of rows there, `(N,)`.
        places: its place in that group, `(N,)`.
        indices: index of each sample in the whole split, `(N,)`.
    """

    label: str
    files: tuple[File, ...]
    column: str
    which: np.ndarray
    groups: np.ndarray
    places: np.ndarray
    indices: np.ndarray

    @property
    def stamp(self) -> str:
        return f"{self.label} {self.column} " + "; ".join(file.stamp for file in self.files)

    @property
    def nbytes(self) -> int:
        arrays = (self.which, self.groups, self.places, self.indices)
        return sum(array.nbytes for array in arrays)

    def __len__(self) -> int:
        return len(self.which)

    def read(self, rows: np.ndarray) -> list[bytes]:
        found = [b""] * len(rows)
        keys = np.stack([self.which[rows], self.groups[rows]], axis=1)
        for number, group in np.unique(keys, axis=0):
            values = _group(self.files[number], int(group), self.column)
            for place in np.flatnonzero((keys == (number, group)).all(axis=1)):
                found[place] = value_bytes(
                    values[int(self.places[rows[place]])], self.name(rows[place])
                )
        return found

    def chosen(self, rows: np.ndarray) -> "Rows":
        return replace(
            self,
            which=self.which[rows],
            groups=self.groups[rows],
            places=self.places[rows],
            indices=self.indices[rows],
        )

    def versions(self) -> np.ndarray:
        return np.zeros((len(self), 2), np.int64)

    def name(self, row: int) -> str:
        return f"sample {self.indices[row]} of {self.label}"


def parquet(path: str, resize: int | None, crop: int | None) -> Source:
    """Load a column of images and one of labels.

    `path` is a file on disk or at s3://BUCKET/KEY, a folder of them, or a range as in
    `part-{0000..0145}.parquet`. Images are encoded pictures (bytes, or Hugging Face's `{bytes,
    path}`), which become RGB, or nested lists of numbers, (C, H, W) or (H, W), of one shape. Labels
    are whole numbers, whose names Hugging Face's words about the file may give, or text.
    """
    label = f"parquet:{path}"
    files = files_of(label, path, ".parquet")
    opened = [_opened(file) for file in files]
    schema = opened[0].schema_arrow
    image, target = _column(label, schema, IMAGES), _column(label, schema, LABELS)
    rows = _rows(label, files, opened, image)
    labels, names = _labels(label, files, target)
    kind = schema.field(image).type
    encoded = pa.types.is_struct(kind) or is_bytes(kind)
    if not encoded and (resize is not None or crop is not None):
        raise InputError(f"resize and crop are for pictures; {label} holds arrays, leave them out")

    def records(indices: np.ndarray) -> tuple[Records, Decoder]:
        found = rows.chosen(indices)
        return found, pictures(label, found, resize, crop) if encoded else _arrays(found)

    return InFiles(labels, names, records)


@lru_cache(16)
def _opened(file: File) -> Any:
    with _explained(file):
        return pq.ParquetFile(file.view())


@lru_cache(_GROUPS)
def _group(file: File, group: int, column: str) -> Any:
    """Return the values of a group of rows: an array `(n, ...)`, or else what pyarrow holds."""
    with _explained(file):
        values = _opened(file).read_row_group(group, columns=[column]).column(0).combine_chunks()
        return nested_array(values, file) if is_list(values.type) else values


@contextmanager
def _explained(file: File) -> Iterator[None]:
    """Raise InputError for a damaged file."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # what pyarrow raises at damaged bytes is no short list
        raise InputError(
            f"{file.place} is not a whole Parquet file ({first_line(error)}): write or fetch it "
            "again"
        ) from error


def _column(label: str, schema: Any, names: Sequence[str]) -> str:
    for name in names:
        if name in schema.names:
            return name
    raise InputError(
        f"{label} must hold a column {' or '.join(names)}; got {', '.join(schema.names)}"
    )


def _rows(label: str, files: tuple[File, ...], opened: Sequence[Any], column: str) -> Rows:
    """Return where all rows lie; warn of groups of rows that are large."""
    groups = [
        (number, group, file.metadata.row_group(group))
        for number, file in enumerate(opened)
        for group in range(file.metadata.num_row_groups)
    ]
    counts = [found.num_rows for _, _, found in groups]
    largest = max((found.total_byte_size for _, _, found in groups), default=0)
    if largest > GROUP_BYTES:
        warn(
            f"{label} has groups of {max(counts)} rows and {largest:.3g} bytes, the least that can "
            "be read: each worker holds two, and a training, which reads in random order, reads "
            "one for every sample; write it with row_group_size=64, or as tar"
        )
    which = np.repeat([number for number, _, _ in groups], counts).astype(np.int32)
    numbers = np.repeat([group for _, group, _ in groups], counts).astype(np.int32)
    places = np.concatenate([np.arange(count) for count in counts] or [np.zeros(0, np.int64)])
    return Rows(label, files, column, which, numbers, places, np.arange(len(which)))


def parquet_column(path: str, column: str) -> np.ndarray:
    """Return a further column of all rows, numbers or text; a null becomes NaN or "".

    Raises InputError where there is none of this name, or it holds other things.
    """
    label = f"parquet:{path}"
    files = files_of(label, path, ".parquet")
    names = _opened(files[0]).schema_arrow.names
    if column not in names:
        raise InputError(f"{label} must hold a column {column!r}; got {', '.join(names)}")
    values = _values(files, column)
    if _is_text(values.type):
        return np.array(["" if own is None else own for own in values.to_pylist()], np.str_)
    if is_list(values.type) or pa.types.is_struct(values.type) or is_bytes(values.type):
        raise InputError(f"the column {column!r} of {label} must hold numbers or text")
    return np.asarray(values.to_numpy())


def _values(files: Sequence[File], column: str) -> Any:
    """Return one column of all rows."""
    read = []
    for file in files:
        with _explained(file):
            read.append(_opened(file).read(columns=[column]).column(0))
    values = pa.chunked_array([chunk for part in read for chunk in part.chunks], read[0].type)
    is_dictionary = pa.types.is_dictionary(values.type)
    return values.cast(values.type.value_type) if is_dictionary else values


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _labels(label: str, files: Sequence[File], column: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the labels of all rows, and the names of the classes."""
    values = _values(files, column)
    if values.null_count:
        raise InputError(f"{label} must hold a label for each row; {values.null_count} have none")
    if _is_text(values.type):
        words, labels = np.unique(values.to_pylist(), return_inverse=True)
        return labels.astype(np.int64), tuple(map(str, words))
    labels = whole_labels(values.to_numpy())
    names = _names_beside(_opened(files[0]).schema_arrow, column)
    if names is None:
        if len(labels) and labels.max() >= CLASSES:
            raise InputError(f"{label} must hold labels below {CLASSES}; got {labels.max()}")
        names = tuple(map(str, range(int(labels.max()) + 1))) if len(labels) else ("0",)
    return labels, names


def _names_beside(schema: Any, column: str) -> tuple[str, ...] | None:
    """Return the names of classes in what Hugging Face's `datasets` writes beside the rows."""
    try:
        words = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        names = words["info"]["features"][column]["names"]
    except (ValueError, KeyError, TypeError):
        return None
    return tuple(map(str, names)) if isinstance(names, list) else None


def _arrays(rows: Rows) -> Arrays:
    """Return how arrays are decoded, by the first of them."""
    values = _group(rows.files[rows.which[0]], int(rows.groups[0]), rows.column)
    if not isinstance(values, np.ndarray):
        raise InputError(f"{rows.label} must hold pictures or lists of numbers; got {values.type}")
    pixels(values[:0])  # refuses types whose range is not known
    if values.ndim not in (3, 4):
        raise InputError(
            f"{rows.label} must hold images (C, H, W) or (H, W) as nested lists; got "
            f"{values.shape[1:]}"
        )
    return Arrays(values.dtype.str, values.shape[1:])
