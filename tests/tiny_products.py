"""A derivation and a probe that use a fit and take milliseconds, named by their modules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from tiny_fits import Mean

from advcore.derived import Made
from advcore.fits import FitSamples, FitState, Sums
from advcore.learnt import Learnt
from advcore.probes.charts import Chart
from advcore.probes.probe import Batch, Summary
from advcore.probes.table import Table
from advcore.randomness import Randomness


@dataclass(frozen=True)
class Lightened:
    """Each sample half way to the mean that a fit has learnt, with the class that is predicted."""

    fit: Learnt

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        pass

    def stays_in_box(self, inside: bool) -> bool:
        return inside

    def make(self, classifier: Any, batch: Batch, randomness: Randomness) -> Made:
        inputs = torch.lerp(batch.inputs, self.fit["mean"].to(batch.inputs), 0.5).clamp(0, 1)
        with torch.no_grad():
            return Made(inputs, classifier(inputs).argmax(1))


@dataclass(frozen=True)
class Distance:
    """The l2 distance of each sample from the mean that a fit has learnt."""

    fit: Learnt

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        pass

    def measure(self, classifier: Any, batch: Batch, randomness: Randomness) -> Table:
        away = batch.inputs - self.fit["mean"].to(batch.inputs)
        logits = classifier(batch.inputs)
        return Table(
            {
                "sample": batch.indices,
                "distance": away.flatten(1).norm(dim=1),
                "top": logits.detach().amax(1),
            }
        )

    def summarise(self, table: Table) -> Summary:
        return Summary({"distance": table.numbers("distance").double().mean().item()})

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        return []


@dataclass(frozen=True)
class MeanAround:
    """The mean of `tiny_fits:Mean` around that of another fit."""

    fit: Learnt

    def validate(self, samples: FitSamples) -> None:
        pass

    def tensors(self, samples: FitSamples) -> Mapping[str, tuple[int, ...]]:
        return self._mean().tensors(samples)

    def start(self, samples: FitSamples) -> FitState:
        return self._mean().start(samples)

    def shards(self, state: FitState, count: int) -> Sequence[int]:
        return range(count)

    def share(self, classifier: Any, batch: Batch, state: FitState, randomness: Randomness) -> Sums:
        return self._mean().share(classifier, batch, state, randomness)

    def after(self, samples: FitSamples, state: FitState, sums: Sums) -> FitState:
        return self._mean().after(samples, state, sums)

    def _mean(self) -> Mean:
        return Mean(about=self.fit)
