"""The sphere on which an input lies (Gilmer et al. 2018, Adversarial spheres)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from advcore import norms
from advcore.classifier import Classifier
from advcore.norms import per_sample
from advcore.randomness import Randomness
from advcore.threats.region import Mapped

SMALLEST = 1e-12
"""Length below which a step, or an input, has no direction."""


@dataclass(frozen=True)
class Sphere:
    """Keep the l2 norm of an input, and go along its sphere around 0.

    The size is the length of the way, an arc: for radius R from 0 to pi R. Inputs have no box.
    """

    @property
    def name(self) -> str:
        return "sphere"

    @property
    def box(self) -> bool:
        """False: inputs may hold any numbers."""
        return False

    def around(self, inputs: Tensor, radius: Tensor, classifier: Classifier) -> "SphereRegion":
        """The inputs `(B, *shape)` that may be reached; an input of norm 0 stays where it is."""
        return SphereRegion(inputs, radius)


@dataclass(frozen=True, eq=False)
class SphereRegion(Mapped):
    """The points of a cap of the sphere. Parameters: tangents v at the input x, `(B, *shape)`.

    They lead to `cos(|v| / R) x + sin(|v| / R) R v / |v|`, R the norm of x.
    """

    def rest(self) -> Tensor:
        return torch.zeros_like(self.inputs)

    def random(self, randomness: Randomness) -> Tensor:
        shape = tuple(self.inputs.shape[1:])
        return self.project(norms.L2.random(randomness, shape, self.radius).to(self.inputs))

    def apply(self, parameters: Tensor) -> Tensor:
        tangent = self._tangent(parameters)
        squares = tangent.flatten(1).square().sum(1)
        length = squares.clamp(min=SMALLEST**2).sqrt()  # whose slope at 0 is finite
        around = norms.L2.size(self.inputs).clamp(min=SMALLEST)
        angle = length / around
        across = per_sample(torch.sin(angle) / angle, tangent)
        return per_sample(torch.cos(angle), tangent) * self.inputs + across * tangent

    def project(self, parameters: Tensor) -> Tensor:
        farthest = torch.pi * norms.L2.size(self.inputs)
        return norms.L2.project(self._tangent(parameters), self.radius.minimum(farthest))

    def size(self, parameters: Tensor) -> Tensor:
        return norms.L2.size(self._tangent(parameters))

    def steepest(self, gradient: Tensor, parameters: Tensor) -> Tensor:
        return norms.L2.steepest(self._tangent(gradient))

    def _tangent(self, parameters: Tensor) -> Tensor:
        """Return the part of parameters that is orthogonal to the inputs; 0 at an input of 0."""
        squares = self.inputs.flatten(1).square().sum(1)
        along = (parameters * self.inputs).flatten(1).sum(1) / squares.clamp(min=SMALLEST)
        return per_sample((squares > 0).to(parameters), parameters) * (
            parameters - per_sample(along, parameters) * self.inputs
        )
