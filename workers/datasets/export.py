"""A data set written to files, as an archive of NumPy or a folder of pictures."""

import os
import shutil
import uuid
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib import format as npy_format

from advcore.workers.datasets.batches import images_of
from advcore.workers.datasets.dataset import Dataset
from advcore.workers.errors import InputError
from advcore.workers.files import atomic_write
from advcore.workers.paths import expand_path

PART = 2**26
"""Bytes of samples that are held at a time."""
_LONGEST = 200
"""Longest name of a class that becomes the name of a folder."""


@dataclass(frozen=True)
class Exported:
    """A data set that was written.

    Attributes:
        place: file or folder, absolute.
        samples: number of samples.
        rounding: largest change of a value by rounding to 8 bits, in pixel units; 0 where nothing
            is rounded.
    """

    place: Path
    samples: int
    rounding: float = 0.0


def export_dataset(dataset: Dataset, to: str) -> Exported:
    """Write a data set to `npz:PATH` or `imagefolder:PATH`, whole or not at all.

    Images are what batches show, behind a transform. In an archive they are `images`, uint8 where
    they are that and float32 otherwise, with `labels`, `names`, `indices`, those of the root
    samples, and their further columns; a data set in [0, 1] can be named again as `npz:PATH`, and
    is the same. In a folder they are PNG files of 8 bits, to which they are rounded, by class; in
    its name a file has its position and its root index. Few samples are in memory at a time.

    Raises InputError where there is something at that place, or the data set has no such form.
    """
    kind, _, rest = to.partition(":")
    if kind not in _WRITERS or not rest or "://" in rest:
        raise InputError(
            f"export to {to!r}: expected npz:PATH or imagefolder:PATH, a place on this machine"
        )
    place = expand_path(rest).absolute()
    if os.path.lexists(place):
        raise InputError(f"{place} is there already: choose another place, or remove it")
    try:
        rounding = _WRITERS[kind](dataset, place)
    except OSError as error:
        raise InputError(
            f"{place} cannot be written ({error.strerror or error}): free the disk, or choose "
            "another place"
        ) from error
    return Exported(place, len(dataset), rounding)


def _parts(dataset: Dataset) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield positions and their images as they are shown, uint8 or float32."""
    size = max(PART // (4 * int(np.prod(dataset.shape))), 1)
    for start in range(0, len(dataset), size):
        rows = np.arange(start, min(start + size, len(dataset)))
        yield rows, dataset.take(rows) if _is_8_bit(dataset) else images_of(dataset, rows).numpy()


def _is_8_bit(dataset: Dataset) -> bool:
    return dataset.transform is None and dataset.images.dtype == np.uint8


def _write_archive(dataset: Dataset, place: Path) -> float:
    others = {
        "labels": dataset.labels,
        "names": np.array(dataset.names),
        "indices": dataset.indices,
        **dataset.columns,
    }
    kind = "|u1" if _is_8_bit(dataset) else "<f4"
    header = {"descr": kind, "fortran_order": False, "shape": (len(dataset), *dataset.shape)}
    with atomic_write(place) as unfinished, zipfile.ZipFile(unfinished, "w") as archive:
        with archive.open("images.npy", "w", force_zip64=True) as sink:
            npy_format.write_array_header_1_0(sink, header)
            for _, images in _parts(dataset):
                sink.write(np.ascontiguousarray(images, kind).data)
        for name, array in others.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as sink:
                npy_format.write_array(sink, array, allow_pickle=False)
    return 0.0


def _write_folder(dataset: Dataset, place: Path) -> float:
    _check_pictures(dataset)
    from PIL import Image  # it takes a while to import, and archives need none of it

    width, largest = len(str(len(dataset) - 1)), 0.0
    with _new_folder(place) as unfinished:
        for label in np.unique(dataset.labels):
            (unfinished / dataset.names[label]).mkdir()
        for rows, images in _parts(dataset):
            if images.dtype != np.uint8:
                rounded = np.rint(images * 255).astype(np.uint8)
                largest = max(largest, float(np.abs(rounded / np.float32(255) - images).max()))
                images = rounded
            for row, image in zip(rows, images, strict=True):
                folder = unfinished / dataset.names[dataset.labels[row]]
                file = folder / f"{row:0{width}d}-{dataset.indices[row]}.png"
                channels = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
                Image.fromarray(np.ascontiguousarray(channels)).save(file)
    return largest


def _check_pictures(dataset: Dataset) -> None:
    """Raise InputError for a data set that is no pictures in classes that folders can be called."""
    if len(dataset.shape) != 3 or dataset.shape[0] not in (1, 3) or not dataset.in_box:
        raise InputError(
            "a folder of pictures needs images of 1 or 3 channels in [0, 1]; got "
            f"{tuple(dataset.shape)}{'' if dataset.in_box else ' outside of it'}: export to npz:"
        )
    odd = [
        name
        for name in dataset.names
        if not name or name[0] == "." or "/" in name or "\0" in name or len(name) > _LONGEST
    ]
    if odd or len(set(dataset.names)) < len(dataset.names):
        raise InputError(
            f"the classes {', '.join(map(repr, odd or dataset.names))} cannot be the names of "
            "folders, one each: export to npz:"
        )


@contextmanager
def _new_folder(place: Path) -> Iterator[Path]:
    """Yield a folder to write to, which becomes `place` at the end of the block.

    If the block fails, there is none.
    """
    unfinished = place.with_name(f".{place.name}.{uuid.uuid4().hex}")
    unfinished.mkdir(parents=True)
    try:
        yield unfinished
        os.rename(unfinished, place)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


_WRITERS = {"npz": _write_archive, "imagefolder": _write_folder}
