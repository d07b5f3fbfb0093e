"""The store: rows of finished shards, one Parquet file each, and networks beside them.

A file is named by the hash of what was measured or trained.

The store is the truth of a study: a key that is there is finished work, whoever measured it and
whenever.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from advcore.probes.probe import Columns
from advcore.workers.errors import InputError
from advcore.workers.paths import expand_path
from advcore.workers.stores.folder_store import FolderStore, open_folder
from advcore.workers.stores.rows import ROWS


class Store(Protocol):
    """The place of the rows of finished shards.

    Keys are hexadecimal hashes; a key is written whole or not at all.

    Each raises ValueError for a key that is none, which could lead out of the store.
    """

    def has(self, key: str, ending: str = ROWS) -> bool:
        """Return whether the rows of `key` are there, or its file with another ending."""

    def missing(self, keys: Iterable[str], ending: str = ROWS) -> list[str]:
        """Return those of `keys` that are not there, in their order."""

    def write(self, key: str, columns: Columns, metadata: Mapping[str, str]) -> None:
        """Write the rows of `key`; two writers of one key are harmless."""

    def read(self, key: str, columns: Sequence[str] | None = None) -> Columns:
        """The rows of `key`, bit for bit as they were written; of some `columns` alone, if given.

        Of those that are not there, nothing is said.

        Raises ValueError where the file is damaged.
        """

    def metadata(self, key: str) -> dict[str, str]:
        """The words written beside the rows of `key`, without reading the rows.

        Raises ValueError as `read` does.
        """

    def set_aside(self, key: str) -> str:
        """Take the rows of `key` out of the store, damaged as they are.

        Return where they lie now.
        """

    def read_all(self, keys: Sequence[str]) -> Columns:
        """The rows of all `keys`, one after the other; empty for no keys."""

    def place_of(self, key: str, ending: str) -> str:
        """Return the path or URL of a file beside the rows, as other processes can name it."""

    def put(self, key: str, ending: str, file: Path) -> None:
        """Put a file beside the rows, whole or not at all, in place of one that is there."""

    def fetch(self, key: str, ending: str, file: Path) -> bool:
        """Copy a file that lies beside the rows to `file`; return False where there is none."""

    def remove(self, key: str, ending: str) -> None:
        """Remove a file beside the rows, if it is there."""

    def metadata_all(self, keys: Sequence[str]) -> list[dict[str, str]]:
        """The words beside the rows of each of `keys`."""


def open_store(location: str, create: bool = True, write: bool = True) -> Store:
    """The store at `location`, a folder or s3://BUCKET/PREFIX, tried out by writing to it.

    Raises InputError where that cannot work.

    A worker opens with `create=False`: the store must be the one that the driver made. Who only
    reads opens with `write=False` one that is there.
    """
    scheme, separator, _ = location.partition("://")
    if not separator:
        return open_folder(expand_path(location).absolute(), create, write)
    if scheme == "s3":
        from advcore.workers.stores.s3_store import (
            open_s3,
        )  # boto3 takes a while to import, and most studies need none of it

        return open_s3(location, create, write)
    raise InputError(
        f"store {scheme}://...: expected the path of a folder or s3://BUCKET/PREFIX; nothing "
        "else is supported"
    )


def resolved(location: str) -> str:
    """The location as a process in another folder would name it."""
    return location if "://" in location else str(expand_path(location).absolute())


def store_of(out: str, store: str | None) -> str:
    """The location of the store: the one named, or that of the folder of results `out`."""
    return resolved(store or str(expand_path(out).absolute() / "store"))


def store_to_read(location: str) -> Store:
    """The store at `location`, whether its folder is there or not; nothing is written."""
    if "://" in location:
        return open_store(location, write=False)
    return FolderStore(expand_path(location).absolute())
