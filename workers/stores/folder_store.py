"""The store in a folder."""

import os
import shutil
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pyarrow as pa

from advcore.probes.probe import Columns
from advcore.workers.errors import InputError
from advcore.workers.files import atomic_write, remove_abandoned
from advcore.workers.stores.rows import (
    ROWS,
    explain_read_errors,
    file_of,
    own_table,
    read_words,
    to_columns,
    write_parquet,
)

_MARK = "advcore-store"
"""The file by which a worker knows that it sees the folder that the driver opened, and not one of
the same name elsewhere."""


@dataclass(frozen=True)
class FolderStore:
    """A store in a folder: `root/ab/abcdef....parquet`.

    Over several machines the folder must be one that all of them see.
    """

    root: Path

    def path(self, key: str, ending: str = ROWS) -> Path:
        return self.root / file_of(key, ending)

    def has(self, key: str, ending: str = ROWS) -> bool:
        return self.path(key, ending).is_file()

    def missing(self, keys: Iterable[str], ending: str = ROWS) -> list[str]:
        return [key for key in keys if not self.has(key, ending)]

    def place_of(self, key: str, ending: str) -> str:
        return str(self.path(key, ending))

    def put(self, key: str, ending: str, file: Path) -> None:
        with atomic_write(self.path(key, ending)) as unfinished:
            shutil.copyfile(file, unfinished)
            with unfinished.open("rb") as written:
                os.fsync(written.fileno())

    def fetch(self, key: str, ending: str, file: Path) -> bool:
        try:
            shutil.copyfile(self.path(key, ending), file)
        except FileNotFoundError:
            return False
        return True

    def remove(self, key: str, ending: str) -> None:
        self.path(key, ending).unlink(missing_ok=True)

    def write(self, key: str, columns: Columns, metadata: Mapping[str, str]) -> None:
        write_parquet(self.path(key), columns, metadata)

    def read(self, key: str, columns: Sequence[str] | None = None) -> Columns:
        return to_columns([str(self.path(key))], [self._table(key, columns)])

    def metadata(self, key: str) -> dict[str, str]:
        with explain_read_errors(str(self.root), key):
            return read_words(self.path(key))

    def set_aside(self, key: str) -> str:
        path = self.path(key)
        aside = path.with_name(f"{path.name}.damaged")
        os.replace(path, aside)
        return str(aside)

    def read_all(self, keys: Sequence[str]) -> Columns:
        return to_columns([str(self.path(key)) for key in keys], [self._table(key) for key in keys])

    def metadata_all(self, keys: Sequence[str]) -> list[dict[str, str]]:
        return [self.metadata(key) for key in keys]

    def _table(self, key: str, columns: Sequence[str] | None = None) -> pa.Table:
        with explain_read_errors(str(self.root), key):
            return own_table(self.path(key), key, columns)


def open_folder(root: Path, create: bool, write: bool = True) -> FolderStore:
    """The store in the folder `root`, see `advcore.workers.stores.store.open_store`."""
    mark = root / _MARK
    if not write:
        if not mark.is_file():
            raise InputError(f"store {root} is not there: give the place of one that runs wrote to")
        return FolderStore(root)
    if not create and not mark.is_file():
        raise InputError(
            f"store {root} is not there on this worker's machine: choose a folder that all "
            "machines share, or s3://"
        )
    trial = root / f".trial.{uuid.uuid4().hex}"
    try:
        root.mkdir(parents=True, exist_ok=True)
        trial.write_text("rows of finished shards\n")
        if create:
            os.replace(trial, mark)
            _remove_abandoned(root)
        else:
            trial.unlink()
    except OSError as error:
        raise InputError(
            f"store {root} cannot be written ({error.strerror or error}): choose another "
            "folder or free it"
        ) from error
    return FolderStore(root)


@cache
def _remove_abandoned(root: Path) -> None:
    """Remove, once a process, what killed ones left of files in a store, by its own clock."""
    folders = [root, *(path for path in root.iterdir() if path.is_dir())]
    remove_abandoned(folders, (root / _MARK).stat().st_mtime)
