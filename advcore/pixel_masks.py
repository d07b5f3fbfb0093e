"""Masks of pixels: which of a picture's pixels something is done to."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from advcore.randomness import Randomness
from advcore.rectangle import Rectangle


class PixelMask(Protocol):
    """A frozen dataclass that chooses pixels, the same ones in every picture of a size."""

    def __call__(self, shape: tuple[int, ...]) -> Tensor:
        """Return True at the chosen pixels, `(H, W)`, of pictures of the shape (C, H, W).

        Raises ValueError for inputs that are no pictures, or have not so many pixels.
        """


@dataclass(frozen=True)
class RandomPixels:
    """Pixels that are drawn at random, uniformly and without replacement: a control.

    Attributes:
        count: number of the pixels.
        seed: seed of the draw.
    """

    count: int
    seed: int = 0

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"count of the pixels must be at least 1; got {self.count}")

    def __call__(self, shape: tuple[int, ...]) -> Tensor:
        """Return True at the chosen pixels, `(H, W)`, of pictures of the shape (C, H, W)."""
        height, width = _size(shape)
        if self.count > height * width:
            raise ValueError(
                f"count must be at most {height * width}, the pixels of pictures of {height} x "
                f"{width}; got {self.count}"
            )
        drawn = Randomness(self.seed, torch.zeros(1, dtype=torch.int64)).stream("pixels")
        chosen = torch.zeros(height * width, dtype=torch.bool)
        chosen[drawn.uniform((height * width,))[0].argsort()[: self.count]] = True
        return chosen.view(height, width)


def _size(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the height and width of pictures (C, H, W)."""
    if len(shape) != 3:
        raise ValueError(f"a mask of pixels needs pictures (C, H, W); got inputs of {tuple(shape)}")
    return shape[1], shape[2]


PIXEL_MASKS: dict[str, type] = {"rectangle": Rectangle, "random_pixels": RandomPixels}
"""The masks of pixels that a file can name by `kind`."""
