"""Margins in random subspaces (Fawzi et al. 2016).

They lie between the minimal perturbation and random noise.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from advcore.attacks import Attack, MinimalNorm, kind_and_norm
from advcore.classifier import Classifier, full_precision, predict, take_rows
from advcore.counts import counted
from advcore.criteria import Untargeted
from advcore.margins import check_attack, minimal_perturbations
from advcore.probes.charts import Chart, Lines, Series, medians
from advcore.probes.margins import MARGIN, by_position, quantile
from advcore.probes.probe import Batch, Curve, Summary
from advcore.probes.table import Table
from advcore.randomness import Randomness
from advcore.subspaces import Restricted, Span, median_projection, random_spans


@dataclass(frozen=True)
class RandomMargins:
    """Margins in random m-dimensional subspaces, for several m; one row per dimension x sample.

    Where the boundary is flat between two classes, with r* the minimal perturbation in the whole
    space, the margin is `||r*|| / ||P u||`: u the unit normal, P the projection onto the subspace.
    Its median over random subspaces is `||r*||` over the median of `sqrt(Beta(m/2, (D - m)/2))`
    (`advcore.subspaces.median_projection`), which nears `sqrt(D / m) ||r*||` as m grows, and is
    1.48 times that for m = 1. Each sample has a subspace of its own, and that of a smaller
    dimension lies inside that of a larger one.

    Columns: `sample`, `dimension` (m), `distance` (inf where none was found), `status`; `expected`,
    that median, inf where r* was not found; `relative`, distance over expected, inf where either
    was not found: over samples it has the median 1 for each m at flat boundaries between two
    classes, and a smaller one for more classes, each of whose boundaries may be met first.

    Attributes:
        dimensions: dimensions m of the subspaces, growing, each at most D.
        attack: minimal-norm l2 attack without a box. DeepFool is twice as fast, but in few
            dimensions its steps are long and end far behind the boundary: on two LeNets 1.4 and 2.6
            times as far for m = 1, which hides that margins fall more slowly with m than flat
            boundaries let expect.
        rows: number of samples attacked as one batch, of which each holds a basis of largest m x D
            numbers in float64; it changes memory and speed.
    """

    dimensions: tuple[int, ...] = (1, 4, 16, 64, 256)
    attack: Attack = field(default_factory=lambda: MinimalNorm(norm="l2", box=False))
    rows: int = field(default=64, metadata={"cost": True})

    def __post_init__(self) -> None:
        dimensions = list(self.dimensions)
        if not dimensions or dimensions[0] < 1 or dimensions != sorted(set(dimensions)):
            raise ValueError(
                f"dimensions must be a growing list of whole numbers from 1; got {dimensions}"
            )
        if self.rows < 1:
            raise ValueError(f"rows must be at least 1; got {self.rows}")
        check_attack(self.attack)

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        if self.dimensions[-1] > math.prod(shape):
            raise ValueError(
                f"dimensions must not exceed the images', {math.prod(shape)}; got "
                f"{self.dimensions[-1]}"
            )

    def values(self) -> Mapping[str, Sequence[str | float]]:
        return {"dimension": self.dimensions}

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        indices = torch.arange(len(batch.inputs), device=batch.inputs.device).split(self.rows)
        parts = [
            self._measure(take_rows(classifier, index), batch.inputs[index], randomness.take(index))
            for index in indices
        ]
        distance, expected = (torch.cat(column, 1) for column in zip(*parts, strict=True))
        relative = (distance / expected).masked_fill(distance.isinf() | expected.isinf(), torch.inf)
        return Table(
            {
                "sample": batch.indices.repeat(len(self.dimensions)),
                "dimension": torch.tensor(self.dimensions).repeat_interleave(len(batch.inputs)),
                "distance": distance.flatten(),
                "status": [
                    "found" if math.isfinite(value) else "censored"
                    for value in distance.flatten().tolist()
                ],
                "expected": expected.flatten(),
                "relative": relative.flatten(),
            }
        )

    def summarise(self, table: Table) -> Summary:
        distance = table.numbers("distance")
        curves = {
            f"median_{name}": self._median(table, name)
            for name in ("distance", "expected", "relative")
        }
        return Summary(
            scalars={
                "found": torch.isfinite(distance).double().mean().item(),
                "median_relative/first": curves["median_relative"][0].item(),
                "median_relative/last": curves["median_relative"][-1].item(),
            },
            curves={
                name: Curve(self.dimensions, values.tolist()) for name, values in curves.items()
            },
            meanings=self._meanings(len(distance) // len(self.dimensions)),
        )

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        dimensions, series = torch.tensor(self.dimensions), list[Series]()
        for model, table in tables.items():
            _, distances = by_position(table.numbers("dimension"), table.numbers("distance"))
            place = len(series) // 2
            series.append(
                replace(medians(model, dimensions, distances.mT), shade=place, mark=place)
            )
            series.append(
                Series(
                    f"{model}, if flat",
                    dimensions,
                    self._median(table, "expected"),
                    shade=place,
                    thin=True,
                )
            )
        return [
            Lines(
                name="random_margins",
                title="Margin in random subspaces",
                x_label="dimension m of the random subspace",
                y_label=MARGIN,
                series=series,
                x_scale="log",
                y_scale="log",
                x_ticks=self.dimensions,
                note="Median over samples, its 95 % interval, faint between quartiles. By "
                f"{kind_and_norm(self.attack)}, from "
                "the predicted label. Thin, if flat: the median at a flat boundary as far as "
                "the sample's minimal perturbation.",
            )
        ]

    def _meanings(self, count: int) -> dict[str, str]:
        what = (
            f"from the predicted label, without a box, by {kind_and_norm(self.attack)}, over "
            f"{counted(count, 'sample')}; inf where none"
        )
        flat = "the median at a flat boundary that is as far in the whole space"
        return {
            "found": (
                f"share of {counted(count, 'sample')} x dimensions in which a perturbation was "
                "found that changes the predicted label"
            ),
            "median_distance": (
                "median l2 norm (pixels in [0, 1]) of the minimal perturbation in random "
                f"subspaces, {what}"
            ),
            "median_expected": f"median of {flat}, by m; the distance in the whole space {what}",
            "median_relative": (
                f"median of the margin over {flat}, 1 at flat boundaries between two classes, "
                f"at every m; {what}"
            ),
        }

    def _measure(
        self, classifier: Classifier, images: Tensor, randomness: Randomness
    ) -> tuple[Tensor, Tensor]:
        """Return the distance, and its median at a flat boundary, `(dimensions, B)` each."""
        whole = minimal_perturbations(classifier, images, self.attack, randomness).distance
        basis = random_spans(randomness, images.shape[1:], self.dimensions[-1]).basis.to(
            images.dtype
        )
        with full_precision():
            labels = predict(classifier, images)
            found = []
            for dimension in self.dimensions:
                own = Span(basis[:, :dimension], images.dim() - 1)
                restricted = Restricted(classifier, images, own)
                start = images.new_zeros(len(images), dimension)
                found.append(
                    self.attack(restricted, start, Untargeted(labels), randomness).distance
                )
        whole_space = images[0].numel()
        expected = torch.stack(
            [whole / median_projection(dimension, whole_space) for dimension in self.dimensions]
        )
        return torch.stack(found), expected

    def _median(self, table: Table, name: str) -> Tensor:
        """Return the median of a column at each dimension."""
        return quantile(by_position(table.numbers("dimension"), table.numbers(name))[1], 0.5)
