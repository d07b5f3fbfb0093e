"""The seam by which data are read where they are used: bytes of a file, on disk or on S3.

A `File` says which version of which file; it is small, and any process opens it again. Nothing is
mapped into memory: pages of a map count as memory of the process for as long as it lives.
"""

import io
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO, Protocol

import numpy as np

from advcore.workers.errors import InputError
from advcore.workers.paths import expand_path
from advcore.workers.stores.s3_address import address
from advcore.workers.stores.s3_requests import Bucket

OPEN_FILES = 64
"""Files that a process keeps open, at most."""
GAP_BYTES = 2**16
"""Bytes between two records that are read along with them, in place of another request."""
RUN_BYTES = 2**23
"""Bytes of one request, at most, but for a record that is larger itself."""
SIDE_BY_SIDE = 16
"""Requests to S3 at a time."""
BUFFER = 2**20
"""Bytes that are read ahead where a library reads a file on disk; on S3 they are `RUN_BYTES`."""


class Readable(Protocol):
    """A version of a file that any process can open: frozen and picklable."""

    @property
    def stamp(self) -> str:
        """The text that changes when the file does."""

    def read_all(self, offsets: Sequence[int], lengths: Sequence[int]) -> list[bytes]:
        """Return several records, in the order asked for; neighbours are read in one go."""


@dataclass(frozen=True)
class File:
    """A version of a file.

    Attributes:
        place: absolute path, or s3://BUCKET/KEY.
        size: length in bytes.
        version: time of the last change in nanoseconds, or ETag.
    """

    place: str
    size: int
    version: str

    @property
    def stamp(self) -> str:
        """The text that changes when the file does."""
        return f"{self.place} {self.size} {self.version}"

    def read(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset` on.

        Raises InputError where the file is gone, shorter, or another version of it.
        """
        if not length:
            return b""
        found = _reader(self)(offset, length)
        if len(found) != length:
            raise InputError(
                f"{self.place} ends at byte {offset + len(found)}, and bytes up to "
                f"{offset + length} were expected: it is cut off, fetch or write it again"
            )
        return found

    def read_all(self, offsets: Sequence[int], lengths: Sequence[int]) -> list[bytes]:
        """Return several records, see `Readable`."""
        runs = _runs(offsets, lengths)
        spans = [(run[0][1], max(start + length for _, start, length in run)) for run in runs]
        if self.place.startswith("s3://") and len(runs) > 1:
            with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
                blocks = list(pool.map(lambda span: self.read(span[0], span[1] - span[0]), spans))
        else:
            blocks = [self.read(start, stop - start) for start, stop in spans]
        found = [b""] * len(offsets)
        for run, block, (first, _) in zip(runs, blocks, spans, strict=True):
            for place, start, length in run:
                found[place] = block[start - first : start - first + length]
        return found

    def view(self) -> BinaryIO:
        """Return the file for libraries that read and seek."""
        ahead = RUN_BYTES if self.place.startswith("s3://") else BUFFER
        return io.BufferedReader(_View(self), ahead)


def look(place: str, name: str) -> File:
    """Return the present version of a file of the data set `name`.

    Raises InputError where there is none.
    """
    if place.startswith("s3://"):
        where = address(place, "data set")
        try:
            tag, size = Bucket(where.bucket).look(where.key)
        except FileNotFoundError as error:
            raise InputError(f"data set {error}") from None
        return File(str(where), size, tag)
    path = expand_path(place).absolute()
    if not os.path.isfile(path):
        raise InputError(f"data set {name}: file not found; check the path")
    found = path.stat()
    return File(str(path), found.st_size, str(found.st_mtime_ns))


class _Read(Protocol):
    def __call__(self, offset: int, length: int) -> bytes: ...


@lru_cache(OPEN_FILES)
def _reader(file: File) -> _Read:
    return _S3(file) if file.place.startswith("s3://") else _Local(file)


class _Local:
    def __init__(self, file: File) -> None:
        self._file = file
        try:
            self._opened = open(file.place, "rb", buffering=0)  # noqa: SIM115  closed with the object
        except OSError as error:
            raise InputError(
                f"{file.place} cannot be opened on this machine ({error.strerror}): data that do "
                "not travel must lie where all workers see them, on a shared disk or at s3://"
            ) from error

    def __call__(self, offset: int, length: int) -> bytes:
        found = os.fstat(self._opened.fileno())
        if (found.st_size, str(found.st_mtime_ns)) != (self._file.size, self._file.version):
            raise InputError(
                f"{self._file.place} has changed since it was opened (its size or time is another "
                "one): run again"
            )
        block = os.pread(self._opened.fileno(), length, offset)
        while len(block) < length:  # a signal, or the end of the file
            more = os.pread(self._opened.fileno(), length - len(block), offset + len(block))
            if not more:
                break
            block += more
        return block


class _S3:
    def __init__(self, file: File) -> None:
        where = address(file.place, "data")
        self._bucket, self._key, self._tag = Bucket(where.bucket), where.key, file.version

    def __call__(self, offset: int, length: int) -> bytes:
        try:
            return self._bucket.part(self._key, self._tag, offset, length)
        except FileNotFoundError as error:
            raise InputError(f"data {error}") from None


class _View(io.RawIOBase):
    def __init__(self, file: File) -> None:
        self._file, self._at = file, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._file.size}[whence]
        self._at = max(start + offset, 0)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        count = max(min(len(buffer), self._file.size - self._at), 0)
        buffer[:count] = self._file.read(self._at, count)
        self._at += count
        return count


def _runs(offsets: Sequence[int], lengths: Sequence[int]) -> list[list[tuple[int, int, int]]]:
    """Group records (place, offset, length) that lie near each other."""
    runs: list[list[tuple[int, int, int]]] = []
    stop = 0
    for place in map(int, np.argsort(np.asarray(offsets), kind="stable")):
        start, length = int(offsets[place]), int(lengths[place])
        near = runs and start - stop <= GAP_BYTES and start + length - runs[-1][0][1] <= RUN_BYTES
        if near:
            runs[-1].append((place, start, length))
            stop = max(stop, start + length)
        else:
            runs.append([(place, start, length)])
            stop = start + length
    return runs
