"""The store on S3."""

import hashlib
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

from advcore.probes.probe import Columns
from advcore.workers.errors import InputError
from advcore.workers.stores.rows import (
    ROWS,
    explain_read_errors,
    file_of,
    own_table,
    read_words,
    to_columns,
    to_table,
    write_table,
)
from advcore.workers.stores.s3_address import Address, address
from advcore.workers.stores.s3_requests import Bucket

Got = TypeVar("Got")

_MARK = "advcore-store"
"""The object by which a worker knows that it sees the place that the driver opened, and not one of
the same name elsewhere."""

_TAIL = 2**16
"""Bytes at the end of a file in which the words beside its rows nearly always lie."""

_SIDE_BY_SIDE = 16
"""Requests at a time where many are read."""


@dataclass(frozen=True)
class S3Store:
    """A store on S3: `s3://bucket/prefix/ab/abcdef....parquet`.

    An object is there whole or not at all, for everybody at once.
    """

    bucket: Bucket
    prefix: str

    @property
    def place(self) -> str:
        return str(Address(self.bucket.name, self.prefix))

    def has(self, key: str, ending: str = ROWS) -> bool:
        return not self.missing([key], ending)

    def missing(self, keys: Iterable[str], ending: str = ROWS) -> list[str]:
        """Return the keys that are missing, by one listing.

        The listing leaps from each page to the first key after it: with n keys asked for and m in
        the store, at most n requests, and at most m / 1000 + 1.
        """
        asked = list(keys)
        wanted = sorted({self._object(key, ending) for key in asked})
        there: set[str] = set()
        next_one = 0
        while next_one < len(wanted):
            found, more = self.bucket.page(f"{self.prefix}/", wanted[next_one][:-1])
            there.update(found)
            reached = found[-1] if more and found else wanted[-1]
            while next_one < len(wanted) and wanted[next_one] <= reached:
                next_one += 1
        return [key for key in asked if self._object(key, ending) not in there]

    def write(self, key: str, columns: Columns, metadata: Mapping[str, str]) -> None:
        sink = io.BytesIO()
        write_table(to_table(columns, metadata), sink)
        self.bucket.put(self._object(key), sink.getvalue())

    def read(self, key: str, columns: Sequence[str] | None = None) -> Columns:
        return to_columns([f"{self.place}/{file_of(key)}"], [self._table(key, columns)])

    def metadata(self, key: str) -> dict[str, str]:
        with explain_read_errors(self.place, key):
            tail = self.bucket.get(self._object(key), _TAIL)
            try:
                return read_words(tail)
            except pa.ArrowInvalid:
                if len(tail) < _TAIL:
                    raise
                return read_words(self.bucket.get(self._object(key)))

    def set_aside(self, key: str) -> str:
        own = self._object(key)
        aside = f"{own}.damaged"
        self.bucket.put(aside, self.bucket.get(own))
        self.bucket.delete(own)
        return str(Address(self.bucket.name, aside))

    def read_all(self, keys: Sequence[str]) -> Columns:
        places = [f"{self.place}/{file_of(key)}" for key in keys]
        return to_columns(places, _each(self._table, keys))

    def metadata_all(self, keys: Sequence[str]) -> list[dict[str, str]]:
        return _each(self.metadata, keys)

    def keep(self, file: Path) -> str:
        """Put a file beside the rows, named by its content, unless it is there; gives its URL."""
        with file.open("rb") as opened:
            name = hashlib.file_digest(opened, "sha256").hexdigest()
        key = f"{self.prefix}/checkpoints/{name}{file.suffix}"
        try:
            self.bucket.look(key)
        except FileNotFoundError:
            self.bucket.upload(key, file)
        return str(Address(self.bucket.name, key))

    def place_of(self, key: str, ending: str) -> str:
        return str(Address(self.bucket.name, self._object(key, ending)))

    def put(self, key: str, ending: str, file: Path) -> None:
        self.bucket.upload(self._object(key, ending), file)

    def fetch(self, key: str, ending: str, file: Path) -> bool:
        own = self._object(key, ending)
        try:
            tag, _ = self.bucket.look(own)
            with file.open("wb") as opened:
                self.bucket.download(own, tag, opened)
        except FileNotFoundError:
            return False
        return True

    def remove(self, key: str, ending: str) -> None:
        self.bucket.delete(self._object(key, ending))

    def _object(self, key: str, ending: str = ROWS) -> str:
        return f"{self.prefix}/{file_of(key, ending)}"

    def _table(self, key: str, columns: Sequence[str] | None = None) -> pa.Table:
        with explain_read_errors(self.place, key):
            return own_table(self.bucket.get(self._object(key)), key, columns)


def open_s3(location: str, create: bool, write: bool = True) -> S3Store:
    """The store at s3://BUCKET/PREFIX, see `advcore.workers.stores.store.open_store`."""
    place = address(location, "store")
    mark = f"{place.key}/{_MARK}"
    bucket = Bucket(place.bucket)
    try:
        if not (create and write):
            bucket.get(mark)
        if write:
            bucket.put(mark, b"rows of finished shards\n")
    except FileNotFoundError as error:
        raise InputError(
            f"store {place} is not the driver's as this worker sees it: give both the same "
            "AWS_ENDPOINT_URL and account"
        ) from error
    return S3Store(bucket, place.key)


def _each(read: Callable[[str], Got], keys: Sequence[str]) -> list[Got]:
    """Yield what `read` gives for each key, several at a time."""
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        return list(pool.map(read, keys))
