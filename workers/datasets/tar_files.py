"""Pictures in tar archives, found by an index that is made once and kept in the cache."""

import hashlib
import posixpath
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torchvision.datasets.folder import IMG_EXTENSIONS

from advcore.workers.datasets.pictures import Pictures, first_line, pictures
from advcore.workers.datasets.pixels import CLASSES
from advcore.workers.datasets.places import files_of
from advcore.workers.datasets.reading import File
from advcore.workers.datasets.records import Spans
from advcore.workers.datasets.sources import InFiles, Source
from advcore.workers.errors import InputError
from advcore.workers.files import atomic_write
from advcore.workers.local_cache import cache_folder, one_at_a_time

MOST_LABEL_BYTES = 20
"""Bytes of a `.cls` member, at most: it holds one whole number."""


@dataclass(frozen=True, eq=False)
class Index:
    """The files in a tar archive.

    Attributes:
        names: their paths.
        offsets, sizes: where the bytes of each begin, and how many they are, `(N,)`.
        classes: number that a `.cls` member holds, -1 for others, `(N,)`.
    """

    names: Sequence[str]
    offsets: np.ndarray
    sizes: np.ndarray
    classes: np.ndarray


def tar(path: str, resize: int | None, crop: int | None) -> Source:
    """Load the pictures of tar archives as RGB, uint8.

    `path` is an archive on disk or at s3://BUCKET/KEY, a folder of them, or a range as in
    `part-{0000..0145}.tar`; they are not compressed. Where there are members KEY.cls, as WebDataset
    writes them, each holds the class of the picture KEY, a whole number; else a picture's class is
    its folder, and classes are numbered in the order of their names.
    """
    label = f"tar:{path}"
    files = files_of(label, path, ".tar")
    indices = [index(file) for file in files]
    chosen = [_pictures(found) for found in indices]
    if not any(map(len, chosen)):
        raise InputError(f"{label} must hold pictures ({', '.join(IMG_EXTENSIONS)}): none is there")
    which = np.repeat(np.arange(len(files)), [len(own) for own in chosen]).astype(np.int32)
    offsets = np.concatenate(
        [found.offsets[own] for found, own in zip(indices, chosen, strict=True)]
    )
    sizes = np.concatenate([found.sizes[own] for found, own in zip(indices, chosen, strict=True)])
    labels, names = _labels(label, indices, chosen)

    def records(rows: np.ndarray) -> tuple[Spans, Pictures]:
        found = Spans(label, files, which[rows], offsets[rows], sizes[rows], rows)
        return found, pictures(label, found, resize, crop)

    return InFiles(labels, names, records)


def index(file: File) -> Index:
    """Return what is in an archive; its headers are read once for each version of it."""
    kept = cache_folder("tar") / f"{hashlib.sha256(file.stamp.encode()).hexdigest()}.npz"
    try:
        return _read(kept)
    except (OSError, ValueError, KeyError, EOFError, tarfile.TarError):
        found = _scanned(file)
    try:
        with one_at_a_time(kept), atomic_write(kept) as unfinished, unfinished.open("wb") as opened:
            names = np.frombuffer("\0".join(found.names).encode(errors="surrogateescape"), np.uint8)
            np.savez(
                opened, names=names, offsets=found.offsets, sizes=found.sizes, classes=found.classes
            )
    except OSError as error:
        raise InputError(
            f"the index of {file.place} cannot be kept in {kept.parent} "
            f"({error.strerror or error}): free it, or set XDG_CACHE_HOME"
        ) from error
    return found


def _read(kept: Path) -> Index:
    with np.load(kept, allow_pickle=False) as archive:
        names = bytes(archive["names"]).decode(errors="surrogateescape").split("\0")
        return Index(names, archive["offsets"], archive["sizes"], archive["classes"])


def _scanned(file: File) -> Index:
    names: list[str] = []
    numbers: list[tuple[int, int, int]] = []
    try:
        with file.view() as view, tarfile.open(fileobj=view, mode="r:") as archive:
            while (member := archive.next()) is not None:
                archive.members.clear()  # type: ignore[attr-defined]  # which would keep them all
                if member.isreg() and not member.issparse():
                    names.append(member.name)
                    text = _content(file, member) if member.name.endswith(".cls") else None
                    number = -1 if text is None else _number(file, member.name, text)
                    numbers.append((member.offset_data, member.size, number))
            end = archive.offset  # a damaged header ends the archive without a word
            if any(file.read(end, min(tarfile.BLOCKSIZE, file.size - end))):
                raise tarfile.ReadError(f"no header at byte {end}")
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{file.place} is not a whole tar archive that is not compressed "
            f"({first_line(error)}): write or fetch it again"
        ) from error
    table = np.array(numbers, np.int64).reshape(-1, 3)
    return Index(names, table[:, 0], table[:, 1], table[:, 2])


def _content(file: File, member: tarfile.TarInfo) -> bytes:
    return file.read(member.offset_data, min(member.size, MOST_LABEL_BYTES))


def _number(file: File, name: str, text: bytes) -> int:
    words = text.decode(errors="replace").strip()
    if not words.isascii() or not words.isdigit() or int(words) >= CLASSES:
        raise InputError(
            f"{name} in {file.place} must hold a class's number below {CLASSES}; got {words!r}: "
            "number the classes from 0"
        )
    return int(words)


def _pictures(found: Index) -> np.ndarray:
    """Return the positions of pictures among the members; names that begin with a dot are none."""
    wanted = [
        position
        for position, name in enumerate(found.names)
        if name.lower().endswith(IMG_EXTENSIONS) and not posixpath.basename(name).startswith(".")
    ]
    return np.array(wanted, np.int64)


def _labels(
    label: str, indices: Sequence[Index], chosen: Sequence[np.ndarray]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the class of each picture, and the names of the classes."""
    if any((found.classes >= 0).any() for found in indices):
        labels = []
        for found, own in zip(indices, chosen, strict=True):
            classes = _classes(found)
            labels += [_class_of(label, classes, found.names[position]) for position in own]
        return np.array(labels, np.int64), tuple(map(str, range(max(labels) + 1)))
    folders = [
        posixpath.basename(posixpath.dirname(found.names[position]))
        for found, own in zip(indices, chosen, strict=True)
        for position in own
    ]
    if "" in folders:
        raise InputError(
            f"{label} must hold pictures in folders, one for each class, or a member KEY.cls for "
            "each picture: one lies in no folder"
        )
    names = sorted(set(folders))
    numbers = {name: number for number, name in enumerate(names)}
    return np.array([numbers[folder] for folder in folders], np.int64), tuple(names)


def _classes(found: Index) -> Mapping[str, int]:
    """The class of each key, up to the first dot of a member's name."""
    rows = np.flatnonzero(found.classes >= 0).tolist()
    return {_key(found.names[row]): int(found.classes[row]) for row in rows}


def _class_of(label: str, classes: Mapping[str, int], name: str) -> int:
    try:
        return classes[_key(name)]
    except KeyError:
        raise InputError(
            f"{label} must hold a member {_key(name)}.cls for the picture {name}, as for others"
        ) from None


def _key(name: str) -> str:
    folder, base = posixpath.split(name)
    return posixpath.join(folder, base.partition(".")[0])
