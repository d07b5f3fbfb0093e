"""A data set: its description and the arrays that it selects."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch

from advcore.classifier import exactly
from advcore.randomness import drawn_places
from advcore.transforms import Transform
from advcore.workers.errors import USERS_ERRORS, InputError
from advcore.workers.models import transform_identity


@dataclass(frozen=True)
class DataSpec:
    """A data set that can be loaded by name, and which of its samples.

    Attributes:
        name: name in `advcore.workers.datasets.NAMES`.
        split: train or test.
        samples: number of samples, drawn uniformly without replacement by `seed`, kept in ascending
            order; none means all.
        seed: seed of that draw.
        folder: folder of its files, or of a download.
        resize: length of the shorter side after resizing, in pixels. For pictures in files only.
        crop: side of the central square that is then kept, in pixels. For pictures in files only.
        arguments: further keyword arguments of the class in `torchvision:NAME`, EMNIST's `split:
            letters` say.
        layout: layout of an npz archive's images, nchw or nhwc (channels last, as most arrays lie,
            which are then transposed); none takes them as (N, C, H, W), but refuses what looks like
            channels last.
        transform: transform of the images, applied in floating point when a batch is cut, and never
            clipped: `{kind: flip}` say.
    """

    name: str
    split: Literal["train", "test"] = "test"
    samples: int | None = None
    seed: int = 0
    folder: str | None = None
    resize: int | None = None
    crop: int | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    layout: Literal["nchw", "nhwc"] | None = None
    transform: Transform | None = None


@dataclass(frozen=True, eq=False)
class Source:
    """A whole split whose samples are read when they are taken.

    `take(indices)` returns images `(n, C, H, W)` and labels `(n,)`.
    """

    samples: int
    names: tuple[str, ...]
    take: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Selected samples. 8-bit images stay 8-bit: four times less to ship to the workers.

    `images` `(N, C, H, W)`, uint8 or float32 in [0, 1]; `labels` `(N,)` int64; `indices` `(N,)`
    int64, each sample's index in the whole split; `names`, one per class; `transform`, what batches
    of it go through. Raises InputError unless that is so.
    """

    images: np.ndarray
    labels: np.ndarray
    indices: np.ndarray
    names: tuple[str, ...]
    transform: Transform | None = None

    def __post_init__(self) -> None:
        _check_images(self.images)
        _check_transform(self.transform, self.shape)
        _check_labels(self.labels, len(self.images), len(self.names))
        if self.indices.shape != self.labels.shape:
            raise InputError(
                f"a data set needs one index per sample; got {self.indices.shape} for "
                f"{len(self.images)} samples"
            )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    @property
    def classes(self) -> int:
        """The number of classes."""
        return len(self.names)

    @cached_property
    def places(self) -> np.ndarray:
        """The place of each sample in a random order, `(N,)`.

        A hash of the indices draws it: see `advcore.randomness.drawn_places`.
        """
        return drawn_places(torch.from_numpy(self.indices.copy())).numpy()

    @cached_property
    def digest(self) -> str:
        """The sha256 of images, labels and indices, with their shapes and types.

        It covers the transform, if there is one.
        """
        digest = hashlib.sha256()
        for array in (self.images, self.labels, self.indices):
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
        if self.transform is not None:
            digest.update(transform_identity(self.transform).encode())
        return digest.hexdigest()


def pixels(images: np.ndarray) -> np.ndarray:
    """Return uint8 images as they are, floating ones as float32.

    Other types are refused, for their range is not known.

    Floating ones that lie outside [0, 1] by four roundings at most are drawn in.
    """
    if images.dtype == np.uint8:
        return images
    if images.dtype.kind != "f":
        raise InputError(
            f"images must be uint8, or floating in [0, 1]; got {images.dtype}: convert them"
        )
    with np.errstate(over="ignore"):  # what becomes infinite is refused as such
        images = images.astype(np.float32)
    slack = 4 * np.finfo(np.float32).eps
    outside = images.size and (
        images.min() < 0 or images.max() > 1
    )  # both False where there is NaN, which is refused later
    return (
        images.clip(0, 1)
        if outside and images.min() >= -slack and images.max() <= 1 + slack
        else images
    )


def whole_labels(labels: np.ndarray) -> np.ndarray:
    """Labels as int64 `(N,)`; floating ones pass when they are whole."""
    if labels.dtype.kind not in "iuf" or labels.ndim != 1:
        raise InputError(f"labels must be whole numbers (N,); got {labels.dtype} {labels.shape}")
    if labels.dtype.kind == "f" and not np.equal(labels, np.floor(labels)).all():
        raise InputError(
            f"labels must be whole numbers; got {labels[~np.equal(labels, np.floor(labels))][0]}"
        )
    if len(labels) and not -(2**31) <= min(labels.min(), 0) <= max(labels.max(), 0) < 2**31:
        raise InputError(
            f"labels must be whole numbers of classes; got {labels.min()}..{labels.max()}: "
            "number the classes from 0"
        )
    return labels.astype(np.int64)


def _check_images(images: Any) -> None:
    if images.ndim != 4 or images.dtype not in (np.uint8, np.float32):
        raise InputError(
            f"images must be (N, C, H, W), uint8 or float32; got {images.dtype} "
            f"{images.shape}: reshape or convert them"
        )
    if 0 in images.shape:
        raise InputError(
            f"images must hold at least one sample and one pixel; got shape {images.shape}: "
            "give others"
        )
    if images.dtype == np.uint8:
        return
    if not np.isfinite(images).all():
        raise InputError(
            "images hold NaN or infinite values, first in sample "
            f"{_first(~np.isfinite(images))}: remove such samples"
        )
    low, high = float(images.min()), float(images.max())
    if low < 0 or high > 1:
        raise InputError(
            f"images must lie in [0, 1]; got [{exactly(low)}, {exactly(high)}]: divide 8-bit "
            "pixels by 255, leave normalisation to the model"
        )


def _check_transform(transform: Transform | None, shape: tuple[int, int, int]) -> None:
    if transform is None:
        return
    try:
        came = tuple(transform(torch.zeros(1, *shape)).shape[1:])
    except USERS_ERRORS as error:  # a transform may be a user's own code
        raise InputError(
            f"transform {transform!r} does not fit images {shape} (channels, height, width): "
            f"{error}"
        ) from error
    if came != shape:
        raise InputError(
            f"transform {transform!r} must keep the shape {shape} of images (channels, height, "
            f"width); it gave {came}"
        )


def _check_labels(labels: np.ndarray, samples: int, classes: int) -> None:
    if labels.shape != (samples,):
        raise InputError(
            f"a data set needs one label per image; got {samples} images and labels {labels.shape}"
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise InputError(
            f"labels must lie in 0..{classes - 1} ({classes} classes); got "
            f"{labels.min()}..{labels.max()}"
        )


def _first(bad: np.ndarray) -> int:
    return int(np.flatnonzero(bad.reshape(len(bad), -1).any(axis=1))[0])
