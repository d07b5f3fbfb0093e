"""The basis of frequencies, as directions beside those that a fit learns."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from advcore.checks import check_pictures
from advcore.classifier import Classifier
from advcore.fits.distances import check_samples
from advcore.fits.fit import FitSamples, FitState, Sums
from advcore.frequency import dct_matrix
from advcore.probes.probe import Batch
from advcore.randomness import Randomness
from advcore.subspaces import check_directions


@dataclass(frozen=True)
class Frequencies:
    """Give the images of the DCT basis, from the lowest frequency on; nothing is learnt.

    Image (i, j) has i half waves down and j across, the same in all channels. They come in the
    order of `(i / H)^2 + (j / W)^2`, of equal ones the one with the smaller i first.

    Tensors: `directions` (k, *shape), orthonormal.

    Attributes:
        directions: number k of directions; all H W when not given.
    """

    directions: int | None = None

    def __post_init__(self) -> None:
        if self.directions is not None and self.directions < 1:
            raise ValueError(f"directions must be at least 1; got {self.directions}")

    def validate(self, samples: FitSamples) -> None:
        check_samples(samples)
        check_pictures(samples.shape, "frequencies")
        check_directions(samples.shape[1:], self._count(samples))

    def tensors(self, samples: FitSamples) -> Mapping[str, tuple[int, ...]]:
        return {"directions": (self._count(samples), *samples.shape)}

    def start(self, samples: FitSamples) -> FitState:
        return FitState({})

    def shards(self, state: FitState, count: int) -> Sequence[int]:
        return range(1)

    def share(
        self, classifier: Classifier, batch: Batch, state: FitState, randomness: Randomness
    ) -> Sums:
        return {"none": torch.zeros(())}

    def after(self, samples: FitSamples, state: FitState, sums: Sums) -> FitState:
        channels, height, width = samples.shape
        count = self._count(samples)
        order = torch.arange(height * width)
        size = (order // width / height).square() + (order % width / width).square()
        first = size.double().argsort(stable=True)[:count]
        images = _basis(height, width)[first] / math.sqrt(channels)
        return FitState({"directions": images[:, None].repeat(1, channels, 1, 1).float()}, 1, True)

    def _count(self, samples: FitSamples) -> int:
        return math.prod(samples.shape[1:]) if self.directions is None else self.directions


def _basis(height: int, width: int) -> Tensor:
    """Return all images of the basis `(H W, H, W)`, those of one i side by side."""
    down, across = dct_matrix(height).double(), dct_matrix(width).double()
    return torch.einsum("iy,jx->ijyx", down, across).flatten(0, 1)
