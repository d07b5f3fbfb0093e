"""The unit vectors of some entries of an input: a subspace that is named, not learnt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from advcore.classifier import Classifier
from advcore.fits.distances import check_samples
from advcore.fits.fit import FitSamples, FitState, Sums
from advcore.one_hot import check_entries, check_entries_of
from advcore.probes.probe import Batch
from advcore.randomness import Randomness


@dataclass(frozen=True)
class EntryDirections:
    """Give entries of an input as directions: the numbers of a table that may change, say.

    No sample and no network is looked at. They stand wherever a fit's directions do: margins inside
    them are those of the family `fitted`, attacks inside them those of the threat model `along`.

    Tensors: `directions` (k, *shape), orthonormal, one an entry.

    Attributes:
        entries: numbers of the entries, as an input's numbers lie in memory.
    """

    entries: tuple[int, ...]

    def __post_init__(self) -> None:
        check_entries(self.entries, 1)

    def validate(self, samples: FitSamples) -> None:
        check_samples(samples)
        check_entries_of(self.entries, samples.shape)

    def tensors(self, samples: FitSamples) -> Mapping[str, tuple[int, ...]]:
        return {"directions": (len(self.entries), *samples.shape)}

    def start(self, samples: FitSamples) -> FitState:
        return FitState({})

    def shards(self, state: FitState, count: int) -> Sequence[int]:
        return range(1)

    def share(
        self, classifier: Classifier, batch: Batch, state: FitState, randomness: Randomness
    ) -> Sums:
        shape = batch.inputs.shape[1:]
        axes = torch.eye(shape.numel())[list(self.entries)]
        return {"directions": axes.view(-1, *shape)}

    def after(self, samples: FitSamples, state: FitState, sums: Sums) -> FitState:
        return FitState({"directions": sums["directions"].cpu().float()}, 1, True)
