"""Similarity of the maps of several networks at the same inputs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from advcore.classifier import Classifier, check_pictures, predict
from advcore.explain import Attribution, IntegratedGradients
from advcore.explain.agreement import salience, spearman, top_shared
from advcore.explain.image_alignment import half_turn
from advcore.explain.map_measures import map_cosine
from advcore.probes.charts import Chart, Maps
from advcore.probes.probe import NOBODY, Batch, Summary, median
from advcore.probes.table import Table
from advcore.randomness import Randomness

MEASURES = {
    "cosine": "cosine of the angle between the maps",
    "rank_correlation": "Spearman's correlation of the pixels' magnitudes",
    "top_shared": "share of the largest pixels that both maps have",
    "turned_cosine": "cosine with the other map turned by half a turn: the control",
}
"""The columns that are summarised."""


@dataclass(frozen=True)
class MapSimilarity:
    """The similarity of the maps of two networks, each of its own predicted label.

    There is one row per sample x other network; a network meets itself, too, unless `to` leaves it
    out.

    Columns: `sample`; `to`, the other network's name; `cosine` of the signed maps;
    `rank_correlation`, Spearman's of the pixels' magnitudes summed over channels; `top_shared`,
    the share of the `top` largest such pixels that both have (see `advcore.explain.agreement`);
    `turned_cosine`, the control: that with the other map turned by half a turn.

    Attributes:
        attribution: method that makes the maps.
        to: names of the other models of the study; all of them when empty.
        top: number of largest pixels.
    """

    attribution: Attribution = field(default_factory=IntegratedGradients)
    to: tuple[str, ...] = ()
    top: int = 50

    shares: ClassVar[tuple[str, ...]] = ("top_shared",)

    def __post_init__(self) -> None:
        if len(set(self.to)) < len(self.to):
            raise ValueError(f"to must name each model once; got {', '.join(self.to)}")
        if self.top < 1:
            raise ValueError(f"top must be at least 1; got {self.top}")

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        _, height, width = check_pictures(shape, "a similarity of maps")
        if self.top > height * width:
            raise ValueError(
                f"top must be at most the {height * width} pixels of a picture; got {self.top}"
            )

    def partners(self, models: Sequence[str]) -> Sequence[str]:
        return self.to or models

    def measure(
        self,
        classifier: Classifier,
        batch: Batch,
        randomness: Randomness,
        others: Mapping[str, Classifier] = NOBODY,
    ) -> Table:
        if not others:
            raise ValueError(
                "map_similarity compares maps with other networks'; got none: give `others`, by "
                "name"
            )
        own = self._maps(classifier, batch, randomness)
        parts = [
            _agreement(own, self._maps(other, batch, randomness), self.top)
            for other in others.values()
        ]
        return Table(
            {
                "sample": batch.indices.repeat(len(others)),
                "to": [name for name in others for _ in range(len(own))],
                **{name: torch.cat([part[name] for part in parts]) for name in MEASURES},
            }
        )

    def summarise(self, table: Table) -> Summary:
        names = dict.fromkeys(table.words("to"))
        return Summary(
            {
                f"median_{column}/{name}": median(
                    table.numbers(column)[table.rows_with("to", name)]
                )
                for column in MEASURES
                for name in names
            },
            meanings={
                f"median_{column}": f"median over samples of the {text}, by the other network"
                for column, text in MEASURES.items()
            },
        )

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        names = list(dict.fromkeys(next(iter(tables.values())).words("to")))
        return [
            Maps(
                name="map_similarity",
                title="Similarity of the maps of two networks",
                x_label="maps of",
                y_label="maps of",
                panels=[
                    (_medians(tables, names, column), MEASURES[column].partition(":")[0])
                    for column in MEASURES
                ],
                x_limits=(0, len(names)),
                y_limits=(0, len(tables)),
                value_label="median over samples",
                x_names=names,
                y_names=list(tables)[::-1],
                across=2,
            )
        ]

    def _maps(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Tensor:
        labels = predict(classifier, batch.inputs)
        return self.attribution(classifier, batch.inputs, labels, randomness).maps


def _agreement(own: Tensor, other: Tensor, top: int) -> dict[str, Tensor]:
    """The columns of one other network, `(B,)` each."""
    one, two = salience(own), salience(other)
    return {
        "cosine": map_cosine(own, other),
        "rank_correlation": spearman(one, two),
        "top_shared": top_shared(one, two, top),
        "turned_cosine": map_cosine(own, half_turn(other)),
    }


def _medians(tables: Mapping[str, Table], names: Sequence[str], column: str) -> Tensor:
    """Medians over samples, `(networks, others)`, in hundredths, the last network first."""
    medians = torch.tensor(
        [
            [median(table.numbers(column)[table.rows_with("to", name)]) for name in names]
            for table in list(tables.values())[::-1]
        ]
    )
    return medians.round(decimals=2)
