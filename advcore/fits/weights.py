"""The weights of a network, kept for what is measured from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from advcore.classifier import Classifier
from advcore.fits.distances import check_samples
from advcore.fits.fit import FitSamples, FitState, Sums
from advcore.probes.probe import Batch
from advcore.randomness import Randomness
from advcore.weights import weight_vector


@dataclass(frozen=True)
class Weights:
    """Keep all weights and biases of a network as one vector; no sample is looked at.

    Of a training's epoch 0 it is what the distance from the start is measured from, in the probe
    `complexity`.

    Tensors: `count` (), the number n of parameters; and `weights` (n,), which is not declared, for
    n is the network's.
    """

    def validate(self, samples: FitSamples) -> None:
        check_samples(samples)

    def tensors(self, samples: FitSamples) -> Mapping[str, tuple[int, ...]]:
        return {"count": ()}

    def start(self, samples: FitSamples) -> FitState:
        return FitState({})

    def shards(self, state: FitState, count: int) -> Sequence[int]:
        return range(1)

    def share(
        self, classifier: Classifier, batch: Batch, state: FitState, randomness: Randomness
    ) -> Sums:
        return {"weights": weight_vector(classifier)}

    def after(self, samples: FitSamples, state: FitState, sums: Sums) -> FitState:
        weights = sums["weights"].cpu().float()
        return FitState({"count": torch.tensor(len(weights)), "weights": weights}, 1, True)
