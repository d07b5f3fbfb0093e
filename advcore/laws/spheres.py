"""Concentric spheres.

Sources: Gilmer et al. 2018 (Adversarial spheres); Nagarajan and Kolter 2019 (Uniform convergence
may be unable to explain generalization in deep learning), who move samples to the other sphere.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from advcore.laws.law import check_finite_number, uniform_labels
from advcore.randomness import Randomness


@dataclass(frozen=True)
class Spheres:
    """Directions uniform on the sphere, at the radius of the class: only the l2 norm tells it.

    The classes are the spheres, alike in number. The best classifier, which reads the norm, has no
    errors, and a margin of half the difference of two radii.

    Attributes:
        dimensions: number of dimensions of the inputs.
        radii: radius of each class, l2, ascending.
        exchanged: true for the same samples moved to the next sphere, the last to the first, and
            labelled so. A sample and its exchanged one are as near as the spheres are.
    """

    dimensions: int = 500
    radii: tuple[float, ...] = (1.0, 1.3)
    exchanged: bool = False

    box: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.dimensions < 2:
            raise ValueError(f"a sphere needs 2 dimensions or more; got {self.dimensions}")
        for radius in self.radii:
            check_finite_number("radii", radius)
        if len(self.radii) < 2 or list(self.radii) != sorted({*self.radii}) or self.radii[0] <= 0:
            raise ValueError(
                f"radii must be two or more positive numbers that ascend; got {list(self.radii)}"
            )

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(f"radius {radius:g}" for radius in self.radii)

    def draw(self, randomness: Randomness) -> tuple[Tensor, Tensor]:
        labels = uniform_labels(len(self.radii), randomness)
        if self.exchanged:
            labels = (labels + 1) % len(self.radii)
        noise = randomness.stream("direction").normal((self.dimensions,)).double()
        radii = torch.tensor(self.radii, dtype=torch.float64, device=labels.device)[labels]
        inputs = radii[:, None] * noise / noise.norm(dim=1, keepdim=True)
        return inputs.float(), labels
