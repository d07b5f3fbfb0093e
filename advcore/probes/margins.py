"""Margins along a family of subspaces (article, eq. 18 and Fig. 8)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, cast

import torch
from torch import Tensor

from advcore.attacks import Attack, DeepFool, MinimalNorm
from advcore.classifier import Classifier
from advcore.margins import MarginStatus, check_attack, margins
from advcore.probes.charts import Chart, Lines, Series
from advcore.probes.probe import Batch, Columns, Curve, Summary
from advcore.randomness import Randomness
from advcore.subspaces import DCTDiagonal, FamilySpec

QUALITIES: dict[str, Attack] = {"fast": DeepFool(norm="l2", box=False), "tight": MinimalNorm(norm="l2", box=False)}
"""The attack of a quality."""


@dataclass(frozen=True)
class Margins:
    """The norm of the minimal perturbation inside each subspace; one row per subspace x sample.

    Columns: `sample`, `subspace` (position in the family), `distance` (inf where none was found), `status`, see
    `advcore.margins.MarginStatus`.

    Attributes:
        family: the subspaces.
        quality: `fast` is `DeepFool`, the published algorithm; `tight` is `MinimalNorm`, which looks on along the boundary.
        attack: instead of these two, a minimal-norm l2 attack without a box.
        radius: margins beyond it, in pixel units, are censored: they count as not found.
        rows: samples x subspaces attacked as one batch; memory and speed.
    """

    family: FamilySpec = field(default_factory=DCTDiagonal)
    quality: Literal["fast", "tight"] | None = None
    attack: Attack | None = None
    radius: float = math.inf
    rows: int = field(default=1024, metadata={"cost": True})  # only memory and speed: left out of the key of a result

    def __post_init__(self) -> None:
        if self.rows < 1:
            raise ValueError(f"rows must be at least 1; got {self.rows}")
        if self.quality is not None and self.quality not in QUALITIES:
            raise ValueError(f"quality must be one of {', '.join(QUALITIES)}; got {self.quality!r}")
        if self.attack is not None and self.quality is not None:
            raise ValueError("quality stands for an attack; give either it or attack")
        check_attack(self.chosen)
        if not self.radius > 0:
            raise ValueError(f"radius must be positive, in pixel units; got {self.radius}")

    @property
    def chosen(self) -> Attack:
        """The attack that runs."""
        return self.attack or QUALITIES[self.quality or "fast"]

    def validate(self, shape: tuple[int, int, int], classes: int) -> None:
        self.family(shape)

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Columns:
        family = self.family(cast(tuple[int, int, int], tuple(batch.images.shape[1:])))
        around, still = batch.around(classifier)
        result = margins(around, still, family, self.chosen, self.rows, randomness, self.radius)
        return {
            "sample": batch.indices.repeat(len(family)),
            "subspace": torch.arange(len(family)).repeat_interleave(len(batch.images)),
            "distance": result.distance.flatten(),
            "status": [MarginStatus(code).name.lower() for code in result.status.flatten().tolist()],
        }

    def summarise(self, table: Columns) -> Summary:
        positions, distances = _by_subspace(table)
        medians = quantile(distances, 0.5)
        return Summary(
            scalars={
                "found": torch.isfinite(distances).double().mean().item(),
                "median_margin/first": medians[0].item(),
                "median_margin/last": medians[-1].item(),
            },
            curves={
                "median_margin": Curve(positions.tolist(), medians.tolist()),
                "lower_quartile_margin": Curve(positions.tolist(), quantile(distances, 0.25).tolist()),
                "upper_quartile_margin": Curve(positions.tolist(), quantile(distances, 0.75).tolist()),
            },
        )

    def charts(self, tables: Mapping[str, Columns]) -> list[Chart]:
        series = []
        for model, table in tables.items():
            positions, distances = _by_subspace(table)
            cloud = positions.repeat_interleave(distances.shape[1]), distances.flatten()
            series.append(Series(model, positions, quantile(distances, 0.5), cloud=cloud))
        return [
            Lines(
                name="margins",
                title="Margin in each subspace",
                x_label="subspace",
                y_label="margin: l2 norm of the minimal perturbation (pixels in [0, 1])",
                series=series,
                y_scale="log",
                ends=("low frequency", "high frequency"),
                note="Line: median over samples. Dots: single samples. Larger is more invariant along that subspace (eq. 18).",
            )
        ]


def _by_subspace(table: Columns) -> tuple[Tensor, Tensor]:
    """The subspaces' positions `(S,)` and the distances `(S, samples)`."""
    return by_position(cast(Tensor, table["subspace"]), cast(Tensor, table["distance"]))


def by_position(position: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Of rows sample x position, in any order: the positions that there are `(P,)`, ascending, and the values `(P, samples)`."""
    positions = position.unique()
    return positions, torch.stack([values[position == one] for one in positions])


def quantile(values: Tensor, share: float) -> Tensor:
    """Over the samples of `(P, samples)`; one without a margin counts as inf, never left out, and no value is interpolated
    towards it."""
    return values.quantile(share, dim=1, interpolation="lower")
