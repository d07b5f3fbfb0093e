"""Data sets of pictures in files: read, resized and cropped only where they are taken."""

import inspect
import os
import warnings
from collections.abc import Callable, Mapping
from functools import partial
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

UNPICKLED = ("LSUN",)
"""Classes of torchvision that unpickle what lies beside their data, unseen (CIFAR's, which are
pickles too, by their hash)."""


def image_folder(path: str, train: bool, resize: int | None, crop: int | None) -> Source:
    """Load pictures as RGB, uint8, from one folder per class.

    They lie under `path/CLASS/`, or under `path/train/CLASS/` and `path/test/CLASS/` (or val).

    Classes are numbered in the order of their names over all splits together: one that a split
    lacks keeps its number there.
    """
    root = expand_path(path)
    if not os.path.isdir(root):
        raise InputError(f"data set imagefolder:{path} is no folder: check the path")
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
        len(dataset), tuple(dataset.classes), _taker(f"imagefolder:{path}", read, resize, crop)
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
        raise InputError(f"{file} cannot be read as a picture (it is no file): repair or remove it")
    try:
        with warnings.catch_warnings(), open(file, "rb") as opened:
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(opened, formats=FORMATS)
            if picture.mode in MODES:
                return picture.convert("RGB")
    except Exception as error:  # what Pillow raises at damaged bytes is no short list
        raise InputError(
            f"{file} cannot be read as a picture ({_line(error)}): repair or remove it"
        ) from error
    raise InputError(
        f"{file} must have 8 bits for each channel; got Pillow's mode {picture.mode}: convert it"
    )


def torchvision_source(
    name: str,
    train: bool,
    folder: str | None,
    resize: int | None,
    crop: int | None,
    arguments: Mapping[str, Any],
) -> Source:
    """Load a data set of `torchvision.datasets` whose samples are (picture, label).

    It is read from `folder`, or downloaded into it.

    The split goes to the class as `train=` where it takes that, else as `split=` "train" or "test",
    or "val" where the class knows no "test"; `arguments` may give another `split`. A class that
    takes neither is one set, and stands for "test".
    """
    kind = (
        getattr(torchvision.datasets, name, None) if name in torchvision.datasets.__all__ else None
    )
    if not callable(kind):
        raise InputError(f"torchvision:{name} must be a class of torchvision.datasets; CIFAR10 say")
    if name in UNPICKLED:
        raise InputError(
            f"torchvision:{name} unpickles files beside its data, which could run code: take "
            "imagefolder: or npz:"
        )
    known = _parameters(kind)
    free = sorted(known - {"root", "train", "download"})
    if not arguments.keys() <= set(free):
        came = ", ".join(map(str, arguments.keys() - set(free)))
        raise InputError(
            f"torchvision:{name} takes no argument {came} here: expected some of {', '.join(free)}"
        )
    if train and not known & {"train", "split"}:
        raise InputError(
            f"torchvision:{name} is one set, without a split train: take it as split test, or "
            "another data set"
        )
    root = expand_path(folder or "~/.cache/advcore")
    fixed = {"root": str(root)} if "root" in known else {}
    choices = _choices(known, train, arguments)
    for choice in choices[:-1]:
        try:
            dataset = _opened(name, partial(kind, **fixed, **choice), root, "download" in known)
            break
        except InputError as refusal:
            if not _is_unknown_split(refusal.__cause__):
                raise
    else:
        dataset = _opened(name, partial(kind, **fixed, **choices[-1]), root, "download" in known)
    return Source(
        len(dataset),
        _class_names(dataset),
        _taker(f"torchvision:{name}", dataset.__getitem__, resize, crop),
    )


def _parameters(kind: Any) -> set[str]:
    """Return the names of the arguments of a class.

    Those that it hands on to its parents by **arguments are among them.
    """
    named: set[str] = set()
    for cls in getattr(kind, "__mro__", (kind,)):
        parameters = inspect.signature(cls).parameters.values()
        named |= {
            entry.name
            for entry in parameters
            if entry.kind not in (entry.VAR_POSITIONAL, entry.VAR_KEYWORD)
        }
        if not any(entry.kind is entry.VAR_KEYWORD for entry in parameters):
            break
    return named


def _choices(known: set[str], train: bool, arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The keyword arguments to try, in order."""
    if "train" in known:
        return [{"train": train, **arguments}]
    if "split" not in known:
        return [{**arguments}]
    return [
        {"split": split, **arguments}
        for split in (("train",) if train or "split" in arguments else ("test", "val"))
    ]


def _is_unknown_split(error: BaseException | None) -> bool:
    return isinstance(error, ValueError) and "split" in str(error)


def _opened(name: str, make: Callable[..., Any], root: Path, downloads: bool) -> Any:
    try:
        return make()
    except TypeError as error:
        raise InputError(
            f"torchvision:{name} cannot be made ({_line(error)}): check arguments:"
        ) from error
    except Exception as error:
        # torchvision's classes raise what they like when their files are not there
        if not downloads or _is_unknown_split(error):
            raise InputError(
                f"torchvision:{name} cannot be read from {root}: {_line(error)}; give folder: "
                "with its files"
            ) from error
    try:
        root.mkdir(parents=True, exist_ok=True)
        return make(download=True)
    except Exception as error:
        raise InputError(
            f"torchvision:{name} is not in {root} and cannot be downloaded ({_line(error)}): "
            "give folder: with its files"
        ) from error


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


def _class_names(dataset: Any) -> tuple[str, ...]:
    names = getattr(dataset, "classes", None)
    if names:
        return tuple(map(str, names))
    labels = next(
        (
            getattr(dataset, key)
            for key in ("targets", "labels", "_labels")
            if hasattr(dataset, key)
        ),
        None,
    )
    if labels is None:
        labels = [dataset[index][1] for index in range(len(dataset))]
    return tuple(str(label) for label in range(int(np.max(np.asarray(labels))) + 1))


def _taker(
    name: str, read: Callable[[int], tuple[Any, Any]], resize: int | None, crop: int | None
) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
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


def _line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__
