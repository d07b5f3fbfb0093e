"""A corruption: a map of images, with constants for each resolution and severity."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from advcore.checks import check_images, check_pictures
from advcore.randomness import Randomness

Constants = Literal["auto", "small", "medium", "large"]
Rows = tuple[tuple[float, ...], ...]

LEAST = 8
"""Smallest side of an image that can be corrupted, in pixels."""
SMALL, MEDIUM = 32, 127
"""Largest sides of images that have CIFAR's constants, and those of 64 pixels."""
SEVERITIES = 5
_NUMBERS = 2**18
"""Numbers of the images that are corrupted at a time, at most: more take memory, fewer take
longer, each operator on its own."""
_SLACK = 2.0**-10
"""Part of a level by which a number may fall short of it: rounding takes no level away."""


@dataclass(frozen=True)
class Corruption:
    """A map of images, with five rows of constants for each resolution, severity 1 first.

    Source: Hendrycks and Dietterich 2019, "Benchmarking neural network robustness to common
    corruptions and perturbations", and their code.

    Attributes:
        apply: function `(images, randomness, *constants) -> images`, of float64 images
            `(B, C, H, W)` with C of 1 or 3, each number a level of 8 bits over 255; what it returns
            may leave [0, 1], where it is clipped.
        small: constants of CIFAR-10-C, for sides up to 32 pixels.
        medium: constants of Tiny-ImageNet-C, of 64 pixels, for sides up to 127.
        large: constants of ImageNet-C, of 224 pixels, for sides from 128.
        coloured: True where it acts on colours, which a grey image lacks.
    """

    apply: Callable[..., Tensor]
    small: Rows
    medium: Rows
    large: Rows
    coloured: bool = False

    def check(
        self, shape: tuple[int, ...], severity: int, constants: Constants, name: str = "corruption"
    ) -> None:
        """Raise ValueError for one input's shape or for settings that it cannot have."""
        channels, height, width = check_pictures(shape, name)
        if channels not in (1, 3):
            raise ValueError(f"{name} needs images of 1 or 3 channels; got {channels}")
        if min(height, width) < LEAST:
            raise ValueError(
                f"{name} needs images of at least {LEAST} x {LEAST} pixels; got {height} x {width}"
            )
        if self.coloured and channels == 1:
            raise ValueError(
                f"{name} changes colours alone, of which grey images have none: leave it out"
            )
        if type(severity) is not int or severity not in range(1, SEVERITIES + 1):
            raise ValueError(f"severity must be one of 1, 2, 3, 4, 5; got {severity}")
        if constants not in ("auto", "small", "medium", "large"):
            raise ValueError(f"constants must be auto, small, medium or large; got {constants!r}")

    def row(self, severity: int, constants: Constants, shape: tuple[int, ...]) -> tuple[float, ...]:
        """Return the constants of a severity, 1 to 5, for images of a shape (C, H, W)."""
        side = max(shape[1:])
        sized: Constants = "small" if side <= SMALL else "medium" if side <= MEDIUM else "large"
        tables = {"small": self.small, "medium": self.medium, "large": self.large}
        return tables[sized if constants == "auto" else constants][severity - 1]

    def __call__(
        self,
        images: Tensor,
        severity: int,
        randomness: Randomness,
        constants: Constants = "auto",
        name: str = "corruption",
    ) -> Tensor:
        """Return the images, corrupted, `(B, C, H, W)`, each number a level of 8 bits over 255.

        They are rounded to 8 bits before and, as the original's pictures are, cut to 8 bits
        after: the corruption is a map of 8-bit pictures. It acts in float64, so that the levels do
        not depend on the batch.

        Args:
            images: `(B, C, H, W)` in [0, 1], C of 1 or 3, sides of 8 pixels at least.
            severity: 1 to 5.
            randomness: source of what is random, by (seed, sample index); one index per image.
            constants: table of constants; `auto` takes the one of the images' longer side.
            name: name in the messages.

        Raises:
            ValueError: where images or settings are others.
        """
        images = check_images(images)
        randomness.check(len(images))
        shape = images.shape[1:]
        self.check(shape, severity, constants, name)
        row = self.row(severity, constants, shape)
        made = torch.empty_like(images)
        count = max(1, _NUMBERS // shape.numel())
        for start in range(0, len(images), count):
            some = slice(start, start + count)
            levels = images[some].to(torch.float64, copy=True).mul_(255).round_()
            corrupted = self.apply(levels.div_(255), randomness.take(some), *row)
            made[some] = cut_to_levels(corrupted)
        return made.div_(255)


def cut_to_levels(images: Tensor) -> Tensor:
    """Return the levels, 0 to 255, of images: what stands before the decimal point of 255 x."""
    return images.new_tensor(_SLACK).add(images, alpha=255).floor_().clamp_(0, 255)
