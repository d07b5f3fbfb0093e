"""Normals of the decision boundary.

How many dimensions they span, and how far networks share them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations

import torch
from torch import Tensor

from advcore.attacks import Attack, MinimalNorm, Status
from advcore.classifier import Classifier
from advcore.margins import check_attack, minimal_perturbations
from advcore.normal_spectra import (
    dimensions_above_random,
    overlap,
    participation_ratio,
    random_singular_values,
    singular_values,
)
from advcore.norms import L2, per_sample
from advcore.probes.charts import Chart, Lines, Series
from advcore.probes.probe import Batch, Curve, Summary, median
from advcore.probes.table import Table
from advcore.randomness import Randomness
from advcore.subspaces import span

MEANINGS = {
    "found": "share of samples whose minimal perturbation was found",
    "median_distance": (
        "median length of the minimal l2 perturbation out of the predicted class, no box"
    ),
    "participation_ratio": "how many directions the unit normals spread over evenly",
    "participation_ratio/random": "the same of as many random directions",
    "dimensions_above_random": "how many singular values exceed those of random directions",
    "singular_value": "singular values of the unit normals, by rank",
    "singular_value/random": "the same of as many random directions",
}
"""Meanings of the summary's numbers."""

LEADING = 50
"""Overlaps are taken of so many leading directions at most."""


@dataclass(frozen=True)
class Normals:
    """The unit minimal perturbation of each sample: the boundary's normal where it ends.

    There is one row per sample.

    Columns: `sample`; `normal` `(C, H, W)`, of length 1 in l2, 0 where none was found; `distance`,
    inf there; `status`.

    A row takes 4 D bytes in float32, and the summary decomposes all of them at once, in float64:
    fine for some thousand images of 28 x 28, or some hundred of 224 x 224 (150,528 numbers, 600 kB
    a row).

    Attributes:
        attack: minimal-norm l2 attack without a box. Where it is loose, its direction is no normal:
            on digits the cosine of DeepFool's with the boundary's normal at its end is .74, that of
            `MinimalNorm`'s .99.
    """

    attack: Attack = field(default_factory=lambda: MinimalNorm(norm="l2", box=False))

    def __post_init__(self) -> None:
        check_attack(self.attack)

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        """Accept images of any shape, with at least two classes."""

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        result = minimal_perturbations(classifier, batch.inputs, self.attack, randomness)
        missing = ~per_sample(result.found, batch.inputs)
        return Table(
            {
                "sample": batch.indices,
                "normal": L2.steepest(result.images).masked_fill(missing, 0),
                "distance": result.distance,
                "status": [Status(code).name.lower() for code in result.status.tolist()],
            }
        )

    def summarise(self, table: Table) -> Summary:
        normals, distance = _found(table), table.numbers("distance")
        scalars = {
            "found": len(normals) / len(distance),
            "median_distance": median(distance),
        }
        if not len(normals):
            return Summary(scalars, meanings=MEANINGS)
        values, random = _spectra(normals)
        ranks = list(range(1, len(values) + 1))
        return Summary(
            scalars={
                **scalars,
                "participation_ratio": participation_ratio(values),
                "participation_ratio/random": participation_ratio(random),
                "dimensions_above_random": dimensions_above_random(values, random),
            },
            curves={
                "singular_value": Curve(ranks, values.tolist()),
                "singular_value/random": Curve(ranks, random.tolist()),
            },
            meanings=MEANINGS,
        )

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        found = {model: normals for model, table in tables.items() if len(normals := _found(table))}
        return [
            *([_spectrum(found)] if found else []),
            *([_overlaps(found)] if len(found) > 1 else []),
        ]


def _found(table: Table) -> Tensor:
    """The normals that there are."""
    return table.numbers("normal")[torch.isfinite(table.numbers("distance"))]


def _spectra(normals: Tensor) -> tuple[Tensor, Tensor]:
    """Singular values of the normals and of as many random directions."""
    return singular_values(normals), random_singular_values(len(normals), normals[0].numel())


def _spectrum(found: Mapping[str, Tensor]) -> Chart:
    series, by_count = [], {}
    for model, normals in found.items():
        values, by_count[len(normals)] = _spectra(normals)
        series.append(Series(model, torch.arange(1, len(values) + 1), values))
    for count, values in by_count.items():
        label = "random directions" if len(by_count) == 1 else f"{count} random directions"
        series.append(Series(label, torch.arange(1, len(values) + 1), values))
    return Lines(
        name="singular_values",
        title="Directions that the boundary's normals share",
        x_label="rank of the singular value",
        y_label="singular value of the unit normals",
        series=series,
        x_scale="log",
        y_scale="log",
        note=(
            "One normal per sample. Above the random directions: directions that many samples "
            "share."
        ),
    )


def _overlaps(found: Mapping[str, Tensor]) -> Chart:
    """Return the overlap of each pair of models, over the number of leading directions."""
    bases = {
        model: span(normals.flatten(1)[:, None, None]).basis[:LEADING]
        for model, normals in found.items()
    }
    counts = range(1, min(map(len, bases.values())) + 1)
    ks, dimension = torch.tensor(counts), next(iter(bases.values()))[0].numel()
    pairs = [
        Series(
            f"{one} and {other}",
            ks,
            torch.tensor([overlap(bases[one][:k], bases[other][:k]) for k in counts]),
        )
        for one, other in combinations(bases, 2)
    ]
    return Lines(
        name="overlap",
        title="Overlap of the normals of two networks",
        x_label="k, leading directions of each network's normals",
        y_label="overlap: mean squared cosine of the principal angles",
        series=[*pairs, Series("random subspaces", ks, ks / dimension)],
        y_limits=(0, 1.02),
        note="1: the same k directions in both. Random subspaces overlap by k / D in the mean.",
    )
