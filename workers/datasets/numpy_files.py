"""NumPy's files: an archive (.npz), or a folder of arrays (.npy).

Rows of a stored array are read from their place in the file. A compressed array is unpacked once,
into the cache.
"""

import os
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from advcore.workers.datasets import sources
from advcore.workers.datasets.array_places import Array, array_at, array_in_archive
from advcore.workers.datasets.pixels import CLASSES, pixels, unbounded, whole_labels
from advcore.workers.datasets.reading import File, look
from advcore.workers.datasets.records import Arrays, Numbers, Spans
from advcore.workers.datasets.sources import InFiles, Source, from_arrays
from advcore.workers.errors import InputError
from advcore.workers.stores.s3_cache import local_file

_ALL = ("images", "labels", "names")


def npz(path: str, layout: str | None = None, box: bool = True) -> Source:
    """Load a NumPy archive with `images`, `labels` and perhaps `names`.

    It is a file or s3://BUCKET/KEY; `(N, H, W)` becomes `(N, 1, H, W)`.

    With the layout `nhwc` channels are last, and `(N, H, W, C)` becomes `(N, C, H, W)`. Without
    a `box` images are inputs `(N, *shape)` of any finite values. Nothing is unpickled.
    """
    file = look(path, f"npz:{path}")
    if file.size <= sources.SENT and path.startswith("s3://"):
        file = look(str(local_file(path, "data set")), f"npz:{path}")
    name = f"npz:{path}"
    try:
        with zipfile.ZipFile(file.view()) as archive:
            members = {entry.filename: entry for entry in archive.infolist()}
        large = _is_large(members.get("images.npy"))
        content = _loaded(name, file, members, ("labels", "names") if large else _ALL)
        if large:
            content["images"] = array_in_archive(file, members["images.npy"])
    except InputError:
        raise
    except Exception as error:  # what NumPy and zipfile raise at damaged bytes is no short list
        raise InputError(
            f"{name} is not a NumPy archive of plain arrays ({_line(error)}): write it by "
            "np.savez(images=, labels=)"
        ) from error
    if not {"images", "labels"} <= content.keys():
        there = ", ".join(sorted(key.removesuffix(".npy") for key in members))
        raise InputError(f"{name} must hold images and labels; got {there or 'nothing'}")
    return _source(name, content, layout, box)


def npy(path: str, layout: str | None = None, box: bool = True) -> Source:
    """Load a folder with `images.npy`, `labels.npy` and perhaps `names.npy`, as in `npz`.

    It lies on disk or at s3://BUCKET/PREFIX.
    """
    name, content = f"npy:{path}", {}
    for key in _ALL:
        place = f"{path.rstrip('/')}/{key}.npy"
        try:
            file = look(place, f"{name}, {place}")
        except InputError:
            if key == "names":
                continue
            raise
        try:
            with file.view() as view:
                if key == "images":
                    content[key] = array_at(file, view)
                else:
                    _check_memory(place, file.size)
                    content[key] = np.load(view, allow_pickle=False)
        except InputError:
            raise
        except Exception as error:
            raise InputError(
                f"{place} is not a plain array ({_line(error)}): write it by np.save"
            ) from error
    return _source(name, content, layout, box)


def npz_column(path: str, name: str) -> np.ndarray:
    """Return a further array of an archive. Raises InputError where there is none of this name."""
    file = look(path, f"npz:{path}")
    return _column(f"npz:{path}", name, lambda: _of_archive(file, name))


def npy_column(path: str, name: str) -> np.ndarray:
    """Return a further array `NAME.npy` of a folder. Raises InputError where there is none."""
    place = f"{path.rstrip('/')}/{name}.npy"
    file = look(place, f"npy:{path}, {place}")
    return _column(f"npy:{path}", name, lambda: np.load(file.view(), allow_pickle=False))


def _of_archive(file: File, name: str) -> Any:
    with np.load(file.view(), allow_pickle=False) as archive:
        if name not in archive:
            raise InputError(f"it has {', '.join(archive)}")
        return archive[name]


def _column(data: str, name: str, read: Callable[[], Any]) -> np.ndarray:
    try:
        return np.asarray(read())
    except Exception as error:  # what NumPy raises at damaged bytes is no short list
        raise InputError(
            f"{data} must hold a plain array {name!r}, one entry a sample ({_line(error)})"
        ) from error


