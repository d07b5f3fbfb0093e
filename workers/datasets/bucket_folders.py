"""Folders of pictures at s3://BUCKET/PREFIX, one sub-folder per class, as on a disk."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from torchvision.datasets.folder import IMG_EXTENSIONS

from advcore.workers.datasets.folders import SPLITS, joined, split_name
from advcore.workers.datasets.pictures import Pictures, pictures
from advcore.workers.datasets.reading import SIDE_BY_SIDE
from advcore.workers.datasets.sources import InFiles, Source
from advcore.workers.errors import InputError
from advcore.workers.stores.s3_address import address
from advcore.workers.stores.s3_requests import Bucket


@dataclass(frozen=True, eq=False)
class BucketObjects:
    """Whole objects of a bucket, each a record.

    Attributes:
        bucket, prefix: where they are.
        paths: what follows the prefix in their keys, joined by NULs.
        ends: where each path ends in `paths`, `(N,)`.
        sizes, tags: bytes and hash of the ETag of each, `(N,)`.
    """

    bucket: str
    prefix: str
    paths: bytes
    ends: np.ndarray
    sizes: np.ndarray
    tags: np.ndarray

    @property
    def stamp(self) -> str:
        return f"bucket {self.bucket} {self.prefix}"

    @property
    def nbytes(self) -> int:
        return len(self.paths) + self.ends.nbytes + self.sizes.nbytes + self.tags.nbytes

    def __len__(self) -> int:
        return len(self.ends)

    def read(self, rows: np.ndarray) -> list[bytes]:
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            return list(pool.map(self._read, map(int, rows)))

    def chosen(self, rows: np.ndarray) -> "BucketObjects":
        paths, ends = joined([self._path(int(row)) for row in rows])
        return replace(self, paths=paths, ends=ends, sizes=self.sizes[rows], tags=self.tags[rows])

    def versions(self) -> np.ndarray:
        return np.stack([self.sizes, self.tags], axis=1)

    def name(self, row: int) -> str:
        return f"s3://{self.bucket}/{self.prefix}{self._path(row).decode()}"

    def _path(self, row: int) -> bytes:
        return self.paths[int(self.ends[row - 1]) + 1 if row else 0 : int(self.ends[row])]

    def _read(self, row: int) -> bytes:
        try:
            found = _bucket(self.bucket).get(self.prefix + self._path(row).decode())
        except FileNotFoundError as error:
            raise InputError(f"data set {error}") from None
        if len(found) != self.sizes[row]:
            raise InputError(f"{self.name(row)} has changed since the study started: run again")
        return found


def bucket_folder(path: str, train: bool, resize: int | None, crop: int | None) -> Source:
    """Load pictures as RGB, uint8, from PREFIX/CLASS/, or from PREFIX/train/CLASS/ and so on.

    Classes are numbered in the order of their names over all splits together.
    """
    label, place = f"imagefolder:{path}", address(path, "data set")
    prefix = f"{place.key}/"
    found = [
        (key[len(prefix) :], size, tag)
        for key, size, tag in _bucket(place.bucket).listing(prefix)
        if key.lower().endswith(IMG_EXTENSIONS) and "/." not in f"/{key[len(prefix) :]}"
    ]
    splits = {name for name in SPLITS if any(_in(name, entry[0]) for entry in found)}
    wanted = split_name(path, splits, train)
    below = f"{wanted}/" if wanted else ""
    names = sorted({_class(label, key, bool(wanted)) for key, _, _ in found})
    chosen = sorted(entry for entry in found if entry[0].startswith(below))
    if not chosen:
        raise InputError(f"{label} must hold one folder of pictures per class: there is no picture")
    numbers = {name: number for number, name in enumerate(names)}
    labels = [numbers[_class(label, key, bool(wanted))] for key, _, _ in chosen]

    def records(indices: np.ndarray) -> tuple[BucketObjects, Pictures]:
        own = [chosen[index] for index in indices]
        paths, ends = joined([key.encode() for key, _, _ in own])
        sizes = np.array([size for _, size, _ in own], np.int64)
        tags = np.array([_number(tag) for _, _, tag in own], np.int64)
        objects = BucketObjects(place.bucket, prefix, paths, ends, sizes, tags)
        return objects, pictures(label, objects, resize, crop)

    return InFiles(np.array(labels, np.int64), tuple(names), records)


@lru_cache(16)
def _bucket(name: str) -> Bucket:
    return Bucket(name)


def _in(split: str, key: str) -> bool:
    return key.startswith(f"{split}/") and key.count("/") > 1


def _class(label: str, key: str, split: bool) -> str:
    parts: Sequence[str] = key.split("/")[1 if split else 0 :]
    if len(parts) < 2:
        raise InputError(f"{label} must hold one folder of pictures per class: {key} lies in none")
    return parts[0]


def _number(tag: str) -> int:
    return int.from_bytes(hashlib.sha256(tag.encode()).digest()[:8], "little", signed=True)
