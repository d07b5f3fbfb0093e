"""Likeness of samples to others: what a judge sees, the nearest training sample, features."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from advcore.classifier import Classifier, frozen, full_precision
from advcore.counts import counted
from advcore.labelled_samples import kept_samples
from advcore.learnt import Learnt
from advcore.pairwise import sample_distances
from advcore.penultimate import last_features
from advcore.probes.accuracy import Accuracy
from advcore.probes.charts import Chart
from advcore.probes.probe import Batch, Summary, median
from advcore.probes.table import Table
from advcore.randomness import Randomness


@dataclass(frozen=True)
class Likeness:
    """Samples that were made, held against true ones, with the classifier as an independent judge.

    A study measures true samples beside them, of which the network that made them saw none: their
    distance to the nearest training sample says how near what is no copy comes.

    Columns: those of `accuracy`: `sample`, `label`, `prediction`, `correct`, `confidence`; with
    a `fit`, `nearest`, the l2 distance to the nearest training sample, in pixel units, and
    `nearest_label`; with `originals`, `error`, the l2 distance to the sample of the same index;
    with `features`, `features` (n,), what the last layer of the judge reads, of which a table
    `frechet_distance` is made.

    Attributes:
        fit: fit `exemplars` of the samples that the network learnt from.
        originals: fit `exemplars` of the samples that these were made of, among them one of each
            index.
        features: switch by which features are kept.
    """

    fit: Learnt | None = None
    originals: Learnt | None = None
    features: bool = False

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        for fit in (self.fit, self.originals):
            there = None if fit is None else fit.shape_of("inputs")
            if fit is not None and there is not None and there[1:] != tuple(shape):
                raise ValueError(
                    f"the fit {fit.name} has exemplars {there}; some of inputs {tuple(shape)} are "
                    "needed"
                )
        if self.fit is not None:
            self.fit.shape_of("labels")

    def check_layers(self, classifier: Classifier, inputs: Tensor) -> None:
        """Raise ValueError for a classifier without a last layer, if features are wanted."""
        if self.features:
            with last_features(classifier, inputs):
                pass

    @torch.no_grad()
    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        columns = dict(Accuracy().measure(classifier, batch, randomness))
        if self.fit is not None:
            distance, place = _nearest(batch.inputs, kept_samples(self.fit, batch.inputs.shape[1:]))
            columns["nearest"] = distance
            columns["nearest_label"] = self.fit["labels"].to(place.device)[place]
        if self.originals is not None:
            away = batch.inputs - _same(batch, self.originals)
            columns["error"] = away.flatten(1).norm(dim=1)
        if self.features:
            with (
                full_precision(),
                frozen(classifier),
                last_features(classifier, batch.inputs) as features,
            ):
                columns["features"] = features(batch.inputs)
        return Table(columns)

    def summarise(self, table: Table) -> Summary:
        judged = Accuracy().summarise(table)
        count = len(table["sample"])
        of = f"median over {counted(count, 'sample')} of the l2 distance, in pixel units, to"
        meanings = {"nearest": f"{of} the nearest training sample", "error": f"{of} its original"}
        medians = {
            name: median(table.numbers(name)) for name in meanings if name in table and count
        }
        known = {name: meanings[name] for name in medians}
        return Summary({**judged.scalars, **medians}, meanings={**judged.meanings, **known})

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        """Return none: a figure of the study says which data sets are compared."""
        return []


def _nearest(inputs: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Return the distance `(B,)` of each input to the nearest of others, and its number `(B,)`."""
    found = sample_distances(inputs, others).min(1)
    return found.values, found.indices


def _same(batch: Batch, fit: Learnt) -> Tensor:
    """Return the exemplars `(B, *shape)` of the same indices.

    Raises ValueError where an index is not there, or stands for several, and for exemplars of other
    inputs or of NaN.
    """
    same = fit["indices"] == batch.indices.cpu()[:, None]
    wrong = (same.sum(1) != 1).nonzero()[:, 0]
    if len(wrong):
        index, times = int(batch.indices[wrong[0]]), int(same[wrong[0]].sum())
        raise ValueError(
            f"the fit {fit.name} must have one exemplar of each sample's index; it has {times} of "
            f"{index}: learn it from the data set that the samples were made of"
        )
    return kept_samples(fit, batch.inputs.shape[1:])[same.long().argmax(1)].to(batch.inputs)
