"""Pixelation: an image made smaller by means over boxes, and larger by repetition."""

import math
from functools import lru_cache
from itertools import accumulate

import torch
from torch import Tensor

from advcore.corruptions.corruption import Corruption
from advcore.corruptions.filters import along_last
from advcore.randomness import Randomness


def pixelated(images: Tensor, randomness: Randomness, share: float) -> Tensor:
    """Return images of `share` times as many pixels a side, each as large as it then is.

    As in Pillow, whose BOX filter it is: along rows first, rounded to 8 bits after each axis.
    """
    down, across = (_boxes(size, int(size * share)).to(images) for size in images.shape[-2:])
    columns = _rounded(along_last(across, images * 255))
    return _rounded(along_last(down, columns)).div_(255).movedim((0, 1), (-2, -1))


def _rounded(levels: Tensor) -> Tensor:
    return levels.add_(0.5 + 1e-9).floor_()


@lru_cache(maxsize=32)
def _boxes(many: int, few: int) -> Tensor:
    """Return the matrix (many, many) of means over the box, of `few`, that each pixel lies in.

    Its pixels are those whose centre is in it; one on the rim of two is where Pillow's rounding
    puts it.
    """
    scale = many / few
    centres = (torch.arange(few, dtype=torch.float64)[:, None] + 0.5) * scale
    pixels = torch.arange(many)
    first, last = (torch.floor(centres + half + 0.5) for half in (-0.5 * scale, 0.5 * scale))
    offsets = (pixels - centres + 0.5) * (1 / scale)
    within = (offsets > -0.5) & (offsets <= 0.5) & (pixels >= first) & (pixels < last)
    return (within.double() / within.sum(1, keepdim=True))[_nearest(few, many)]


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
