"""Rows as Parquet: columns of tensors and words, bit for bit, with words beside them."""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from advcore.probes.probe import Columns
from advcore.workers.errors import InputError
from advcore.workers.files import atomic_write


class Damaged(ValueError):  # noqa: N818 (it reads as what happened to the file)
    """Rows that cannot be read, or are not those that their name says.

    They have to be measured anew.
    """


ROWS = ".parquet"
"""Ending of a file of rows."""
SHAPE = b"shape"
"""Name, in the metadata of a field of lists, of the shape that each list is the flat form of."""


def file_of(key: str, ending: str = ROWS) -> str:
    """The path in a store, with slashes, of the file of `key` with this ending.

    Raises ValueError for a key that could lead out of the store.
    """
    if not re.fullmatch(r"[0-9a-f]{2,128}", key):
        raise ValueError(
            f"a key of rows is made of 2 to 128 hexadecimal digits; got {key!r}: measure anew"
        )
    return f"{key[:2]}/{key}{ending}"


def write_parquet(path: Path, columns: Columns, metadata: Mapping[str, str] | None = None) -> None:
    """Write columns as a Parquet file, whole or not at all; folders are made.

    A column `(rows, *shape)` is one of fixed-shape tensors.
    """
    _write_file(path, to_table(columns, metadata))


def write_plain_parquet(
    path: Path, columns: Columns, metadata: Mapping[str, str] | None = None
) -> None:
    """Write columns as a Parquet file without extension types, for other programs to read.

    A column `(rows, *shape)` is one of flat lists of one length; the shape stands, as JSON, in its
    field's metadata under `shape`.
    """
    _write_file(path, _with_lists(to_table(columns, metadata)))


def _write_file(path: Path, table: pa.Table) -> None:
    with atomic_write(path) as unfinished, unfinished.open("wb") as file:
        write_table(table, file)
        file.flush()
        os.fsync(file.fileno())


def write_table(table: pa.Table, sink: IO[bytes]) -> None:
    """A table into an open file, always to the same bytes."""
    # No dictionaries: they are built by comparing numbers, and -0.0 equals 0.0.
    pq.write_table(table, sink, use_dictionary=False, compression="zstd")


def to_table(columns: Columns, metadata: Mapping[str, str] | None = None) -> pa.Table:
    """The columns with words beside them. Raises ValueError for a column that is none."""
    table = pa.table({name: _to_arrow(name, column) for name, column in columns.items()})
    return table.replace_schema_metadata(dict(metadata or {}))


def to_columns(places: Sequence[str], tables: Sequence[pa.Table]) -> Columns:
    """The rows of the tables at `places`, one after the other; empty for none.

    Raises ValueError where their columns differ.
    """
    if not tables:
        return {}
    for place, table in zip(places, tables, strict=True):
        if not table.schema.equals(tables[0].schema):
            raise ValueError(
                f"{place} has columns {_schema(table)}, others of the same study "
                f"{_schema(tables[0])}: a probe must give the same columns for every shard; "
                "delete the file that is wrong"
            )
    whole = pa.concat_tables(tables)
    return {
        field.name: _from_arrow(field, column.combine_chunks())
        for field, column in zip(whole.schema, whole.columns, strict=True)
    }


def read_table(source: Path | bytes, columns: Sequence[str] | None = None) -> pa.Table:
    """The table in a Parquet file, given by its path or its bytes; of some columns alone, if given.

    Raises what `explain_read_errors` explains.
    """
    return pq.ParquetFile(_readable(source)).read(None if columns is None else list(columns))


def own_table(source: Path | bytes, key: str, columns: Sequence[str] | None = None) -> pa.Table:
    """The table in the file of `key`; of some columns alone, if given.

    Raises ValueError where it says that the rows in it belong to another one.
    """
    table = read_table(source, columns)
    told = (table.schema.metadata or {}).get(b"key", key.encode()).decode()
    if told != key:
        raise ValueError(f"the rows in it belong to {told}")
    return table


