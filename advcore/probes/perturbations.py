"""Minimal perturbations by several attacks, and how much of the picture each changes (Fig. 1)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import ClassVar

import torch
from torch import Tensor

from advcore.attacks import FMN, Attack, MinimalNorm, Status
from advcore.attacks.attack import norm_of
from advcore.checks import check_pictures
from advcore.classifier import Classifier, full_precision, predict
from advcore.criteria import Untargeted
from advcore.norms import L1, L2, LINF
from advcore.probes.attack_labels import check_attacks, told_apart
from advcore.probes.charts import Chart, Lines, Series, ascending
from advcore.probes.probe import Batch, Summary, median
from advcore.probes.table import Table
from advcore.randomness import Randomness

HALF_LEVEL = 0.5 / 255
"""Change of a pixel that may show in a picture of 8 bits."""


@dataclass(frozen=True)
class Perturbations:
    """The minimal perturbations of each sample by attacks of any norms, side by side.

    Out of the predicted class. There is one row per attack x sample.

    Columns: `sample`; `attack`; `found`, and `status`; `distance`, in the attack's own norm, pixel
    units, or a count in l0, inf where none was found; `changed`, the share of the pixels that
    differ in any channel; `visible`, of those that differ by more than half of one of 255 grey
    levels; `l1`, `l2`, `linf`, the perturbation's length in these norms, pixel units. Where none
    was found these are NaN.

    Attributes:
        attacks: minimal-norm attacks of any norms; an l0, l1, l2 and linf one when not given.
    """

    attacks: tuple[Attack, ...] = (
        FMN(norm="l0"),
        MinimalNorm(norm="l1"),
        MinimalNorm(norm="l2"),
        MinimalNorm(norm="linf"),
    )

    shares: ClassVar[tuple[str, ...]] = (
        "changed",
        "visible",
    )

    def __post_init__(self) -> None:
        check_attacks("perturbations", self.attacks)

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        check_pictures(shape, "the share of changed pixels")

    def values(self) -> Mapping[str, Sequence[str | float]]:
        return {"attack": told_apart(self.attacks)}

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        with full_precision():
            criterion = Untargeted(predict(classifier, batch.inputs))
            results = [
                attack(classifier, batch.inputs, criterion, randomness) for attack in self.attacks
            ]
        found = torch.cat([result.found for result in results])
        change = torch.cat([result.images - batch.inputs for result in results])
        sizes = {norm.name: norm.size(change) for norm in (L1, L2, LINF)}
        shares = {
            "changed": _share_of_pixels(change, 0),
            "visible": _share_of_pixels(change, HALF_LEVEL),
        }
        return Table(
            {
                "sample": batch.indices.repeat(len(results)),
                "attack": [name for name in told_apart(self.attacks) for _ in batch.indices],
                "found": found,
                "status": [
                    Status(code).name.lower()
                    for result in results
                    for code in result.status.tolist()
                ],
                "distance": torch.cat([result.distance for result in results]),
                **{
                    name: own.masked_fill(~found, torch.nan)
                    for name, own in [*shares.items(), *sizes.items()]
                },
            }
        )

    def summarise(self, table: Table) -> Summary:
        if not len(table["sample"]):
            return Summary()
        scalars = dict[str, float]()
        for name in told_apart(self.attacks):
            own = table.take(table.rows_with("attack", name))
            scalars |= {
                f"found/{name}": own.numbers("found").double().mean().item(),
                f"median_distance/{name}": median(own.numbers("distance")),
                f"median_changed/{name}": median(own.numbers("changed")),
                f"median_visible/{name}": median(own.numbers("visible")),
            }
        count = len(table.numbers("sample").unique())
        of = f"median over {count} samples of the share of pixels that the perturbation changes"
        return Summary(
            scalars,
            meanings={
                "found": f"share of {count} samples for which the attack found a perturbation",
                "median_distance": f"median over {count} samples of its size in the attack's norm, "
                "out of the predicted class (pixels in [0, 1]; a count in l0)",
                "median_changed": f"{of} at all",
                "median_visible": f"{of} by more than half of one of 255 grey levels",
            },
        )

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        tables = {model: table for model, table in tables.items() if len(table["sample"])}
        if not tables:
            return []
        series: list[Series] = []
        for (model, table), name in product(tables.items(), told_apart(self.attacks)):
            own = table.take(table.rows_with("attack", name)).numbers("visible")
            line = ascending(f"{model}, {name}", 100 * own)
            series.append(replace(line, shade=len(series), mark=len(series)))
        norms = ", ".join(dict.fromkeys(norm_of(attack) for attack in self.attacks))
        return [
            Lines(
                name="changed_pixels",
                title="Pixels that minimal perturbations change",
                x_label="samples, each line's sorted by its own values (%)",
                y_label="changed pixels (%)",
                series=series,
                y_limits=(0, 102),
                note=f"Changed by more than half of one of 255 grey levels, in {norms}; out of the "
                "predicted class.",
            )
        ]


def _share_of_pixels(change: Tensor, least: float) -> Tensor:
    """Return the share of pixels of `(B, C, H, W)` that change by more in any channel, `(B,)`."""
    pixels = (change.abs() > least).any(1).flatten(1)
    return pixels.to(change.dtype).mean(1)
