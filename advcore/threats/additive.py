"""An lp ball as a map: `x + r`, cut at [0, 1]; a part of a sequence of threat models."""

from dataclasses import dataclass

import torch
from torch import Tensor

from advcore import norms
from advcore.classifier import Classifier
from advcore.norms import NormName
from advcore.randomness import Randomness
from advcore.threats.region import Mapped


@dataclass(frozen=True)
class Additive:
    """Add a perturbation of an lp ball, and cut at [0, 1].

    Attributes:
        norm: norm of the ball.
    """

    norm: NormName = "linf"

    def __post_init__(self) -> None:
        norms.norm_by_name(self.norm)

    @property
    def name(self) -> str:
        return self.norm

    def around(self, inputs: Tensor, radius: Tensor, classifier: Classifier) -> "AdditiveRegion":
        """The inputs `(B, *shape)` that may be reached."""
        return AdditiveRegion(inputs, radius, self.norm)


@dataclass(frozen=True, eq=False)
class AdditiveRegion(Mapped):
    """Inputs with something added. Parameters: what is added, `(B, *shape)`."""

    norm: NormName

    def rest(self) -> Tensor:
        return torch.zeros_like(self.inputs)

    def random(self, randomness: Randomness) -> Tensor:
        shape = tuple(self.inputs.shape[1:])
        return norms.NORMS[self.norm].random(randomness, shape, self.radius).to(self.inputs)

    def apply(self, parameters: Tensor) -> Tensor:
        return (self.inputs + parameters).clamp(0, 1)

    def project(self, parameters: Tensor) -> Tensor:
        return norms.NORMS[self.norm].project(parameters, self.radius)

    def size(self, parameters: Tensor) -> Tensor:
        return norms.NORMS[self.norm].size(self.apply(parameters) - self.inputs)

    def steepest(self, gradient: Tensor, parameters: Tensor) -> Tensor:
        return norms.NORMS[self.norm].steepest(gradient)

    def farthest(self, slope: Tensor) -> Tensor:
        """Return the point of the ball that is farthest along `slope` `(B, *shape)`."""
        return norms.NORMS[self.norm].steepest(slope) * norms.per_sample(self.radius, slope)