def _source(name: str, content: Mapping[str, Any], layout: str | None, box: bool) -> Source:
    """Return the split of images (in memory, or an `Array` in a file), labels and names."""
    images, names = content["images"], content.get("names")
    if any(not isinstance(value, np.ndarray | Array) for value in content.values()):
        raise InputError(f"{name} must hold arrays only: write it by np.savez(images=, labels=)")
    images = images if isinstance(images, Array) or not box else pixels(images)
    labels = whole_labels(content["labels"])
    if not box:
        return _without_box(name, images, labels, names)
    if len(images.shape) not in (3, 4) or images.shape[0] != len(labels):
        raise InputError(
            f"{name} must hold images (N, C, H, W) or (N, H, W) and labels (N,); got "
            f"{images.shape} and {labels.shape} (tables and sequences have no box: give box: false)"
        )
    last = len(images.shape) == 4 and _channels_last(name, images.shape, layout)
    words = _names(name, labels, names)
    if isinstance(images, Array):
        return _in_file(name, images, labels, words, last)
    if last:
        images = images.transpose(0, 3, 1, 2)
    return from_arrays(images[:, None] if images.ndim == 3 else images, labels, words)


def _names(name: str, labels: np.ndarray, names: np.ndarray | None) -> tuple[str, ...]:
    """Return the classes' names, which are their numbers if there are none."""
    if len(labels) and labels.min() < 0:
        raise InputError(
            f"{name} must hold labels 0, 1, 2, ...; got {labels.min()}: number the classes from 0"
        )
    if names is None:
        if len(labels) and labels.max() >= CLASSES:
            raise InputError(
                f"{name} must hold labels below {CLASSES}; got {labels.max()}: number the "
                "classes from 0 without gaps"
            )
        return tuple(map(str, range(int(labels.max()) + 1))) if len(labels) else ("0",)
    if names.ndim != 1 or names.dtype.kind not in "Uiu":
        raise InputError(
            f"{name} must hold names (classes,) as text; got {names.dtype} {names.shape}: "
            "np.array([...], str)"
        )
    return tuple(map(str, names))


def _channels_last(name: str, shape: tuple[int, ...], layout: str | None) -> bool:
    """Return whether images are `(N, H, W, C)`.

    Raises InputError for those that look like channels last where no layout is given.
    """
    if layout is None and shape[3] in (1, 3, 4) and shape[1] not in (1, 2, 3, 4):
        raise InputError(
            f"{name} must hold images (N, C, H, W); got {shape}, which that makes "
            f"{shape[1]} channels of {shape[2]} x {shape[3]} pixels: if "
            "channels come last, give layout: nhwc, or write images.transpose(0, 3, 1, 2); if "
            "not, layout: nchw"
        )
    return layout == "nhwc"


def _in_file(
    name: str, images: Array, labels: np.ndarray, names: tuple[str, ...], last: bool
) -> InFiles:
    pixels(np.zeros(0, images.type))  # refuses types whose range is not known
    return _rows_in_file(name, images, labels, names, Arrays(images.type, images.shape[1:], last))


def _without_box(
    name: str, inputs: np.ndarray | Array, labels: np.ndarray, names: np.ndarray | None
) -> Source:
    """Return the split of inputs `(N, *shape)` of any finite values."""
    if len(inputs.shape) < 2 or inputs.shape[0] != len(labels):
        raise InputError(
            f"{name} must hold inputs (N, F), (N, T, E) or of a higher rank, called images, and "
            f"labels (N,); got {inputs.shape} and {labels.shape}"
        )
    words = _names(name, labels, names)
    if isinstance(inputs, np.ndarray):
        return from_arrays(unbounded(inputs), labels, words, box=False)
    unbounded(np.zeros(0, inputs.type))  # refuses types that are not floating
    return _rows_in_file(name, inputs, labels, words, Numbers(inputs.type, inputs.shape[1:]))


def _rows_in_file(
    name: str,
    images: Array,
    labels: np.ndarray,
    names: tuple[str, ...],
    decoder: Arrays | Numbers,
) -> InFiles:
    length = int(np.prod(images.shape[1:])) * np.dtype(images.type).itemsize

    def records(indices: np.ndarray) -> tuple[Spans, Arrays | Numbers]:
        which = np.zeros(len(indices), np.int32)
        lengths = np.full(len(indices), length, np.int64)
        offsets = images.offset + length * indices
        return Spans(name, (images.file,), which, offsets, lengths, indices), decoder

    return InFiles(labels, names, records)


def _is_large(member: zipfile.ZipInfo | None) -> bool:
    return member is not None and member.file_size > sources.SENT


def _loaded(
    name: str, file: File, members: Mapping[str, zipfile.ZipInfo], keys: tuple[str, ...]
) -> dict[str, Any]:
    """Return the small arrays of an archive."""
    there = [key for key in keys if f"{key}.npy" in members]
    _check_memory(name, sum(members[f"{key}.npy"].file_size for key in there))
    with np.load(file.view(), allow_pickle=False) as archive:
        return {key: archive[key] for key in there}


def _check_memory(name: str, size: int) -> None:
    """Raise InputError if arrays of `size` bytes do not fit into this machine's memory."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if size > memory:
        raise InputError(
            f"{name} unpacks to {size:.3g} bytes, and this machine has {memory:.3g}: take "
            "fewer samples, or leave it"
        )


def _line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__
