"""Checks of images and labels: their types, ranges and shapes."""

from collections.abc import Sequence

import numpy as np

from advcore.classifier import exactly
from advcore.workers.errors import InputError

CLASSES = 100_000
"""Largest number of classes of data that do not name them: a larger label is a mistake, or there to
fill the memory."""


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


def unbounded(values: np.ndarray) -> np.ndarray:
    """Return floating inputs that have no box as float32; other types are refused."""
    if values.dtype.kind != "f":
        raise InputError(
            f"inputs without a box must be floating; got {values.dtype}: convert them, "
            "values.astype(np.float32)"
        )
    with np.errstate(over="ignore"):  # what becomes infinite is refused as such
        return values.astype(np.float32)


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


def check_shape(shape: Sequence[int], dtype: np.dtype, box: bool = True) -> None:
    """Raise InputError unless these are pictures `(N, C, H, W)`, uint8 or float32, and some.

    Inputs without a box may be of any rank from 2 on.
    """
    if not box and (len(shape) < 2 or dtype not in (np.uint8, np.float32)):
        raise InputError(
            "inputs without a box must be (N, F), (N, T, E) or of a higher rank; got "
            f"{dtype} {tuple(shape)}: give each sample a row, values[:, None] say"
        )
    if box and (len(shape) != 4 or dtype not in (np.uint8, np.float32)):
        raise InputError(
            f"images must be (N, C, H, W), uint8 or float32; got {dtype} "
            f"{tuple(shape)}: reshape or convert them"
        )
    if 0 in shape:
        raise InputError(
            f"{'images' if box else 'inputs'} must hold at least one sample and one "
            f"{'pixel' if box else 'number'}; got shape {tuple(shape)}: "
            "give others"
        )


def check_values(images: np.ndarray, indices: np.ndarray | None = None, box: bool = True) -> None:
    """Raise InputError where values are not finite, or outside [0, 1] if they have that `box`.

    Samples are called by their `indices` `(N,)`, else by their positions.
    """
    if images.dtype == np.uint8:
        return
    finite = np.isfinite(images)
    if not finite.all():
        first = int(np.flatnonzero(~finite.reshape(len(images), -1).all(axis=1))[0])
        raise InputError(
            f"{'images' if box else 'inputs'} hold NaN or infinite values, first in sample "
            f"{first if indices is None else indices[first]}: remove such samples"
        )
    low, high = float(images.min()), float(images.max())
    if box and (low < 0 or high > 1):
        raise InputError(
            f"images must lie in [0, 1]; got [{exactly(low)}, {exactly(high)}]: divide 8-bit "
            "pixels by 255, leave normalisation to the model"
        )


def check_labels(labels: np.ndarray, samples: int, classes: int) -> None:
    """Raise InputError unless there is one label for each sample, of one of the classes."""
    if labels.shape != (samples,):
        raise InputError(
            f"a data set needs one label per image; got {samples} images and labels {labels.shape}"
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise InputError(
            f"labels must lie in 0..{classes - 1} ({classes} classes); got "
            f"{labels.min()}..{labels.max()}"
        )
