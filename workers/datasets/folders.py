"""Folders of pictures, one sub-folder per class: listed here, read where they are used."""

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torchvision

from advcore.workers.datasets.pictures import Pictures, pictures
from advcore.workers.datasets.sources import InFiles, Source
from advcore.workers.errors import InputError
from advcore.workers.paths import expand_path

SPLITS = ("train", "test", "val")
"""The folders that are splits of a data set, if they lie in its folder."""


@dataclass(frozen=True, eq=False)
class FolderFiles:
    """Whole files below a folder, each a record.

    Attributes:
        folder: absolute path.
        paths: their paths below it, joined by NULs, as bytes of the file system.
        ends: where each path ends in `paths`, `(N,)`.
        sizes, changed: bytes and time of the last change in nanoseconds of each, `(N,)`.
    """

    folder: str
    paths: bytes
    ends: np.ndarray
    sizes: np.ndarray
    changed: np.ndarray

    @property
    def stamp(self) -> str:
        return f"folder {self.folder}"

    @property
    def nbytes(self) -> int:
        return len(self.paths) + self.ends.nbytes + self.sizes.nbytes + self.changed.nbytes

    def __len__(self) -> int:
        return len(self.ends)

    def read(self, rows: np.ndarray) -> list[bytes]:
        return [self._read(int(row)) for row in rows]

    def chosen(self, rows: np.ndarray) -> "FolderFiles":
        paths, ends = joined([self._path(int(row)) for row in rows])
        return replace(
            self, paths=paths, ends=ends, sizes=self.sizes[rows], changed=self.changed[rows]
        )

    def versions(self) -> np.ndarray:
        return np.stack([self.sizes, self.changed], axis=1)

    def name(self, row: int) -> str:
        return os.path.join(self.folder, os.fsdecode(self._path(row)))

    def _path(self, row: int) -> bytes:
        return self.paths[int(self.ends[row - 1]) + 1 if row else 0 : int(self.ends[row])]

    def _read(self, row: int) -> bytes:
        file = self.name(row)
        if not os.path.isfile(file):
            raise InputError(
                f"{file} cannot be read as a picture (it is not a file): repair or remove it; "
                "pictures that do not travel must lie where all workers see them"
            )
        try:
            with open(file, "rb") as opened:
                found = os.fstat(opened.fileno())
                if (found.st_size, found.st_mtime_ns) != (self.sizes[row], self.changed[row]):
                    raise InputError(f"{file} has changed since the study started: run again")
                return opened.read()
        except OSError as error:
            raise InputError(
                f"{file} cannot be read as a picture ({error.strerror}): repair or remove it"
            ) from error


def folder_files(folder: str, paths: Sequence[str]) -> FolderFiles:
    """Return the present versions of some files below a folder."""
    below, ends = joined([os.fsencode(path) for path in paths])
    versions = np.array([_version(os.path.join(folder, path)) for path in paths], np.int64)
    return FolderFiles(folder, below, ends, versions[:, 0], versions[:, 1])


def _version(file: str) -> tuple[int, int]:
    """Size and time of the last change; zeros where there is none, which is refused when read."""
    try:
        found = os.stat(file)
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns


def joined(paths: Sequence[bytes]) -> tuple[bytes, np.ndarray]:
    """Return paths joined by NULs, and where each ends."""
    lengths = np.array([len(path) + 1 for path in paths], np.int64)
    return b"\0".join(paths), np.cumsum(lengths) - 1


def image_folder(path: str, train: bool, resize: int | None, crop: int | None) -> Source:
    """Load pictures as RGB, uint8, from one folder per class.

    They lie under `path/CLASS/`, or under `path/train/CLASS/` and `path/test/CLASS/` (or val).

    Classes are numbered in the order of their names over all splits together: one that a split
    lacks keeps its number there.
    """
    root = expand_path(path)
    if not os.path.isdir(root):
        raise InputError(f"data set imagefolder:{path}: folder not found; check the path")
    folder = _split_folder(root, train)
    _check_links(folder)
    own = _classes(folder)
    if not own:
        raise InputError(
            f"{folder} must hold one folder of pictures per class: there is no folder in it"
        )
    home = folder.parent if folder.name in SPLITS else folder
    names = sorted({name for split in _splits(home) or [folder] for name in _classes(split)})
    files, labels = _find_pictures(folder, names)
    bare = sorted(set(own) - {names[label] for label in labels})
    if bare:
        raise InputError(
            f"{folder} must hold one folder of pictures per class: there is no picture in "
            f"{', '.join(bare)}"
        )
    label = f"imagefolder:{path}"

    def records(indices: np.ndarray) -> tuple[FolderFiles, Pictures]:
        found = folder_files(os.path.abspath(folder), [files[index] for index in indices])
        return found, pictures(label, found, resize, crop)

    return InFiles(np.asarray(labels, np.int64), tuple(names), records)


def _find_pictures(folder: Path, names: Sequence[str]) -> tuple[list[str], list[int]]:
    """Return the pictures of all classes, by paths below the folder, and their labels."""
    dataset = _Numbered(str(folder), names)
    start = len(str(folder)) + 1
    return [file[start:] for file, _ in dataset.samples], list(dataset.targets)


class _Numbered(torchvision.datasets.ImageFolder):
    """torchvision's folder of pictures, whose classes are the given names, in their order."""

    def __init__(self, folder: str, names: Sequence[str]) -> None:
        self._names = list(names)
        super().__init__(folder, allow_empty=True)

    def find_classes(self, directory: str) -> tuple[list[str], dict[str, int]]:
        return self._names, {name: number for number, name in enumerate(self._names)}


def _classes(folder: Path) -> list[str]:
    """The names of the classes in a folder: its folders, but those whose name begins with a dot.

    Raises InputError for one that holds only folders: classes stand one level lower, or it is a
    split of another name.
    """
    names = [
        place.name
        for place in folder.iterdir()
        if place.is_dir() and not place.name.startswith(".")
    ]
    for name in names:
        inner = [place for place in (folder / name).iterdir() if not place.name.startswith(".")]
        if inner and all(place.is_dir() for place in inner):
            raise InputError(
                f"{folder / name} holds only folders, so it is no class: give "
                f"imagefolder:{folder / name} if those are the "
                "classes, or put the pictures of one class into one folder"
            )
    return names


def _check_links(folder: Path) -> None:
    """Raise InputError for a link to a folder that holds it: there is no end to such a one.

    Links to elsewhere are followed.
    """
    for name, inner, _ in os.walk(folder, followlinks=True):
        place = Path(name)
        above = {step.resolve() for step in (place, *place.parents) if step.is_relative_to(folder)}
        for step in inner:
            if (place / step).resolve() in above:
                raise InputError(f"{place / step} is a link to a folder that holds it: remove it")


def _splits(root: Path) -> list[Path]:
    """The folders of splits that are there."""
    return [root / name for name in SPLITS if (root / name).is_dir()]


def _split_folder(root: Path, train: bool) -> Path:
    return root / split_name(str(root), {split.name for split in _splits(root)}, train)


def split_name(root: str, there: Collection[str], train: bool) -> str:
    """Return the folder of a split among those that are there, or nothing where there is none.

    Raises InputError where there are others.
    """
    wanted = ("train",) if train else ("test", "val")
    for name in wanted:
        if name in there:
            return name
    if not there:
        return ""
    raise InputError(
        f"{root} has {', '.join(sorted(there))}/ but not {' or '.join(wanted)}/: choose the "
        "other split or add the folder"
    )
