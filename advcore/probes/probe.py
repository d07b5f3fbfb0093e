"""The seam of a measurement: a probe turns a batch of samples into rows.

A probe is a frozen dataclass of its settings and the unit of distributed work. It is measured shard
by shard, wherever a classifier stands; its rows come back as columns, and the probe itself says how
the whole table is summarised and which charts it makes. Nothing here knows files, Ray, MLflow or a
plotting library: a chart is data, drawn elsewhere.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from advcore.classifier import Around, Classifier
from advcore.probes.charts import Chart
from advcore.probes.table import Columns, Table
from advcore.randomness import Randomness, drawn_places


@dataclass(frozen=True)
class Batch:
    """Samples as a probe sees them.

    Inputs are `(B, *shape)`: images `(B, C, H, W)`, tables `(B, F)`, sequences `(B, T, E)`; labels
    `(B,)`, their indices in the data set `(B,)`.

    `start` is the place of the first among all samples that are measured, in their order. `places`
    `(B,)` are the samples' places in another order of all of them, drawn by a hash of their indices
    (`advcore.randomness.drawn_places`): a probe of a few samples takes the first in that order,
    whatever the shards, and they are no one class of data that lie in class order. Images lie in
    [0, 1], unless the data set is a transformed one, or has no box; then no probe comes that
    attacks in that box.

    `units` `(B,)` are the numbers of the units of a `Counting` probe, one a row: a sample stands in
    as many rows as it has units in the shard. None: each row is a sample with all its units.

    `others` are another sample of the data set beside each, for whoever is `Paired`.
    """

    inputs: Tensor
    labels: Tensor
    indices: Tensor
    start: int = 0
    places: Tensor | None = None
    units: Tensor | None = None
    others: "Batch | None" = None

    def around(self, classifier: Classifier) -> tuple[Around, Tensor]:
        """Return the classifier of perturbations of the images, and zero perturbations.

        They are for attacks that know no box, wherever the images lie.
        """
        return Around(classifier, self.inputs), torch.zeros_like(self.inputs)

    def drawn(self, count: int) -> "Batch":
        """Return those of its samples that are among the `count` drawn of all.

        They keep their order; there may be none. Without `places` they are drawn of this batch.
        """
        places = drawn_places(self.indices) if self.places is None else self.places
        rows = (places < count).nonzero()[:, 0]
        return replace(self, places=places).take(rows)

    def take(self, rows: Tensor | slice) -> "Batch":
        """Return some of its rows, in their order; `start` stays."""
        return Batch(
            self.inputs[rows],
            self.labels[rows],
            self.indices[rows],
            self.start,
            None if self.places is None else self.places[rows],
            None if self.units is None else self.units[rows],
            None if self.others is None else self.others.take(rows),
        )


@dataclass(frozen=True)
class Curve:
    """A quantity over an index: `y[i]` at `x[i]`, both of the same length.

    `columns`: how many stand in a row where the values fill a plane, row by row; 0 for a line.
    """

    x: Sequence[float]
    y: Sequence[float]
    columns: int = 0


@dataclass(frozen=True)
class Summary:
    """The numbers of a table: single values, and curves.

    Curves are over eps, over the subspaces, over the rank, ...

    `warnings` say why the numbers may mislead: by name, one sentence each, with the number that
    caused it and what to do.

    `meanings` say what the scalars and curves are: one sentence each, by full name or by the part
    before a slash, which stands for all names that begin with it (`meaning`). A sentence says of
    what the number is: label, box, attack, unit, how many samples.
    """

    scalars: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, Curve] = field(default_factory=dict)
    warnings: Mapping[str, str] = field(default_factory=dict)
    meanings: Mapping[str, str] = field(default_factory=dict)

    def meaning(self, name: str) -> str:
        """Return the sentence for the scalar or curve `name`.

        It is its own, or else that of its longest prefix that ends at a slash; it is empty if the
        probe says nothing of it.
        """
        while name not in self.meanings and "/" in name:
            name = name.rpartition("/")[0]
        return self.meanings.get(name, "")


NOBODY: Mapping[str, Classifier] = MappingProxyType({})
"""No other models."""


class Probe(Protocol):
    """A frozen dataclass of settings with these four methods.

    `measure` may give a plain dict of columns; what comes back as a whole is a `Table`.
    """

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        """Raise ValueError for inputs or logits that these settings cannot measure.

        Inputs have the `shape`, (C, H, W) for images, and there are `classes` logits. A probe that
        needs pictures says so by `advcore.checks.check_pictures`.
        """

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Columns:
        """Return the rows of one batch, one per sample or per sample x index.

        Samples keep the batch's order.
        """

    def summarise(self, table: Table) -> Summary:
        """The numbers of one model's whole table."""

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        """The charts that compare the models, whose names are the keys: one at least."""


