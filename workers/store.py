"""The store: rows of finished shards, one Parquet file each, named by the hash of what was measured.

The store is the truth of a study: a key that is there is finished work, whoever measured it and whenever.
"""

import os
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from advcore.probes.probe import Columns
from workers.refusal import Refused

_MARK = "advcore-store"
"""The file by which a worker knows that it sees the folder that the driver opened, and not one of the same name elsewhere."""


class Store(Protocol):
    """Where rows of finished shards lie. Keys are hexadecimal hashes; a key is written whole or not at all."""

    def has(self, key: str) -> bool:
        """Whether the rows of `key` are there."""

    def missing(self, keys: Iterable[str]) -> list[str]:
        """Those of `keys` that are not there, in their order."""

    def write(self, key: str, columns: Columns, metadata: Mapping[str, str]) -> None:
        """Write the rows of `key`; two writers of one key are harmless."""

    def read(self, key: str) -> Columns:
        """The rows of `key`, bit for bit as they were written. Raises ValueError where the file is damaged."""

    def metadata(self, key: str) -> dict[str, str]:
        """The words written beside the rows of `key`, without reading the rows. Raises ValueError as `read` does."""

    def read_all(self, keys: Sequence[str]) -> Columns:
        """The rows of all `keys`, one after the other; empty for no keys."""


@dataclass(frozen=True)
class FolderStore:
    """A store in a folder: `root/ab/abcdef....parquet`. Over several machines the folder must be one that all of them see."""

    root: Path

    def path(self, key: str) -> Path:
        return self.root / key[:2] / f"{key}.parquet"

    def has(self, key: str) -> bool:
        return self.path(key).is_file()

    def missing(self, keys: Iterable[str]) -> list[str]:
        return [key for key in keys if not self.has(key)]

    def write(self, key: str, columns: Columns, metadata: Mapping[str, str]) -> None:
        write_parquet(self.path(key), columns, metadata)

    def read(self, key: str) -> Columns:
        return _to_columns(self._table(key))

    def metadata(self, key: str) -> dict[str, str]:
        with self._explained(key):
            words = pq.read_schema(self.path(key)).metadata or {}
        return {name.decode(): word.decode() for name, word in words.items()}

    def read_all(self, keys: Sequence[str]) -> Columns:
        if not keys:
            return {}
        tables = [self._table(key) for key in keys]
        for key, table in zip(keys, tables, strict=True):
            if not table.schema.equals(tables[0].schema):
                raise ValueError(
                    f"{self.path(key)} has columns {_schema(table)}, others of the same study {_schema(tables[0])}: "
                    "a probe must give the same columns for every shard; delete the file that is wrong"
                )
        return _to_columns(pa.concat_tables(tables))

    def _table(self, key: str) -> pa.Table:
        with self._explained(key):
            return pq.ParquetFile(self.path(key)).read()

    @contextmanager
    def _explained(self, key: str) -> Iterator[None]:
        path = self.path(key)
        try:
            yield
        except FileNotFoundError as error:
            raise ValueError(f"the store {self.root} has no rows for {key}: measure that shard first") from error
        except (pa.ArrowException, OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise ValueError(f"{path} is damaged ({reason}): delete it and run again, only its shard is measured anew") from error


def open_store(location: str, create: bool = True) -> Store:
    """The store at `location`, tried out by writing to it. Raises Refused where that cannot work.

    A worker opens with `create=False`: the folder must be the one that the driver made.
    """
    if "://" in location:
        raise Refused(
            f"store {location}: expected the path of a folder; other places ({location.partition('://')[0]}://) are not supported"
        )
    root = Path(location).expanduser().absolute()
    mark = root / _MARK
    if not create and not mark.is_file():
        raise Refused(f"store {root} is not there on this worker's machine: choose a folder that all machines share")
    trial = root / f".trial.{uuid.uuid4().hex}"
    try:
        root.mkdir(parents=True, exist_ok=True)
        trial.write_text("rows of finished shards\n")
        if create:
            os.replace(trial, mark)
        else:
            trial.unlink()
    except OSError as error:
        raise Refused(f"store {root} cannot be written ({error.strerror or error}): choose another folder or free it") from error
    return FolderStore(root)


def write_parquet(path: Path, columns: Columns, metadata: Mapping[str, str] | None = None) -> None:
    """Columns as a Parquet file, whole or not at all; folders are made. A column `(rows, *shape)` is one of fixed-shape tensors."""
    table = pa.table({name: _to_arrow(name, column) for name, column in columns.items()})
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.stem}.{uuid.uuid4().hex}")
    try:
        with unfinished.open("wb") as file:
            # No dictionaries: they are built by comparing numbers, and -0.0 equals 0.0.
            pq.write_table(table.replace_schema_metadata(dict(metadata or {})), file, use_dictionary=False, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _to_arrow(name: str, column: Tensor | list[str]) -> pa.Array:
    if not isinstance(column, Tensor):
        return pa.array(column, pa.string())
    values = column.detach().cpu().numpy()
    flat = pa.array(np.ascontiguousarray(values).reshape(-1))
    if values.ndim == 1:
        return flat
    if values.ndim == 0 or 0 in values.shape[1:]:
        raise ValueError(f"column {name} must be (rows, *shape) with no empty dimension in shape; got {values.shape}")
    kind = pa.fixed_shape_tensor(flat.type, values.shape[1:])
    return pa.ExtensionArray.from_storage(kind, pa.FixedSizeListArray.from_arrays(flat, int(np.prod(values.shape[1:]))))


def _to_columns(table: pa.Table) -> Columns:
    return {name: _from_arrow(table.column(name).combine_chunks()) for name in table.column_names}


def _from_arrow(column: pa.Array) -> Tensor | list[str]:
    if pa.types.is_string(column.type):
        return column.to_pylist()
    tensors = isinstance(column.type, pa.FixedShapeTensorType)
    flat = column.storage.flatten() if tensors else column
    values = flat.to_numpy(zero_copy_only=False).copy()
    return torch.from_numpy(values.reshape(-1, *column.type.shape) if tensors else values)


def _schema(table: pa.Table) -> str:
    return ", ".join(f"{entry.name} {entry.type}" for entry in table.schema)
