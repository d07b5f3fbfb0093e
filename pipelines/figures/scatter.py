"""Points of one column against another."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from advcore.pipelines.claims import Correlation, Grid, Numbers, Tables
from advcore.pipelines.claims.grid import without_missing
from advcore.pipelines.claims.measuring import at_each, one_position, unit_of
from advcore.pipelines.claims.pairs import in_common
from advcore.pipelines.figures.captions import Caption
from advcore.probes import Chart, Lines, Series
from advcore.probes.charts import equality


@dataclass(frozen=True)
class ScatterOf:
    """Points of one column, up, against another, across: a colour a series.

    A point is a sample of a seed; with `over` in both numbers it is one seed at a label of that
    axis, a network say, with the statistic of its samples. Nothing is averaged over seeds. Points
    that are not finite, or not positive on a log scale, are left out, and the note counts them.

    Attributes:
        says: title.
        of: numbers along the y axis.
        against: numbers along the x axis, of the same samples; their `over` is that of `of`.
        y_label: quantity of `of` with its unit; the column's name when not given.
        x_label: quantity of `against` with its unit; the column's name when not given.
        x_scale: scale of the x axis.
        y_scale: scale of the y axis.
        equality: draw the line on which both are equal.
        correlation: write the rank correlation of each series beside its label, with its 95 %
            interval, as in the claim `correlation`, points that cannot be drawn among them.
    """

    says: str
    of: Numbers
    against: Numbers
    y_label: str = ""
    x_label: str = ""
    x_scale: Literal["linear", "log", "symlog"] = "linear"
    y_scale: Literal["linear", "log", "symlog"] = "linear"
    equality: bool = False
    correlation: bool = False

    def __post_init__(self) -> None:
        if self.of.over != self.against.over:
            raise ValueError(
                "points are over the same in both numbers; got of.over and against.over "
                f"{self.of.over!r} and {self.against.over!r}: give both one, or neither"
            )

    @property
    def axes(self) -> tuple[str, ...]:
        """The name of what tells points apart, none where each is a sample."""
        return () if self.of.over is None else (self.of.over,)

    @property
    def beside(self) -> dict[str, Caption]:
        """No rows: the numbers are all that is drawn."""
        return {}

    def chart(self, name: str, series: Mapping[str, "ScatterOf"], tables: Tables) -> Chart:
        """Return the points. Raises LookupError where tables lack them, or none can be drawn."""
        drawn, units, missing, count = [], dict[str, None](), False, 0
        for label, own in series.items():
            grids, told = own._grids(tables)
            up, across = (_points(*pair) for pair in zip((own.of, own.against), grids, strict=True))
            units[unit_of(grids[0])] = None
            missing |= bool(told)
            seen = self._drawable(across, up)
            count += len(seen)
            drawn.append(Series(own._label(label, tables), across[seen], up[seen], style="points"))
        lost = count - sum(len(own.x) for own in drawn)
        if lost == count:
            raise LookupError(f"none of {count} points can be drawn: they are {self._undrawn}")
        if self.equality:
            drawn.append(equality(*(part for own in drawn for part in (own.x, own.y))))
        sentences = [
            f"A point is {self._point} ({' or '.join(units)}).",
            *(["Samples without a number are left out."] if missing else []),
            *([self._left_out(lost, count)] if lost else []),
            *(["Line: both are equal."] if self.equality else []),
        ]
        return Lines(
            name=name,
            title=self.says,
            x_label=self.x_label or self.against.column,
            y_label=self.y_label or self.of.column,
            series=drawn,
            x_scale=self.x_scale,
            y_scale=self.y_scale,
            note=" ".join(sentences),
        )

    @property
    def _point(self) -> str:
        if self.of.over is None:
            return "a sample"
        statistics = dict.fromkeys([self.of.statistic, self.against.statistic])
        return f"one seed at one {self.of.over}, {' and '.join(statistics)} over samples"

    @property
    def _undrawn(self) -> str:
        log = "log" in (self.x_scale, self.y_scale)
        return "not finite, or not positive on a log scale" if log else "not finite"

    def _left_out(self, lost: int, count: int) -> str:
        counted = "; rank correlations count them" if self.correlation else ""
        return f"{lost} of {count} points are {self._undrawn}, and left out{counted}."

    def _drawable(self, across: Tensor, up: Tensor) -> Tensor:
        """Return which points have a place on both axes, `(points,)` of bool."""
        seen = across.isfinite() & up.isfinite()
        for values, scale in ((across, self.x_scale), (up, self.y_scale)):
            seen &= (values > 0) | (scale != "log")
        return seen

    def _grids(self, tables: Tables) -> tuple[list[Grid], tuple[str, ...]]:
        """Return both numbers at the same seeds, labels and samples."""
        grids = in_common(self.of.grid(tables), self.against.grid(tables), ("of", "against"))
        if self.of.over is None:
            one_position("point", self.of, grids[0])
        return without_missing(grids)

    def _label(self, label: str, tables: Tables) -> str:
        if not self.correlation:
            return label
        found = Correlation("", self.of, self.against).measure(tables)
        told = f"rank correlation {found.value:.2f} ({found.low:.2f} to {found.high:.2f})"
        return f"{label}: {told}" if label else told


def _points(of: Numbers, grid: Grid) -> Tensor:
    """Return the number of each point, `(points,)`."""
    values = grid.values if of.over is None else at_each(of.statistic, grid.values)
    return torch.as_tensor(np.ravel(values))
