"""Further columns of samples: what is known of each beside its label, a group or a word say."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from advcore.workers.datasets.numpy_files import npy_column, npz_column
from advcore.workers.errors import InputError

Column = np.ndarray
"""Numbers `(N,)`, int64 or float64, or text `(N,)`; NaN and "" stand for nothing known."""

NO_COLUMNS: Mapping[str, Column] = MappingProxyType({})
"""No further columns."""

TAKEN = ("images", "labels", "names", "indices", "sample", "network", "model", "data")
"""Names that no further column may have."""


def _parquet_column(path: str, name: str) -> np.ndarray:
    from advcore.workers.datasets.parquet_files import parquet_column  # pyarrow takes a while

    return parquet_column(path, name)


_READERS: Mapping[str, Callable[[str, str], np.ndarray]] = {
    "npz": npz_column,
    "npy": npy_column,
    "parquet": _parquet_column,
}


def read_columns(
    data: str, names: Sequence[str], count: int, own: Mapping[str, Column] = NO_COLUMNS
) -> dict[str, Column]:
    """Return further columns of all samples of a split, of which there are `count`.

    `own` are those that its source brings. Raises InputError where one is not there, or has not one
    number or text a sample.
    """
    kind, _, path = data.partition(":")
    if names and not own and (kind not in _READERS or not path):
        raise InputError(
            f"columns are for {', '.join(f'{one}:' for one in _READERS)} data, tables and words; "
            f"{data} has none, leave them out"
        )

    def read(name: str) -> np.ndarray:
        return _of_source(data, name, own) if own else _READERS[kind](path, name)

    for name in names:
        if name in TAKEN or names.count(name) > 1:
            raise InputError(
                f"columns must be further arrays of {data}, each once, and none of "
                f"{', '.join(TAKEN)}; got {', '.join(names)}"
            )
    return {name: _checked(data, name, read(name), count) for name in names}


def _of_source(data: str, name: str, own: Mapping[str, Column]) -> Column:
    if name not in own:
        raise InputError(f"the data set {data} has no column {name!r}; it has {', '.join(own)}")
    return own[name]


def lacking(column: Column, count: int) -> Column:
    """Return a column of samples of which nothing is known, to stand beside another one."""
    if column.dtype.kind == "U":
        return np.zeros(count, column.dtype)
    return np.full(count, np.nan)


def joined_columns(parts: Sequence[tuple[Mapping[str, Column], int]]) -> dict[str, Column]:
    """Return the columns of several data sets, each with its number of samples, one behind another.

    What one has and another lacks is unknown there. Raises InputError for a column that is text in
    one and numbers in another.
    """
    known = {name: column for columns, _ in parts for name, column in columns.items()}
    joined = {}
    for name, column in known.items():
        own = [columns.get(name, lacking(column, count)) for columns, count in parts]
        if len({one.dtype.kind == "U" for one in own}) > 1:
            raise InputError(f"the column {name!r} is text in one data set and numbers in another")
        joined[name] = np.concatenate(own)
    return joined


def columns_digest(columns: Mapping[str, Column]) -> str:
    """Return a hash of columns, "" where there are none."""
    if not columns:
        return ""
    digest = hashlib.sha256()
    for name, column in sorted(columns.items()):
        digest.update(f"{name} {column.dtype.kind}".encode())
        digest.update("\0".join(map(str, column.tolist())).encode())
    return digest.hexdigest()


def _checked(data: str, name: str, column: np.ndarray, count: int) -> Column:
    if column.shape != (count,) or column.dtype.kind not in "biufU":
        raise InputError(
            f"the column {name!r} of {data} must hold one number or one text for each of {count} "
            f"samples; got {column.dtype} {column.shape}"
        )
    if column.dtype.kind == "u" and count and column.max() > np.iinfo(np.int64).max:
        raise InputError(
            f"the column {name!r} of {data} has numbers above 2^63 - 1, such as {column.max()}: "
            "store them as text"
        )
    if column.dtype.kind in "biu":
        return column.astype(np.int64)
    return column.astype(np.float64) if column.dtype.kind == "f" else column
