"""A budget inside a band of frequencies."""

from dataclasses import dataclass

import torch
from torch import Tensor

from advcore import norms
from advcore.checks import check_pictures
from advcore.classifier import Classifier
from advcore.frequency import idct2
from advcore.randomness import Randomness
from advcore.threats.region import Mapped


@dataclass(frozen=True)
class Frequency:
    """Change the DCT coefficients of a picture between two frequencies, in an l2 ball.

    A coefficient (k, l) lies in the band where `low <= max(k, l) < high`. The size is the l2 norm
    of the change in pixel units, before the picture is cut at [0, 1], by which other frequencies
    are changed as well.

    Attributes:
        low: first frequency of the band.
        high: first frequency above the band; the largest side of the picture when None.
    """

    low: int = 0
    high: int | None = None

    def __post_init__(self) -> None:
        if self.low < 0 or (self.high is not None and self.high <= self.low):
            raise ValueError(f"a band needs 0 <= low < high; got {self.low} and {self.high}")

    @property
    def name(self) -> str:
        return "frequency"

    def around(self, inputs: Tensor, radius: Tensor, classifier: Classifier) -> "FrequencyRegion":
        """The pictures `(B, C, H, W)` that may be reached."""
        check_pictures(inputs.shape[1:], f"threat model {self.name}")
        sides = [torch.arange(side, device=inputs.device) for side in inputs.shape[-2:]]
        largest = torch.maximum(sides[0][:, None], sides[1])
        band = (largest >= self.low) & (largest < (self.high or max(inputs.shape[-2:])))
        if not band.any():
            raise ValueError(
                f"low is {self.low}, but images of {' x '.join(map(str, inputs.shape[-2:]))} have "
                f"frequencies below {max(inputs.shape[-2:])}"
            )
        return FrequencyRegion(inputs, radius, band.to(inputs.dtype))


@dataclass(frozen=True, eq=False)
class FrequencyRegion(Mapped):
    """Pictures with a change in a band. Parameters: the change's DCT coefficients, `(B, *shape)`.

    `band` `(H, W)` is 1 in the band and 0 elsewhere.
    """

    band: Tensor

    def rest(self) -> Tensor:
        return torch.zeros_like(self.inputs)

    def random(self, randomness: Randomness) -> Tensor:
        noise = norms.L2.random(randomness, tuple(self.inputs.shape[1:]), 1.0).to(self.inputs)
        kept = noise * self.band
        length = (self.radius * norms.L2.size(noise)) / norms.L2.size(kept)
        return kept * norms.per_sample(length, kept)

    def apply(self, parameters: Tensor) -> Tensor:
        return (self.inputs + idct2(parameters)).clamp(0, 1)

    def project(self, parameters: Tensor) -> Tensor:
        return norms.L2.project(parameters * self.band, self.radius)

    def size(self, parameters: Tensor) -> Tensor:
        return norms.L2.size(parameters)

    def steepest(self, gradient: Tensor, parameters: Tensor) -> Tensor:
        return norms.L2.steepest(gradient * self.band)
