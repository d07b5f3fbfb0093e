"""The place of an array in a NumPy file, by which its rows are read one by one."""

import hashlib
import shutil
import zipfile
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy_format

from advcore.workers.checkpoints import atomic_write
from advcore.workers.datasets.reading import File, look
from advcore.workers.errors import InputError
from advcore.workers.local_cache import cache_folder, one_at_a_time

_LOCAL_HEADER = 30
"""Bytes of a zip member's own header before its name and extra field."""


@dataclass(frozen=True)
class Array:
    """An array in a file, in C order.

    Attributes:
        file, offset: where its values begin.
        type: type of the values, as NumPy writes it.
        shape: shape of the whole array.
    """

    file: File
    offset: int
    type: str
    shape: tuple[int, ...]


def array_in_archive(file: File, member: zipfile.ZipInfo) -> Array:
    """Return where a large array of an archive lies; a compressed one is unpacked once."""
    if member.flag_bits & 1:
        raise InputError(f"{file.place} is encrypted: write it without a password")
    if member.compress_type != zipfile.ZIP_STORED:
        file = _unpacked(file, member)
        with file.view() as view:
            return array_at(file, view)
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


def _unpacked(file: File, member: zipfile.ZipInfo) -> File:
    """Return a compressed array as a file of the cache, made by a copy that holds little of it."""
    name = hashlib.sha256(f"{file.stamp} {member.filename}".encode()).hexdigest()
    place = cache_folder("unpacked") / f"{name}.npy"
    try:
        with one_at_a_time(place):
            if not (place.is_file() and place.stat().st_size == member.file_size):
                _check_space(file, member, str(place.parent))
                with (
                    atomic_write(place) as unfinished,
                    zipfile.ZipFile(file.view()) as archive,
                    archive.open(member.filename) as packed,
                    unfinished.open("wb") as opened,
                ):
                    shutil.copyfileobj(packed, opened, 2**20)
    except OSError as error:
        raise InputError(
            f"{file.place} cannot be unpacked into {place.parent} ({error.strerror or error}): "
            "free it, set XDG_CACHE_HOME, or write the archive by np.savez, which does not compress"
        ) from error
    return look(str(place), file.place)


def _check_space(file: File, member: zipfile.ZipInfo, folder: str) -> None:
    free = shutil.disk_usage(folder).free
    if member.file_size > free:
        raise InputError(
            f"{file.place} unpacks to {member.file_size:.3g} bytes, and {folder} has {free:.3g}: "
            "set XDG_CACHE_HOME, or write the archive by np.savez, which does not compress"
        )
