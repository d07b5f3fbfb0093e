"""Margins along a family of subspaces (article, eq. 18 and Fig. 8)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor

from advcore.attacks import Attack, DeepFool, MinimalNorm, kind_and_norm
from advcore.batch_rows import check_batch_rows
from advcore.classifier import Classifier
from advcore.counts import counted
from advcore.margins import MarginStatus, check_attack, margins
from advcore.probes.charts import Chart, Lines, medians
from advcore.probes.probe import Batch, Curve, Summary
from advcore.probes.table import Table
from advcore.randomness import Randomness
from advcore.subspaces import Complements, DCTDiagonal, FamilySpec, OneColour, check_family

QUALITIES: dict[str, Attack] = {
    "fast": DeepFool(norm="l2", box=False),
    "tight": MinimalNorm(norm="l2", box=False),
}
"""The attack of a quality."""

LOOSE = (
    "DeepFool's margins are 1.3 to 2.6 times those of quality tight on LeNets and digits, "
    "unevenly by block and network"
)
"""The sentence that goes with margins of `fast`."""

MARGIN = "margin (l2, pixels in [0, 1], no box)"
"""The axis of margins."""


@dataclass(frozen=True)
class Margins:
    """The norm of the minimal perturbation inside each subspace; one row per subspace x sample.

    Columns: `sample`, `subspace` (position in the family), `distance` (inf where none was found),
    `status`, see `advcore.margins.MarginStatus`.

    Attributes:
        family: family of subspaces.
        quality: choice of the attack: `fast`, the default, is `DeepFool`, the published algorithm,
            which steps over the boundary where that is curved: its margins are 1.3 to 2.6 times the
            tight ones on LeNets, by block and network; `tight` is `MinimalNorm`, which looks on
            along the boundary, and takes 13 to 25 times as long on a LeNet.
        attack: attack instead of these two, a minimal-norm l2 attack without a box.
        radius: largest margin, in pixel units; margins beyond it are censored: they count as not
            found.
        rows: number of samples x subspaces attacked as one batch; 1,024 at most when not given,
            and fewer of large images, see `advcore.batch_rows`. It changes memory and speed.
    """

    family: FamilySpec = field(default_factory=DCTDiagonal)
    quality: Literal["fast", "tight"] | None = None
    attack: Attack | None = None
    radius: float = math.inf
    rows: int | None = field(
        default=None, metadata={"cost": True}
    )  # only memory and speed: left out of the key of a result

    def __post_init__(self) -> None:
        check_batch_rows(self.rows)
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

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        check_family(self.family, shape)

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        family = self.family(tuple(batch.inputs.shape[1:]))
        around, still = batch.around(classifier)
        result = margins(around, still, family, self.chosen, self.rows, randomness, self.radius)
        return Table(
            {
                "sample": batch.indices.repeat(len(family)),
                "subspace": torch.arange(len(family)).repeat_interleave(len(batch.inputs)),
                "distance": result.distance.flatten(),
                "status": [
                    MarginStatus(code).name.lower() for code in result.status.flatten().tolist()
                ],
            }
        )

    def summarise(self, table: Table) -> Summary:
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
                "lower_quartile_margin": Curve(
                    positions.tolist(), quantile(distances, 0.25).tolist()
                ),
                "upper_quartile_margin": Curve(
                    positions.tolist(), quantile(distances, 0.75).tolist()
                ),
            },
            meanings=self.meanings(distances.shape[1]),
        )

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        series, windows = [], dict[float, str]()
        part, blocks = _blocks(self.family)
        for model, table in tables.items():
            positions, distances = _by_subspace(table)
            series.append(
                replace(
                    medians(model, positions, distances.mT), style="both" if blocks else "points"
                )
            )
            if blocks is not None:
                windows |= {
                    place: "{}–{}".format(*blocks.window(place)) for place in positions.tolist()
                }
        return [
            Lines(
                name="margins",
                title="Margin in each block of frequencies"
                if windows
                else "Margin in each subspace",
                x_label=f"{part} (DCT index)" if windows else "number of the subspace",
                y_label=MARGIN,
                series=series,
                y_scale="log",
                ends=("low frequency", "high frequency") if windows else None,
                x_ticks=windows,
                note="Median over samples, its 95 % interval, faint between quartiles. "
                f"{self.note()} "
                "Larger is more invariant in that subspace (eq. 18).",
            )
        ]

    def note(self) -> str:
        """Describe the margins for a chart: the label, no box, the attack and how loose it is."""
        loose = f" {LOOSE}." if self.chosen == QUALITIES["fast"] else ""
        return (
            f"From the predicted label, by {kind_and_norm(self.chosen)}; no box: pixels may leave "
            f"[0, 1], so a margin may exceed the norm of any image.{loose}"
        )

    def meanings(self, count: int) -> dict[str, str]:
        """A sentence for each name, of `count` samples."""
        loose = f"; {LOOSE}" if self.chosen == QUALITIES["fast"] else ""
        what = (
            "the l2 norm (pixels in [0, 1]) of the minimal perturbation inside the subspace, from "
            f"the predicted label, without a box, by {kind_and_norm(self.chosen)}, over "
            f"{counted(count, 'sample')}; inf where none was found{loose}"
        )
        return {
            "found": (
                f"share of {counted(count, 'sample')} x subspaces in which a perturbation was "
                "found that changes the predicted label"
            ),
            "median_margin": f"median of {what}",
            "lower_quartile_margin": "lower quartile of the same norms (l2, pixels in [0, 1])",
            "upper_quartile_margin": "upper quartile of the same norms (l2, pixels in [0, 1])",
        }


def _blocks(family: FamilySpec) -> tuple[str, DCTDiagonal | None]:
    """Return the label of the axis of a family, and the blocks that it is made of.

    None if it is made of others.
    """
    match family:
        case DCTDiagonal():
            return "frequencies of the block", family
        case OneColour(family=DCTDiagonal() as blocks):
            return "frequencies of the block", blocks
        case Complements(family=DCTDiagonal() as blocks):
            return "frequencies left out", blocks
    return "", None


def _by_subspace(table: Table) -> tuple[Tensor, Tensor]:
    """The subspaces' positions `(S,)` and the distances `(S, samples)`."""
    return by_position(table.numbers("subspace"), table.numbers("distance"))


def by_position(position: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Return the positions of rows sample x position, and the values by them.

    The rows come in any order; positions are `(P,)`, ascending, values `(P, samples)`.
    """
    positions = position.unique()
    return positions, torch.stack([values[position == one] for one in positions])


def quantile(values: Tensor, share: float) -> Tensor:
    """Return a quantile over the samples of `(P, samples)`.

    A sample without a margin counts as inf, never left out, and no value is interpolated towards
    it.
    """
    return values.quantile(share, dim=1, interpolation="lower")
