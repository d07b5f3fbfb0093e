"""Rotation, translation, shear and scale of pictures (Engstrom et al. 2019)."""

import math
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from advcore.checks import check_pictures
from advcore.classifier import Classifier
from advcore.randomness import Randomness
from advcore.threats.region import Mapped


@dataclass(frozen=True)
class Spatial:
    """Turn, shift, shear and scale a picture, bilinearly, with black beyond its edge.

    The size is the largest of the parameters, each as a share of its limit below: eps 1 allows them
    all. With one limit alone the size times the limit is an angle, a length, ...: how far one must
    go. What is moved out of the picture is lost: give networks pictures with a margin (`pad`).

    Attributes:
        rotation: largest angle, degrees.
        translation: largest shift along each axis, pixels.
        shear: largest shear, pixels sideways for each pixel up.
        scale: largest change of size: factors from 1 / (1 + scale) to 1 + scale.
    """

    rotation: float = 30.0
    translation: float = 3.0
    shear: float = 0.0
    scale: float = 0.0

    def __post_init__(self) -> None:
        limits = {own.name: getattr(self, own.name) for own in fields(self)}
        if not all(0 <= value < math.inf for value in limits.values()):
            raise ValueError(f"limits must not be negative, and finite; got {limits}")
        if not any(limits.values()):
            raise ValueError("one of rotation, translation, shear and scale must be above 0")

    @property
    def name(self) -> str:
        return "spatial"

    def around(self, inputs: Tensor, radius: Tensor, classifier: Classifier) -> "SpatialRegion":
        """The pictures `(B, C, H, W)` that may be reached."""
        check_pictures(inputs.shape[1:], f"threat model {self.name}")
        given = (self.rotation, self.translation, self.translation, self.shear, self.scale)
        return SpatialRegion(inputs, radius, torch.tensor(given, dtype=inputs.dtype))


NAMES = ("rotation", "right", "down", "shear", "scale")
"""The parameters, in their order."""


@dataclass(frozen=True, eq=False)
class SpatialRegion(Mapped):
    """Pictures that are turned and shifted.

    Parameters `(B, 5)`: rotation, shift right, shift down, shear, change of size, each as a share
    of its limit, `limits` `(5,)`; those with limit 0 stay 0.
    """

    limits: Tensor

    @property
    def _free(self) -> Tensor:
        return (self.limits > 0).to(self.inputs)

    def rest(self) -> Tensor:
        return self.inputs.new_zeros(len(self.inputs), len(self.limits))

    def random(self, randomness: Randomness) -> Tensor:
        uniform = 2 * randomness.uniform((len(self.limits),)).to(self.inputs) - 1
        return uniform * self.radius[:, None] * self._free

    def apply(self, parameters: Tensor) -> Tensor:
        height, width = self.inputs.shape[-2:]
        return F.grid_sample(
            self.inputs,
            F.affine_grid(
                _matrices(parameters * self.limits.to(parameters), height, width),
                list(self.inputs.shape),
                align_corners=False,
            ),
            align_corners=False,
        )

    def project(self, parameters: Tensor) -> Tensor:
        reach = self.radius[:, None]
        return parameters.clamp(-reach, reach) * self._free

    def size(self, parameters: Tensor) -> Tensor:
        return parameters.abs().amax(1)

    def steepest(self, gradient: Tensor, parameters: Tensor) -> Tensor:
        return gradient.sign() * self._free

    def grid(self, points: int) -> Tensor:
        """Return all combinations of `points` values of each free parameter, in its limits.

        They run from -1 to 1, `(points ** free, 5)`; rest is among them where `points` is odd.
        """
        values = torch.linspace(-1, 1, points, dtype=self.inputs.dtype)
        still = torch.zeros(1, dtype=self.inputs.dtype)
        axes = [values if limit > 0 else still for limit in self.limits]
        return torch.cartesian_prod(*axes).to(self.inputs)


def _matrices(parameters: Tensor, height: int, width: int) -> Tensor:
    """The maps `(B, 2, 3)` from places of the new picture to places of the old, as torch has them.

    Places run from -1 to 1; parameters are in degrees, pixels, pixels, 1 and 1.
    """
    angle, right, down, shear, scale = parameters.unbind(1)
    angle, shrink = torch.deg2rad(angle), torch.exp(-torch.sign(scale) * torch.log1p(scale.abs()))
    cos, sin = torch.cos(angle) * shrink, torch.sin(angle) * shrink
    columns = torch.stack([cos, cos * shear + sin, -sin, cos - sin * shear], 1).view(-1, 2, 2)
    moved = columns @ torch.stack([right, down], 1)[:, :, None]
    sides = parameters.new_tensor([width / 2, height / 2])
    return torch.cat([columns * sides / sides[:, None], -moved / sides[:, None]], 2)
