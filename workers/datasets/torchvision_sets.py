"""Data sets of `torchvision.datasets` whose samples are pictures with a label."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torchvision

from advcore.workers.datasets.pictures import first_line, picture_reader
from advcore.workers.datasets.sources import ReadAtOnce, Source
from advcore.workers.errors import InputError
from advcore.workers.paths import expand_path

UNPICKLED = ("LSUN",)
"""Classes of torchvision that unpickle what lies beside their data, unseen (CIFAR's, which are
pickles too, by their hash)."""


def torchvision_source(
    name: str,
    train: bool,
    folder: str | None,
    resize: int | None,
    crop: int | None,
    arguments: Mapping[str, Any],
) -> Source:
    """Load a data set of `torchvision.datasets` whose samples are (picture, label).

    It is read from `folder`, or downloaded into it, all selected samples at once: nothing says how
    another process would open it again.

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
            f"torchvision:{name} unpickles files, which can run code: take imagefolder: or npz:"
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
    return ReadAtOnce(
        len(dataset),
        _class_names(dataset),
        picture_reader(f"torchvision:{name}", dataset.__getitem__, resize, crop),
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
            f"torchvision:{name} cannot be made ({first_line(error)}): check arguments:"
        ) from error
    except Exception as error:
        # torchvision's classes raise what they like when their files are not there
        if not downloads or _is_unknown_split(error):
            raise InputError(
                f"torchvision:{name} cannot be read from {root}: {first_line(error)}; give folder: "
                "with its files"
            ) from error
    try:
        root.mkdir(parents=True, exist_ok=True)
        return make(download=True)
    except Exception as error:
        raise InputError(
            f"torchvision:{name} is not in {root} and cannot be downloaded ({first_line(error)}): "
            "give folder: with its files"
        ) from error


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
