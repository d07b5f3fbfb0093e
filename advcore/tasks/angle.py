"""Regression: by which angle a picture was turned."""

from dataclasses import dataclass
from math import pi

import torch
import torch.nn.functional as F
from torch import Tensor

from advcore.checks import check_pictures
from advcore.randomness import Randomness
from advcore.tasks.output_criteria import Regression


@dataclass(frozen=True)
class Angle:
    """Tell by which angle a picture was turned.

    Each is turned about its middle, bilinear, 0 outside, by a uniform angle between the `largest`
    and its negative. The target `(B, 1)` is the angle as a share of the largest, in [-1, 1]; so are
    the network's first output, the loss, half the squared error, and the tolerance.

    Attributes:
        largest: largest angle, in degrees.
        tolerance: error from which on a picture counts as wrong, as a share of `largest`, see
            `advcore.tasks.Regression`.
    """

    largest: float = 45.0
    tolerance: float = 0.25

    def __post_init__(self) -> None:
        Regression(self.tolerance)
        if not 0 < self.largest <= 180:
            raise ValueError(f"largest must lie in (0, 180] degrees; got {self.largest}")

    @property
    def criterion(self) -> Regression:
        return Regression(self.tolerance)

    def check(self, shape: tuple[int, ...]) -> None:
        check_pictures(shape, "the angle of a turn")

    def pose(self, images: Tensor, randomness: Randomness) -> tuple[Tensor, Tensor]:
        targets = 2 * randomness.stream("angle").uniform((1,)).to(images) - 1
        return turned(images, targets[:, 0] * self.largest), targets

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs[:, :1] - targets).square().sum(1) / 2


def turned(images: Tensor, degrees: Tensor) -> Tensor:
    """Return images `(B, C, H, W)` turned by angles `(B,)`, counter-clockwise, 0 outside."""
    angle = degrees * (pi / 180)
    cos, sin, none = angle.cos(), angle.sin(), torch.zeros_like(angle)
    height, width = images.shape[2:]
    map_back = torch.stack(
        [
            torch.stack([cos, -sin * (height / width), none], 1),
            torch.stack([sin * (width / height), cos, none], 1),
        ],
        1,
    )
    grid = F.affine_grid(map_back, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)
