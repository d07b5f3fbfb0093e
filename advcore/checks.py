"""Checks of images, logits and labels before a measurement begins."""

import math

import torch
from torch import Tensor


def check_tensor(images: object) -> None:
    """Raise ValueError unless `images` is a floating tensor."""
    if not isinstance(images, Tensor):
        raise ValueError(
            f"images must be a tensor (B, C, H, W); got {describe_type(images)}: torch.as_tensor "
            "makes one"
        )
    if not images.is_floating_point():
        raise ValueError(
            f"images must be a floating tensor (B, C, H, W); got {images.dtype} "
            f"{tuple(images.shape)}"
        )


def check_batch(images: Tensor) -> None:
    """Raise ValueError unless `images` is a finite floating batch `(B, *shape)`, B >= 1.

    Images are `(B, C, H, W)`; tables are `(B, F)`, sequences `(B, T, E)`.
    """
    _ends_of_batch(images)


def _ends_of_batch(images: Tensor) -> tuple[float, float]:
    """Return the smallest and the largest number of a batch, as `check_batch` wants it."""
    check_tensor(images)
    if images.dim() < 2:
        raise ValueError(
            f"images must be a floating tensor (B, C, H, W); got {images.dtype} "
            f"{tuple(images.shape)}"
        )
    if len(images) == 0:
        raise ValueError("images hold no sample; a batch needs at least one")
    smallest, largest = _ends(images)
    if not (math.isfinite(smallest) and math.isfinite(largest)):
        raise ValueError("images hold NaN or infinite values; remove those samples first")
    return smallest, largest


def _ends(values: Tensor) -> tuple[float, float]:
    """Return the smallest and the largest number, NaN where one is: one pass, of `isfinite` ten."""
    if values.numel() == 0:
        return 0.0, 0.0
    smallest, largest = torch.stack(values.detach().aminmax()).tolist()
    return smallest, largest


def check_pictures(shape: tuple[int, ...], name: str) -> tuple[int, int, int]:
    """Return (C, H, W) of one input of this `shape`.

    Raises ValueError where it is none; `name` says what needs it.
    """
    if len(shape) != 3:
        raise ValueError(
            f"{name} needs pictures (channels, height, width); got inputs of "
            f"{' x '.join(map(str, shape))} numbers"
        )
    channels, height, width = shape
    return channels, height, width


def check_images(images: Tensor, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Return images in [low, high], a batch as `check_batch` wants it.

    Pixels that are outside by four roundings at most are clipped.

    Raises ValueError for others.
    """
    smallest, largest = _ends_of_batch(images)
    if low <= smallest and largest <= high:
        return images
    slack = 4 * torch.finfo(images.dtype).eps
    if low - slack <= smallest and largest <= high + slack:
        return images.clamp(low, high)
    raise ValueError(
        f"images must lie in [{low:g}, {high:g}]; got [{exactly(smallest)}, {exactly(largest)}]. "
        "Scale the pixels (divide 8-bit ones by 255) and put normalisation into the classifier "
        "(advcore.Normalized)"
    )


def exactly(value: float) -> str:
    """A number in few digits, in all of them where few would hide that it is not 0 or 1."""
    return repr(value) if float(f"{value:g}") in (0, 1) and value not in (0, 1) else f"{value:g}"


def check_logits(logits: Tensor, samples: int) -> None:
    """Raise ValueError unless `logits` is finite and `(samples, K)` with K >= 2.

    Also raise it for logits that look like probabilities.
    """
    if logits.dim() != 2 or logits.shape[0] != samples or logits.shape[1] < 2:
        raise ValueError(
            f"the classifier must give logits ({samples}, K) with K >= 2; got {tuple(logits.shape)}"
        )
    check_finite(logits)
    values = logits.detach()
    if (values >= 0).all() and torch.allclose(values.sum(1), values.new_ones(samples), atol=1e-4):
        raise ValueError(
            "the classifier's outputs look like probabilities (each row is >= 0 and sums to "
            "1); give logits: leave the softmax out"
        )


def check_finite(logits: Tensor) -> None:
    """Raise ValueError unless all logits are finite."""
    if not torch.isfinite(logits).all():
        raise ValueError(
            "the classifier gives NaN or infinite logits; check its weights and its normalisation"
        )


def check_labels(labels: Tensor, samples: int, classes: int) -> None:
    """Raise ValueError unless `labels` holds one whole number in [0, classes) per sample."""
    if labels.shape != (samples,) or labels.is_floating_point() or labels.dtype == torch.bool:
        raise ValueError(
            f"labels must be whole numbers ({samples},); got {labels.dtype} {tuple(labels.shape)}"
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"labels must lie in 0..{classes - 1} ({classes} logits); got "
            f"{int(labels.min())}..{int(labels.max())}"
        )


def describe_type(thing: object) -> str:
    """Describe what came in place of a tensor: its type, and how long it is."""
    size = f" of {len(thing)}" if isinstance(thing, tuple | list | dict) else ""
    return f"a {type(thing).__name__}{size}"
