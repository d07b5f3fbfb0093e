"""Random orthonormal directions: the control of those that were learnt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from advcore.classifier import Classifier
from advcore.fits.distances import check_samples
from advcore.fits.fit import FitSamples, FitState, Sums
from advcore.probes.probe import Batch
from advcore.randomness import Randomness
from advcore.subspaces.fitted import check_directions
from advcore.subspaces.random import random_spans


@dataclass(frozen=True)
class RandomDirections:
    """Draw directions whose span is uniformly distributed; no sample and no network is looked at.

    The fit's seed draws them. They stand wherever a fit's directions do, so that what is found of
    those can be found of these.

    Tensors: `directions` (k, *shape), orthonormal.

    Attributes:
        directions: number of directions.
    """

    directions: int

    def __post_init__(self) -> None:
        if self.directions < 1:
            raise ValueError(f"directions must be at least 1; got {self.directions}")

    def validate(self, samples: FitSamples) -> None:
        check_samples(samples)
        check_directions(samples.shape, self.directions)

    def tensors(self, samples: FitSamples) -> Mapping[str, tuple[int, ...]]:
        return {"directions": (self.directions, *samples.shape)}

    def start(self, samples: FitSamples) -> FitState:
        return FitState({"seed": torch.tensor(samples.seed)})

    def shards(self, state: FitState, count: int) -> Sequence[int]:
        return range(1)

    def share(
        self, classifier: Classifier, batch: Batch, state: FitState, randomness: Randomness
    ) -> Sums:
        one = Randomness(int(state.tensors["seed"]), torch.zeros(1, dtype=torch.int64))
        (basis,) = random_spans(one, tuple(batch.inputs.shape[1:]), self.directions).basis
        return {"directions": basis.float()}

    def after(self, samples: FitSamples, state: FitState, sums: Sums) -> FitState:
        return FitState({"directions": sums["directions"].cpu().float()}, 1, True)
