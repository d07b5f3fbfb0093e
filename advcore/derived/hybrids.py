"""Hybrid images: low frequencies of one image, high ones of another (Oliva et al. 2006)."""

from typing import Literal

import torch
from torch import Tensor

from advcore.checks import check_pictures
from advcore.frequency import cut_off, low_pass
from advcore.norms import L2, per_sample

SplitName = Literal["frequency", "size"]
"""The kinds of parts that two images give to a hybrid."""


def check_hybrid(shape: tuple[int, ...], band: int) -> None:
    """Raise ValueError for hybrids that inputs `(C, H, W)` cannot have."""
    _, height, width = check_pictures(shape, "a hybrid")
    if not 1 <= band < min(height, width):
        raise ValueError(
            "band must be from 1 to below the shorter side of the pictures, "
            f"{min(height, width)}, so that both cues have frequencies; got {band}"
        )


def mixed(low: Tensor, high: Tensor, band: int, split: SplitName = "frequency") -> Tensor:
    """Return the hybrids `(B, C, H, W)` of two batches of images of that shape.

    By `frequency` it is the `band` x `band` lowest DCT frequencies of each channel of `low` and all
    others of `high`: `low_pass(low) + cut_off(high)`. By `size`, a control, both are whole, and as
    long in l2 as these parts: `a low + b high` with `a = ||low_pass(low)|| / ||low||` and
    `b = ||cut_off(high)|| / ||high||`. Pixels may leave [0, 1].
    """
    parts = low_pass(low, band), cut_off(high, band)
    if split == "frequency":
        return parts[0] + parts[1]
    return _as_long(low, parts[0]) + _as_long(high, parts[1])


def _as_long(images: Tensor, parts: Tensor) -> Tensor:
    """Return images of the l2 norm that parts of them have; those of 0 stay 0."""
    least = torch.finfo(images.dtype).tiny
    return images * per_sample(L2.size(parts) / L2.size(images).clamp(min=least), images)
