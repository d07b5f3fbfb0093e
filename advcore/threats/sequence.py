"""Several threat models, one after the other (Laidlaw and Feizi 2019)."""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from advcore.classifier import Classifier
from advcore.randomness import Randomness
from advcore.threats.region import Mapped, Region, ThreatModel


@dataclass(frozen=True)
class Sequence:
    """Change inputs by one threat model after the other, each what the one before made.

    The size is the largest of theirs, each as a share of its limit: eps 1 allows them all.

    Attributes:
        threats: threat models, in their order; those whose parameters are inputs themselves
            (feature distance) cannot be parts.
        limits: size that eps 1 allows each, in its own unit.
    """

    threats: tuple[ThreatModel, ...]
    limits: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.threats or len(self.threats) != len(self.limits):
            raise ValueError(
                "a sequence needs threats, and one limit for each; got "
                f"{len(self.threats)} and {len(self.limits)}"
            )
        if not all(limit > 0 for limit in self.limits):
            raise ValueError(f"limits must be above 0; got {self.limits}")

    @property
    def name(self) -> str:
        return "+".join(threat.name for threat in self.threats)

    def around(self, inputs: Tensor, radius: Tensor, classifier: Classifier) -> "SequenceRegion":
        """The inputs `(B, *shape)` that may be reached."""
        parts = []
        for threat, limit in zip(self.threats, self.limits, strict=True):
            part = threat.around(inputs, radius * limit, classifier)
            if not isinstance(part, Mapped):
                raise ValueError(f"{threat.name} cannot be a part of a sequence")
            parts.append(part)
        return SequenceRegion(radius, tuple(parts), self.limits)


@dataclass(frozen=True, eq=False)
class SequenceRegion(Region):
    """Inputs that were changed several times. Parameters: those of all parts, `(B, n)`."""

    radius: Tensor
    parts: tuple[Mapped, ...]
    limits: tuple[float, ...]

    def _split(self, parameters: Tensor) -> list[Tensor]:
        shapes = [part.rest().shape for part in self.parts]
        flat = parameters.split([shape[1:].numel() for shape in shapes], 1)
        return [own.reshape(len(own), *shape[1:]) for own, shape in zip(flat, shapes, strict=True)]

    def _joined(self, each: list[Tensor]) -> Tensor:
        return torch.cat([own.flatten(1) for own in each], 1)

    def rest(self) -> Tensor:
        return self._joined([part.rest() for part in self.parts])

    def random(self, randomness: Randomness) -> Tensor:
        return self._joined(
            [part.random(randomness.stream("part", i)) for i, part in enumerate(self.parts)]
        )

    def apply(self, parameters: Tensor) -> Tensor:
        inputs = self.parts[0].inputs
        for part, own in zip(self.parts, self._split(parameters), strict=True):
            inputs = part.at(inputs).apply(own)
        return inputs

    def project(self, parameters: Tensor) -> Tensor:
        each = zip(self.parts, self._split(parameters), strict=True)
        return self._joined([part.project(own) for part, own in each])

    def size(self, parameters: Tensor) -> Tensor:
        each = zip(self.parts, self._split(parameters), self.limits, strict=True)
        return torch.stack([part.size(own) / limit for part, own, limit in each]).amax(0)

    def steepest(self, gradient: Tensor, parameters: Tensor) -> Tensor:
        each = zip(
            self.parts, self._split(gradient), self._split(parameters), self.limits, strict=True
        )
        return self._joined([part.steepest(slope, own) * limit for part, slope, own, limit in each])

    def take(self, index: Tensor) -> Self:
        parts = tuple(part.take(index) for part in self.parts)
        return replace(self, radius=self.radius[index], parts=parts)