def read_words(source: Path | bytes) -> dict[str, str]:
    """Return the metadata of a Parquet file without reading the rows.

    The file is given by its path or its last bytes.
    """
    words = pq.read_schema(_readable(source)).metadata or {}
    return {name.decode(): word.decode() for name, word in words.items()}


@contextmanager
def explain_read_errors(store: str, key: str) -> Iterator[None]:
    """Turn errors of reading the rows of `key` from `store` into ValueError with advice.

    It is Damaged if there is such a file.
    """
    place = f"{store}/{file_of(key)}"
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise ValueError(
            f"the store {store} has no rows for {key}: measure that shard first"
        ) from error
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise Damaged(
            f"{place} is damaged ({reason}): delete it and run again, only its shard is "
            "measured anew"
        ) from error


def _readable(source: Path | bytes) -> Any:
    return pa.BufferReader(source) if isinstance(source, bytes) else source


def _to_arrow(name: str, column: Tensor | Sequence[str]) -> pa.Array:
    if not isinstance(column, Tensor):
        return _words(column)
    values = column.detach().cpu().numpy()
    flat = _flat(np.ascontiguousarray(values).reshape(-1))
    if values.ndim == 1:
        return flat
    if values.ndim == 0 or 0 in values.shape[1:]:
        raise ValueError(
            f"column {name} must be (rows, *shape) with no empty dimension in shape; got "
            f"{values.shape}"
        )
    kind = pa.fixed_shape_tensor(flat.type, values.shape[1:])
    return pa.ExtensionArray.from_storage(
        kind, pa.FixedSizeListArray.from_arrays(flat, int(np.prod(values.shape[1:])))
    )


def _words(column: Sequence[str]) -> pa.Array:
    """Return what `pa.array` gives, without pandas."""
    if not all(isinstance(word, str) for word in column):
        return pa.array(column, pa.string())  # and what it raises
    texts = [word.encode() for word in column]
    ends = np.cumsum([0, *map(len, texts)]).astype(np.int32)
    return pa.StringArray.from_buffers(
        len(texts), pa.py_buffer(ends), pa.py_buffer(b"".join(texts))
    )


def _flat(values: np.ndarray) -> pa.Array:
    """Return what `pa.array` gives, without pandas.

    It would import pandas for it: a second and more of a worker's first shard.
    """
    bits = np.packbits(values, bitorder="little") if values.dtype == bool else values
    return pa.Array.from_buffers(
        pa.from_numpy_dtype(values.dtype), len(values), [None, pa.py_buffer(bits)]
    )


def _with_lists(table: pa.Table) -> pa.Table:
    """Return the table with a list of fixed size in place of each tensor."""
    fields, columns = list[pa.Field](), list[pa.ChunkedArray]()
    for field, column in zip(table.schema, table.columns, strict=True):
        if isinstance(field.type, pa.FixedShapeTensorType):
            column = pa.chunked_array(
                [chunk.storage for chunk in column.chunks], field.type.storage_type
            )
            shape = json.dumps(list(field.type.shape))
            field = pa.field(field.name, column.type, metadata={SHAPE: shape})
        fields.append(field)
        columns.append(column)
    return pa.table(columns, pa.schema(fields, table.schema.metadata))


def _from_arrow(field: pa.Field, column: pa.Array) -> Tensor | list[str]:
    """Return a column as it was before it was written, with tensors or with plain lists."""
    if pa.types.is_string(field.type):
        return column.to_pylist()
    if isinstance(field.type, pa.FixedShapeTensorType):
        column, shape = column.storage, field.type.shape
    elif pa.types.is_fixed_size_list(field.type):
        shape = json.loads((field.metadata or {}).get(SHAPE, f"[{field.type.list_size}]"))
    else:
        return torch.from_numpy(column.to_numpy(zero_copy_only=False).copy())
    values = column.flatten().to_numpy(zero_copy_only=False).copy()
    return torch.from_numpy(values.reshape(-1, *shape))


def _schema(table: pa.Table) -> str:
    return ", ".join(f"{entry.name} {entry.type}" for entry in table.schema)