@runtime_checkable
class Comparison(Probe, Protocol):
    """A probe that measures a model beside others of its study.

    It names them, and whoever runs it hands them to `measure`.

    They see the same images: a study in which they do not is refused. Their names and what they are
    count for its rows.
    """

    def partners(self, models: Sequence[str]) -> Sequence[str]:
        """Return the names of the partners wanted for each model that is measured.

        It may be one of them; `models` are all that the study has.
        """

    def measure(
        self,
        classifier: Classifier,
        batch: Batch,
        randomness: Randomness,
        others: Mapping[str, Classifier] = NOBODY,
    ) -> Columns:
        """Return the rows of one batch, like `Probe.measure`, with the partners.

        `others` maps their names, in their order, to classifiers on the same device.
        """


@runtime_checkable
class Selective(Probe, Protocol):
    """A probe that measures some samples of each batch only.

    Of every other one all samples must have rows, as many each.
    """

    def samples(self, batch: Batch) -> Batch:
        """Return the samples of the batch that have rows, in its order; there may be none."""


@runtime_checkable
class Drawing(Selective, Protocol):
    """A selective probe whose samples are the first in the order of `Batch.places`.

    A shard that has none of them is no task.
    """

    @property
    def drawn(self) -> int | None:
        """The number of samples; None for all."""


@runtime_checkable
class Counting(Probe, Protocol):
    """A probe whose shards are ranges of units, which it counts itself, in place of samples.

    A unit is a part of one sample's measurement: a block of noise draws, a random start. Units are
    numbered from 0. A batch has a row for each unit of the shard, with its number in
    `Batch.units`, and `measure` returns as many rows for each, those of a unit together. What is
    drawn depends on the seed, the sample's index and the unit's place within the sample alone.

    The store holds the rows of units; whoever reads a table reads what `merged` makes of them.
    """

    def units(self, samples: int) -> int:
        """Return the number of units of a data set of so many samples."""

    def samples_of(self, start: int, stop: int) -> Sequence[int]:
        """Return the place in the data set of the sample of each unit, from start to stop - 1."""

    def merged(self, table: Table) -> Columns:
        """Return the rows of samples, made of those of their units, which lie in their order.

        Those of a failed shard are missing. Counts add up; bounds of parts cannot be merged.
        """


@runtime_checkable
class Paired(Protocol):
    """A probe, or a derivation, that may see another sample of the data set beside each.

    It is drawn by (seed, index), uniformly among all others of the data set: those of another
    index. In a union of a data set with itself, or with what was made of it, it may come of the
    same root.
    """

    def paired(self) -> bool:
        """Return whether its batches need `Batch.others`."""


@runtime_checkable
class Calibrated(Probe, Protocol):
    """A probe with a setting that is measured if it is not given.

    The setting is the same for all shards of a model.

    Whoever runs it sends at most `CALIBRATION` samples of the study, the first in the drawn order,
    through the model, and takes what comes back in place of the probe.
    """

    def calibrated(self, logits: Tensor) -> Probe:
        """Return the probe with that setting, from the logits `(N, K)` of the study's samples.

        It is the probe itself if the setting is given.
        """


@runtime_checkable
class Settled(Probe, Protocol):
    """A probe with settings that follow from its inputs and its fits where they are not given."""

    def settled(self, shape: tuple[int, ...]) -> Probe:
        """Return the probe with all its settings for inputs of a shape, as far as these follow.

        Its fits are declared, or learnt. It is the probe itself where nothing is left to follow.
        """


@runtime_checkable
class ReadsLayers(Protocol):
    """A probe, or a derivation, that reads the layers of a network, and not those of every one."""

    def check_layers(self, classifier: Classifier, inputs: Tensor) -> None:
        """Raise ValueError for a classifier of inputs `(B, *shape)` that it cannot read.

        Whoever runs it asks once for each model, before any work.
        """


@runtime_checkable
class Indexed(Probe, Protocol):
    """A probe whose settings fix the values of some columns, so that a claim can be checked."""

    def values(self) -> Mapping[str, Sequence[str | float]]:
        """Return all values that columns may have, by column; those that are measured stay out."""


@runtime_checkable
class HoldsShares(Probe, Protocol):
    """A probe whose rows hold shares or probabilities, beside columns of yes and no."""

    @property
    def shares(self) -> tuple[str, ...]:
        """The names of these columns, whose numbers all lie in [0, 1], NaN where there is none."""


CALIBRATION = 512
"""Largest number of samples that calibrate a probe."""


def median(values: Tensor) -> float:
    """Return the median of `(N,)`; NaN is left out, inf is larger than all.

    It is the mean of the two middle ones of an even number of values.
    """
    ordered = values[~values.isnan()].double().sort().values
    if not len(ordered):
        return torch.nan
    return ((ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2).item()


def measure_some(
    batch: Batch,
    some: Batch,
    randomness: Randomness,
    measure: Callable[[Batch, Randomness], Columns],
) -> Table:
    """The rows of `some` of a batch's samples, of which there may be none.

    Then the first sample of the batch is measured, and its row cut away: columns have their shapes,
    and no empty batch reaches a network.
    """
    empty = not len(some.inputs)
    if empty:
        some = batch.take(slice(1))
    table = Table(measure(some, Randomness(randomness.seed, some.indices, randomness.key)))
    return table.take(torch.arange(0)) if empty else table
