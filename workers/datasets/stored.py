"""Images that stay in their files until they are used, and the digests of their samples."""

import hashlib
import os
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from advcore.workers.datasets.pixels import check_values
from advcore.workers.datasets.records import Decoder, Records
from advcore.workers.errors import InputError
from advcore.workers.files import atomic_write
from advcore.workers.local_cache import cache_folder, one_at_a_time
from advcore.workers.notices import warn

DIGEST = 16
"""Bytes of a sample's digest: sha256, cut."""
PART = 2**26
"""Bytes of samples, decoded, that are held at a time where many are read."""
KEPT = np.dtype([("version", np.int64, 2), ("digest", np.uint8, DIGEST)])
"""Entry of a sample in the file of digests; zeros where none is known."""
_SELECTIONS = 16
"""Number of selections of which a process remembers the samples that it has checked."""
_checked: OrderedDict[str, np.ndarray] = OrderedDict()


@dataclass(frozen=True, eq=False)
class Stored:
    """Images `(N, *shape)` in files, read when they are indexed by an array of positions.

    It takes the place of an array, and is small: it travels to the workers, which open the files
    themselves. A sample is compared with its digest the first time that a process reads it.

    Attributes:
        records: bytes of the samples, and where they lie.
        decoder: how images come of them.
        digests: digest of each sample's bytes, uint8 `(N, 16)`.
        key: name of this selection of samples.
    """

    records: Records
    decoder: Decoder
    digests: np.ndarray
    key: str

    @property
    def shape(self) -> tuple[int, ...]:
        return len(self.records), *self.decoder.shape

    @property
    def dtype(self) -> np.dtype:
        return self.decoder.dtype

    @property
    def nbytes(self) -> int:
        """The memory that travels, in bytes."""
        return self.records.nbytes + self.digests.nbytes

    @property
    def in_box(self) -> bool:
        return self.decoder.box

    @property
    def meaning(self) -> str:
        return f"{self.decoder.meaning} {self.shape}"

    @property
    def content(self) -> np.ndarray:
        return self.digests

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        records = self.records.read(rows)
        names = [self.records.name(int(row)) for row in rows]
        self._check(rows, records, names)
        return self.decoder.decode(records, names)

    def chosen(self, rows: np.ndarray) -> "Stored":
        """Return the images at the positions `rows` alone; nothing is read."""
        return _stored(self.records.chosen(rows), self.decoder, self.digests[rows])

    def _check(self, rows: np.ndarray, records: list[bytes], names: list[str]) -> None:
        """Raise InputError for a sample that is not what it was, at its first touch."""
        checked = _checked.setdefault(self.key, np.zeros(len(self), bool))
        _checked.move_to_end(self.key)
        while len(_checked) > _SELECTIONS:
            _checked.popitem(last=False)
        for row, record, name in zip(rows, records, names, strict=True):
            if checked[row]:
                continue
            if _digest(record) != self.digests[row].tobytes():
                raise InputError(
                    f"{name} has changed since the study started, or is another one on this "
                    "machine: run again"
                )
            checked[row] = True


def stored(records: Records, decoder: Decoder, indices: np.ndarray, samples: int) -> Stored:
    """Return images in files with the digest of each, which is found out at most once.

    Digests are kept in the cache, in a `.npy` file named by the stamp of the files, for all
    `samples` of the split; `indices` `(N,)` are the places of these ones among them. Samples whose
    digest is not known there are read, and their values checked; without a box they are kept
    apart, for less is asked of them.
    """
    versions = records.versions()
    stamp = records.stamp if decoder.box else f"{records.stamp} without a box"
    name = hashlib.sha256(stamp.encode()).hexdigest()
    file = cache_folder("digests") / f"{name}.npy"
    kept = _read(file, samples)[indices]
    unknown = np.flatnonzero(
        (kept["version"] != versions).any(axis=1) | ~kept["digest"].any(axis=1)
    )
    if len(unknown):
        kept["version"] = versions
        done = 0
        try:
            for part in parts(unknown, decoder):
                kept["digest"][part] = _digests(records, decoder, part, indices[part])
                done += len(part)
        finally:
            _keep(file, samples, indices[unknown[:done]], kept[unknown[:done]])
    return _stored(records, decoder, np.ascontiguousarray(kept["digest"]))


def parts(rows: np.ndarray, decoder: Decoder) -> list[np.ndarray]:
    """Cut positions into parts that fit into memory."""
    size = max(PART // sample_bytes(decoder), 1)
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def sample_bytes(decoder: Decoder) -> int:
    """Return the bytes of one decoded sample."""
    return max(int(np.prod(decoder.shape)) * decoder.dtype.itemsize, 1)


def _stored(records: Records, decoder: Decoder, digests: np.ndarray) -> Stored:
    key = hashlib.sha256(f"{records.stamp} {decoder.meaning}".encode())
    key.update(digests.tobytes())
    return Stored(records, decoder, digests, key.hexdigest())


def _digest(record: bytes) -> bytes:
    return hashlib.sha256(record).digest()[:DIGEST]


def _digests(
    records: Records, decoder: Decoder, rows: np.ndarray, indices: np.ndarray
) -> np.ndarray:
    """Digests `(n, 16)` of samples; InputError where their values are not what they must be."""
    found = records.read(rows)
    if decoder.dtype != np.uint8:
        names = [records.name(int(row)) for row in rows]
        check_values(decoder.decode(found, names), indices, decoder.box)
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # hashing lets other threads run
        digests = b"".join(pool.map(_digest, found))
    return np.frombuffer(digests, np.uint8).reshape(len(rows), DIGEST)


def _read(file: Path, samples: int) -> np.ndarray:
    """Return what is kept, `(samples,)` of `KEPT`; zeros where there is no such file."""
    try:
        kept = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return np.zeros(samples, KEPT)
    return kept if kept.dtype == KEPT and kept.shape == (samples,) else np.zeros(samples, KEPT)


def _keep(file: Path, samples: int, indices: np.ndarray, entries: np.ndarray) -> None:
    """Add entries to the file; without one, a warning that all is read anew the next time."""
    try:
        with one_at_a_time(file):
            kept = _read(file, samples)
            kept[indices] = entries
            with atomic_write(file) as unfinished, unfinished.open("wb") as opened:
                np.save(opened, kept)
    except OSError as error:
        warn(
            f"digests of samples cannot be kept in {file.parent} ({error.strerror or error}): the "
            "data are read once more by the next run; free it, or set XDG_CACHE_HOME"
        )
