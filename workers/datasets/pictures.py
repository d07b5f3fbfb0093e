"""Data sets of pictures in files: read, resized and cropped only where they are taken."""

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torchvision
from PIL import Image
from torchvision.transforms import functional

from advcore.workers.datasets.dataset import Source
from advcore.workers.errors import InputError
from advcore.workers.paths import expand_path

FORMATS = ("JPEG", "PNG", "PPM", "BMP", "TIFF", "WEBP")
"""Formats of pictures in folders. Those that other programs are started for, such as EPS, are not
among them, whatever a file is called."""

MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV")
"""Modes of eight bits or fewer for each channel. Pillow cuts pixels of more bits off at 255."""

SPLITS = ("train", "test", "val")
"""The folders that are splits of a data set, if they lie in its folder."""


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
    dataset = _Numbered(str(folder), names)
    bare = sorted(set(own) - {names[label] for label in dataset.targets})
    if bare:
        raise InputError(
            f"{folder} must hold one folder of pictures per class: there is no picture in "
            f"{', '.join(bare)}"
        )

    def read(index: int) -> tuple[Any, Any]:
        file, label = dataset.samples[index]
        return _picture(file), label

    return Source(
        len(dataset),
        tuple(dataset.classes),
        picture_reader(f"imagefolder:{path}", read, resize, crop),
    )


class _Numbered(torchvision.datasets.ImageFolder):
    """torchvision's folder of pictures, whose classes are the given names, in their order."""

    def __init__(self, folder: str, names: list[str]) -> None:
        self._names = names
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


def _picture(file: str) -> Image.Image:
    """Read a picture as RGB, the first one if there are several.

    Raises InputError for one that is damaged, too large or too fine.
    """
    if not os.path.isfile(file):
        raise InputError(
            f"{file} cannot be read as a picture (it is not a file): repair or remove it"
        )
    try:
        with warnings.catch_warnings(), open(file, "rb") as opened:
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(opened, formats=FORMATS)
            if picture.mode in MODES:
                return picture.convert("RGB")
    except Exception as error:  # what Pillow raises at damaged bytes is no short list
        raise InputError(
            f"{file} cannot be read as a picture ({first_line(error)}): repair or remove it"
        ) from error
    raise InputError(
        f"{file} must have 8 bits for each channel; got Pillow's mode {picture.mode}: convert it"
    )


def _splits(root: Path) -> list[Path]:
    """The folders of splits that are there."""
    return [root / name for name in SPLITS if (root / name).is_dir()]


def _split_folder(root: Path, train: bool) -> Path:
    there = {split.name for split in _splits(root)}
    wanted = ("train",) if train else ("test", "val")
    if not there:
        return root
    for name in wanted:
        if name in there:
            return root / name
    raise InputError(
        f"{root} has {', '.join(sorted(there))}/ but not {' or '.join(wanted)}/: choose the "
        "other split or add the folder"
    )


def picture_reader(
    name: str, read: Callable[[int], tuple[Any, Any]], resize: int | None, crop: int | None
) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return what reads samples by their indices `(n,)`: images `(n, C, H, W)`, labels `(n,)`.

    `read` returns one sample; `name` is that of the data set, for messages. Raises InputError for
    samples that are no pictures with a label, and for pictures that differ in size.
    """

    def take(indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        images, labels = [], []
        for index in indices:
            picture, label = read(int(index))
            if not isinstance(picture, Image.Image) or not isinstance(label, int | np.integer):
                raise InputError(
                    f"{name} must give (picture, whole label); got ({type(picture).__name__}, "
                    f"{type(label).__name__})"
                )
            images.append(_array(name, picture, resize, crop))
            labels.append(int(label))
            if images[-1].shape != images[0].shape:
                raise InputError(
                    f"pictures of {name} differ in size: {images[0].shape} and {images[-1].shape} "
                    "(C, H, W); give crop: (and resize:), in pixels"
                )
        return np.stack(images), np.asarray(labels, np.int64)

    return take


def _array(name: str, picture: Image.Image, resize: int | None, crop: int | None) -> np.ndarray:
    """A picture as uint8 `(C, H, W)`: grey ones with one channel, all others as RGB."""
    picture = picture if picture.mode in ("L", "RGB") else picture.convert("RGB")
    if resize is not None:
        picture = functional.resize(picture, [resize])
    if crop is not None:
        if crop > min(picture.size):
            raise InputError(
                f"a picture of {name} is {picture.height} x {picture.width}, smaller than "
                f"crop: {crop}; give resize: {crop} or more"
            )
        picture = functional.center_crop(picture, [crop])
    pixels = np.asarray(picture)
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its type where it has none."""
    return str(error).strip().split("\n")[0] or type(error).__name__
