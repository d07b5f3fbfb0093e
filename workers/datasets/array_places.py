"""The place of an array in a NumPy file, by which its rows are read one by one."""

import hashlib
import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy_format

from advcore.workers.datasets.reading import File, look
from advcore.workers.errors import InputError
from advcore.workers.files import atomic_write
from advcore.workers.local_cache import cache_folder, one_at_a_time

_LOCAL_HEADER = 30
"""Bytes of a zip member's own header before its name and extra field."""


@dataclass(frozen=True)
class Unpacked:
    """A compressed member of a zip archive, which each machine unpacks once into its cache.

    Attributes:
        archive: file that holds it.
        member: its name there.
        size: its length in bytes, unpacked.
    """

    archive: File
    member: str
    size: int

    @property
    def stamp(self) -> str:
        """The text that changes when the archive does."""
        return f"{self.archive.stamp} {self.member}"

    def read_all(self, offsets: Sequence[int], lengths: Sequence[int]) -> list[bytes]:
        """Return several records, as `File.read_all` does."""
        return _unpacked(self).read_all(offsets, lengths)

    def view(self) -> BinaryIO:
        """Return the file for libraries that read and seek."""
        return _unpacked(self).view()


@dataclass(frozen=True)
class Array:
    """An array in a file, in C order.

    Attributes:
        file, offset: where its values begin.
        type: type of the values, as NumPy writes it.
        shape: shape of the whole array.
    """

    file: File | Unpacked
    offset: int
    type: str
    shape: tuple[int, ...]


def array_in_archive(file: File, member: zipfile.ZipInfo) -> Array:
    """Return where a large array of an archive lies; a compressed one is unpacked once."""
    if member.flag_bits & 1:
        raise InputError(f"{file.place} is encrypted: write it without a password")
    if member.compress_type != zipfile.ZIP_STORED:
        packed = Unpacked(file, member.filename, member.file_size)
        with packed.view() as view:
            return replace(array_at(_unpacked(packed), view), file=packed)
    local = file.read(member.header_offset, _LOCAL_HEADER)
    lengths = int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
    with file.view() as view:
        view.seek(member.header_offset + _LOCAL_HEADER + lengths)
        return array_at(file, view, member.file_size)


def array_at(file: File, view: BinaryIO, size: int | None = None) -> Array:
    """Read the header of an array of `size` bytes in all, or up to the file's end."""
    start = view.tell()
    version = npy_format.read_magic(view)
    read = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}
    if version not in read:
        raise ValueError(f"its format is {version}, expected (1, 0) or (2, 0)")
    shape, fortran, dtype = read[version](view)
    if dtype.hasobject:
        raise ValueError("Object arrays cannot be loaded when allow_pickle=False")
    if fortran and len(shape) > 1:
        raise ValueError("it is in Fortran order: write np.ascontiguousarray(images)")
    offset = view.tell()
    needed = int(np.prod(shape, dtype=object)) * dtype.itemsize
    there = (file.size if size is None else start + size) - offset
    if needed > there or min(shape, default=0) < 0:
        raise ValueError(f"its header says {shape} {dtype}, but only {there} bytes follow")
    return Array(file, offset, dtype.str, tuple(map(int, shape)))


def _unpacked(file: Unpacked) -> File:
    """Return the array as a file of this machine's cache, made by a copy that holds little."""
    name, archive = hashlib.sha256(file.stamp.encode()).hexdigest(), file.archive
    place = cache_folder("unpacked") / f"{name}.npy"
    try:
        with one_at_a_time(place):
            if not (place.is_file() and place.stat().st_size == file.size):
                _check_space(file, str(place.parent))
                with (
                    atomic_write(place) as unfinished,
                    zipfile.ZipFile(archive.view()) as opened,
                    opened.open(file.member) as packed,
                    unfinished.open("wb") as sink,
                ):
                    shutil.copyfileobj(packed, sink, 2**20)
    except OSError as error:
        raise InputError(
            f"{archive.place} cannot be unpacked into {place.parent} ({error.strerror or error}): "
            "free it, set XDG_CACHE_HOME, or write the archive by np.savez, which does not compress"
        ) from error
    return look(str(place), archive.place)


def _check_space(file: Unpacked, folder: str) -> None:
    free = shutil.disk_usage(folder).free
    if file.size > free:
        raise InputError(
            f"{file.archive.place} unpacks to {file.size:.3g} bytes, and {folder} has {free:.3g}: "
            "set XDG_CACHE_HOME, or write the archive by np.savez, which does not compress"
        )
