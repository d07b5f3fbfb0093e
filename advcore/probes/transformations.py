"""Accuracy under every rotation, shift, shear and scale of a grid (Engstrom et al. 2019)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from advcore.classifier import Classifier, first_logits, frozen, full_precision
from advcore.probes.charts import Chart, Lines, Series
from advcore.probes.probe import Batch, Curve, Summary
from advcore.probes.table import Table
from advcore.randomness import Randomness
from advcore.threats import Spatial
from advcore.threats.spatial import NAMES, SpatialRegion


@dataclass(frozen=True)
class Transformations:
    """Samples after each transformation of a grid: which are classified rightly.

    Three numbers come of it, which are often taken for one another: the mean over the grid, the
    accuracy under the one transformation that is worst for all samples, and the share of samples
    that hold against every one of them.

    One row per sample x transformation. Columns: `sample`; `transformation`, its number in the
    grid; `rotation` in degrees, `right` and `down` in pixels, `shear`, `scale` as a change of size;
    `correct`, true where the predicted label is the true one.

    Attributes:
        threat: limits of the parameters; those that are 0 stay 0.
        points: values of each parameter, from minus its limit to its limit.
    """

    threat: Spatial = field(default_factory=Spatial)
    points: int = 5

    def __post_init__(self) -> None:
        if self.points < 2:
            raise ValueError(f"points must be at least 2; got {self.points}")

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        self._grid(torch.zeros(1, *shape), lambda images: images)

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        region, grid = self._grid(batch.inputs, classifier)
        with full_precision(), frozen(classifier), torch.no_grad():
            first_logits(classifier, batch.inputs)
            correct = torch.stack(
                [
                    classifier(region.apply(point.expand(len(batch.inputs), -1))).argmax(1)
                    == batch.labels
                    for point in grid
                ],
                1,
            )
        moved = (grid.cpu() * region.limits).repeat(len(batch.inputs), 1)
        return Table(
            {
                "sample": batch.indices.repeat_interleave(len(grid)),
                "transformation": torch.arange(len(grid)).repeat(len(batch.inputs)),
                **dict(zip(NAMES, moved.unbind(1), strict=True)),
                "correct": correct.flatten(),
            }
        )

    def summarise(self, table: Table) -> Summary:
        if not len(table["sample"]):
            return Summary()
        correct = _by_sample(table)
        turns, rates, _ = _over_rotation(table)
        count, number = correct.shape
        said = f"share of {count} samples with the true label"
        return Summary(
            scalars={
                "accuracy_mean": correct.mean().item(),
                "accuracy_worst_transformation": correct.mean(0).min().item(),
                "accuracy_worst_of_grid": correct.amin(1).mean().item(),
            },
            curves={"accuracy_over_rotation": Curve(turns, rates)},
            meanings={
                "accuracy_mean": f"{said}, mean over {number} transformations",
                "accuracy_worst_transformation": (
                    f"{said} under the one of {number} transformations that is worst for all"
                ),
                "accuracy_worst_of_grid": f"{said} under each of {number} transformations",
                "accuracy_over_rotation": (
                    f"{said} by rotation in degrees, mean over the other parameters"
                ),
            },
        )

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        tables = {model: table for model, table in tables.items() if len(table["sample"])}
        if not tables:
            return []
        return [
            Lines(
                name="transformations",
                title="Accuracy under rotations",
                x_label="rotation (degrees)",
                y_label="accuracy (%)",
                series=[
                    _series(model, table, i) for i, (model, table) in enumerate(tables.items())
                ],
                y_limits=(0, 100),
                note=(
                    f"Mean over the other parameters of a grid of {self.points} values each; band: "
                    "from the worst to the best of them."
                ),
            )
        ]

    def _grid(self, inputs: Tensor, classifier: Classifier) -> tuple[SpatialRegion, Tensor]:
        region = self.threat.around(inputs, inputs.new_ones(len(inputs)), classifier)
        return region, region.grid(self.points)


def _by_sample(table: Table) -> Tensor:
    """Return which are right, `(samples, transformations)`, as 0 and 1."""
    correct = table.numbers("correct").double()
    return correct.view(-1, int(table.numbers("transformation").max()) + 1)


def _over_rotation(table: Table) -> tuple[list[float], list[float], list[tuple[float, float]]]:
    """The rotations, the mean accuracy under each, and its worst and best."""
    rates = _by_sample(table).mean(0)
    turns = table.numbers("rotation")[: len(rates)]
    each = [(turn, rates[turns == turn]) for turn in turns.unique().tolist()]
    return (
        [turn for turn, _ in each],
        [own.mean().item() for _, own in each],
        [(own.min().item(), own.max().item()) for _, own in each],
    )


def _series(model: str, table: Table, place: int) -> Series:
    turns, rates, ends = _over_rotation(table)
    low, high = (100 * torch.tensor(own) for own in zip(*ends, strict=True))
    return Series(model, torch.tensor(turns), 100 * torch.tensor(rates), low, high, shade=place)
