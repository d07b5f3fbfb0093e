"""Margins over the whole plane of frequencies.

They are a map of the directions along which a network is invariant.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from advcore.attacks import Attack
from advcore.classifier import Classifier
from advcore.probes.charts import Chart, Maps
from advcore.probes.margins import Margins, by_position, quantile
from advcore.probes.probe import Batch, Curve, Summary
from advcore.probes.table import Table
from advcore.randomness import Randomness
from advcore.subspaces import DCTGrid


@dataclass(frozen=True)
class FrequencyMap:
    """The probe `Margins` in every block of a tiling of the frequency plane (`DCTGrid`).

    There is one row per block x sample.

    Columns: `sample`; `row`, `column` of the block in the tiling, from low to high vertical and
    horizontal frequency; `distance` (inf where none was found), `status`.

    Attributes:
        size: frequencies along each side of a block; it divides both sides of the images.
        quality: choice of the attack, as in `Margins`.
        attack: minimal-norm l2 attack instead of that choice, as in `Margins`.
        rows: number of samples x subspaces attacked as one batch; 1,024 at most when not given,
            and fewer of large images, see `advcore.batch_rows`. It changes memory and speed.
    """

    size: int = 4
    quality: Literal["fast", "tight"] | None = None
    attack: Attack | None = None
    rows: int | None = field(default=None, metadata={"cost": True})

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"size must be at least 1; got {self.size}")
        _ = self._margins  # which refuses what it cannot take

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        self._margins.validate(shape, classes)

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        table = self._margins.measure(classifier, batch, randomness)
        position, across = table.numbers("subspace"), batch.inputs.shape[3] // self.size
        return Table(
            {
                "sample": table.numbers("sample"),
                "distance": table.numbers("distance"),
                "status": table.words("status"),
                "row": position // across,
                "column": position % across,
            }
        )

    def summarise(self, table: Table) -> Summary:
        medians = _medians(table)
        return Summary(
            scalars={
                "found": torch.isfinite(table.numbers("distance")).double().mean().item(),
                "median_margin/low": medians[0, 0].item(),
                "median_margin/high": medians[-1, -1].item(),
                "median_margin/low_vertical_high_horizontal": medians[0, -1].item(),
                "median_margin/high_vertical_low_horizontal": medians[-1, 0].item(),
            },
            curves={
                "median_margin": Curve(
                    list(range(medians.numel())), medians.flatten().tolist(), medians.shape[1]
                )
            },
            meanings=self._margins.meanings(len(table.numbers("sample").unique())),
        )

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        maps = {model: _medians(table) for model, table in tables.items()}
        down, across = next(iter(maps.values())).shape
        return [
            Maps(
                name="frequency_map",
                title="Margin in each block of the frequency plane",
                x_label="horizontal frequency (DCT index)",
                y_label="vertical frequency (DCT index)",
                panels=[(medians, model) for model, medians in maps.items()],
                x_limits=(0, across * self.size),
                y_limits=(0, down * self.size),
                value_label="l2 margin (pixels in [0, 1], no box)",
                scale="log",
                note=f"Median over samples in blocks of {self.size} x {self.size} frequencies (eq. "
                f"18). {self._margins.note()} "
                "Larger is more invariant.",
            )
        ]

    @property
    def _margins(self) -> Margins:
        return Margins(DCTGrid(self.size), self.quality, self.attack, rows=self.rows)


def _medians(table: Table) -> Tensor:
    """Return the median of each block, `(rows, columns)` of the tiling."""
    row, column = table.numbers("row"), table.numbers("column")
    across = int(column.max()) + 1
    _, distances = by_position(row * across + column, table.numbers("distance"))
    return quantile(distances, 0.5).view(-1, across)
