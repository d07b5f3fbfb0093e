"""Pixelation: an image made smaller by means over boxes, and larger by repetition."""

import math
from functools import lru_cache
from itertools import accumulate

import torch
from torch import Tensor

from advcore.corruptions.corruption import Corruption
from advcore.randomness import Randomness


def pixelated(images: Tensor, randomness: Randomness, share: float) -> Tensor:
    """Return images of `share` times as many pixels a side, each as large as it then is.

    As in Pillow, whose BOX filter it is: along rows first, rounded to 8 bits after each axis.
    """
    height, width = images.shape[-2:]
    few_rows, few_columns = int(height * share), int(width * share)
    narrow = _rounded(images * 255 @ _boxes(width, few_columns).to(images).mT)
    small = _rounded(_boxes(height, few_rows).to(images) @ narrow)
    rows, columns = (
        _nearest(few, many).to(images.device)
        for few, many in ((few_rows, height), (few_columns, width))
    )
    return small[..., rows[:, None], columns] / 255


def _rounded(levels: Tensor) -> Tensor:
    return torch.floor(levels + 0.5 + 1e-9)


@lru_cache(maxsize=32)
def _boxes(many: int, few: int) -> Tensor:
    """Return the matrix (few, many) of means over the pixels whose centre is in each box.

    A centre on the rim of two boxes is where Pillow's rounding puts it.
    """
    scale = many / few
    centres = (torch.arange(few, dtype=torch.float64)[:, None] + 0.5) * scale
    pixels = torch.arange(many)
    first, last = (torch.floor(centres + half + 0.5) for half in (-0.5 * scale, 0.5 * scale))
    offsets = (pixels - centres + 0.5) * (1 / scale)
    within = (offsets > -0.5) & (offsets <= 0.5) & (pixels >= first) & (pixels < last)
    return within.double() / within.sum(1, keepdim=True)


def _nearest(few: int, many: int) -> Tensor:
    """Return the box that each pixel lies in, by sums of its width as Pillow has them."""
    width = few / many
    ends = accumulate([0.5 * width] + [width] * (many - 1))
    return torch.tensor([math.floor(end) for end in ends])


PIXELATE = Corruption(
    pixelated,
    small=((0.95,), (0.9,), (0.85,), (0.75,), (0.65,)),
    medium=((0.9,), (0.8,), (0.7,), (0.6,), (0.5,)),
    large=((0.6,), (0.5,), (0.4,), (0.3,), (0.25,)),
)
