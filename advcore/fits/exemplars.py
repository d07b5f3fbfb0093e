"""Samples of a data set, kept as they are, for what is compared with single ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from advcore.classifier import Classifier, check_batch
from advcore.fits.distances import check_samples
from advcore.fits.fit import FitSamples, FitState, Sums
from advcore.probes.probe import Batch
from advcore.randomness import Randomness


@dataclass(frozen=True)
class Exemplars:
    """Keep samples with their labels, as they are; no network is looked at.

    The first round is the only one. A share has all n inputs, those of other shards 0, so that few
    large shards cost less than many small ones.

    Tensors: `inputs` (n, *shape), float32; `labels` (n,) and `indices` (n,), the samples' in the
    data set, int64. They stand in the order of the draw.

    Attributes:
        samples: number n of samples, drawn by a hash of their indices; none means all.
    """

    samples: int | None = None

    def __post_init__(self) -> None:
        if self.samples is not None and self.samples < 1:
            raise ValueError(f"samples must be 1 or more, or none for all; got {self.samples}")

    def validate(self, samples: FitSamples) -> None:
        check_samples(samples)
        if self._count(samples) > samples.count:
            raise ValueError(
                f"samples must be at most the {samples.count} of the data set; got {self.samples}"
            )

    def tensors(self, samples: FitSamples) -> Mapping[str, tuple[int, ...]]:
        count = (self._count(samples),)
        return {"inputs": (*count, *samples.shape), "labels": count, "indices": count}

    def start(self, samples: FitSamples) -> FitState:
        return FitState({"count": torch.tensor(self._count(samples))})

    def shards(self, state: FitState, count: int) -> Sequence[int]:
        return range(count)

    def share(
        self, classifier: Classifier, batch: Batch, state: FitState, randomness: Randomness
    ) -> Sums:
        check_batch(batch.inputs)
        count = int(state.tensors["count"])
        places = batch.places
        if places is None:  # those of a part alone would be taken twice
            raise ValueError(
                "exemplars are drawn among all samples of the data set: give batch.places, "
                "drawn_places of all indices at those of the batch"
            )
        own = places < count
        inputs = batch.inputs.new_zeros((count, *batch.inputs.shape[1:]), dtype=torch.float32)
        labels = batch.labels.new_zeros(count, dtype=torch.float64)
        inputs[places[own]] = batch.inputs[own].float()
        labels[places[own]] = batch.labels[own].double()
        indices = torch.zeros_like(labels)
        indices[places[own]] = batch.indices[own].double()
        return {"inputs": inputs, "labels": labels, "indices": indices}

    def after(self, samples: FitSamples, state: FitState, sums: Sums) -> FitState:
        numbers = {name: sums[name].cpu().long() for name in ("labels", "indices")}
        return FitState({"inputs": sums["inputs"].cpu().float(), **numbers}, 1, True)

    def _count(self, samples: FitSamples) -> int:
        return samples.count if self.samples is None else self.samples
