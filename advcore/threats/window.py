"""An lp ball in a rectangle of pixels: all others stay as they are."""

from dataclasses import dataclass

import torch
from torch import Tensor

from advcore import norms
from advcore.classifier import Classifier
from advcore.norms import NormName
from advcore.randomness import Randomness
from advcore.rectangle import Rectangle
from advcore.threats.region import Mapped


@dataclass(frozen=True)
class Window:
    """Add a perturbation of an lp ball inside a rectangle, in the box [0, 1].

    Attributes:
        rectangle: pixels that may change.
        norm: norm of the ball.
    """

    rectangle: Rectangle
    norm: NormName = "l2"

    def __post_init__(self) -> None:
        norms.norm_by_name(self.norm)

    @property
    def name(self) -> str:
        return self.norm

    def around(self, inputs: Tensor, radius: Tensor, classifier: Classifier) -> "WindowRegion":
        """The images `(B, C, H, W)` that may be reached."""
        mask = self.rectangle(tuple(inputs.shape[1:])).to(inputs)
        return WindowRegion(inputs, radius, self.norm, mask)


@dataclass(frozen=True, eq=False)
class WindowRegion(Mapped):
    """Images with something added in a window. Parameters: what is added, `(B, C, H, W)`.

    `mask` `(H, W)` is 1 in the window, 0 elsewhere.
    """

    norm: NormName
    mask: Tensor

    def rest(self) -> Tensor:
        return torch.zeros_like(self.inputs)

    def random(self, randomness: Randomness) -> Tensor:
        shape = tuple(self.inputs.shape[1:])
        noise = norms.NORMS[self.norm].random(randomness, shape, self.radius).to(self.inputs)
        return self.project(noise)

    def apply(self, parameters: Tensor) -> Tensor:
        return (self.inputs + parameters * self.mask).clamp(0, 1)

    def project(self, parameters: Tensor) -> Tensor:
        """Project into the window, the ball and then the box, which keeps the ball."""
        inside = norms.NORMS[self.norm].project(parameters * self.mask, self.radius)
        return (self.inputs + inside).clamp(0, 1) - self.inputs

    def size(self, parameters: Tensor) -> Tensor:
        return norms.NORMS[self.norm].size(self.apply(parameters) - self.inputs)

    def steepest(self, gradient: Tensor, parameters: Tensor) -> Tensor:
        return norms.NORMS[self.norm].steepest(gradient * self.mask)
