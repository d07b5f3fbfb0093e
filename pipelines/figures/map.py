"""Maps of a statistic over two axes or columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from advcore.pipelines.claims import Numbers, Tables
from advcore.pipelines.figures.captions import Caption
from advcore.pipelines.figures.positions import Label, along, in_one, labels_of, pinned
from advcore.probes import Chart, Maps


@dataclass(frozen=True)
class MapOver:
    """Maps of a statistic over two axes of the study or columns of its probe: a panel a series.

    Each field is the mean over seeds of the statistic over samples, without its interval.

    Attributes:
        says: title.
        of: numbers that are drawn; `of.over` names what lies along the x axis.
        rows: axis or column along the y axis, in equal steps.
        value_label: quantity with its unit; the column's name when not given.
        x_label: quantity along the x axis with its unit; the name of `of.over` when not given.
        y_label: quantity along the y axis with its unit; `rows` when not given.
        scale: scale of the colours.
    """

    says: str
    of: Numbers
    rows: str
    value_label: str = ""
    x_label: str = ""
    y_label: str = ""
    scale: Literal["linear", "log"] = "linear"

    def __post_init__(self) -> None:
        if self.of.over is None or self.of.over == self.rows:
            raise ValueError("a map is over two axes or columns: give of.over, and another in rows")

    @property
    def axes(self) -> tuple[str, ...]:
        """The names of what lies along the x axis and along the y axis."""
        return str(self.of.over), self.rows

    @property
    def beside(self) -> dict[str, Caption]:
        """No rows: the numbers are all that is drawn."""
        return {}

    def chart(self, name: str, series: Mapping[str, "MapOver"], tables: Tables) -> Chart:
        """Return the maps. Raises LookupError where tables lack their numbers."""
        rows = list(
            dict.fromkeys(
                row for own in series.values() for row in labels_of(own.of, self.rows, tables)
            )
        )
        found = {
            label: {row: along(pinned(own.of, self.rows, row), tables) for row in rows}
            for label, own in series.items()
        }
        parts = [own for field in found.values() for own in field.values()]
        columns = parts[0].labels
        if any(own.labels != columns for own in parts):
            raise LookupError(f"the rows of a map differ in their labels of {self.of.over}")
        caveats = dict.fromkeys(one for own in parts for one in own.caveats)
        units = in_one(unit for own in parts for unit in own.units)
        words = [] if _in_equal_steps(columns) else [_word(own) for own in columns]
        return Maps(
            name=name,
            title=self.says,
            x_label=self.x_label or str(self.of.over),
            y_label=self.y_label or self.rows,
            panels=[
                (torch.as_tensor(np.stack([own.values for own in field.values()])), label)
                for label, field in found.items()
            ],
            x_limits=(0.0, float(len(words))) if words else _ends([*map(float, columns)]),
            y_limits=(0.0, float(len(rows))),
            value_label=self.value_label or self.of.column,
            x_names=words,
            y_names=[_word(own) for own in rows],
            scale=self.scale,
            note=" ".join([f"{self.of.statistic.capitalize()}s over {units}.", *caveats]),
        )


def _word(label: Label) -> str:
    return f"{label:g}" if isinstance(label, float) else str(label) or "none"


def _in_equal_steps(labels: Sequence[Label]) -> bool:
    if any(isinstance(own, str) for own in labels):
        return False
    steps = np.diff([float(own) for own in labels])
    return bool(np.allclose(steps, steps[:1]))


def _ends(columns: Sequence[float]) -> tuple[float, float]:
    """Return the ends of an axis on which equal steps have the numbers in their middles."""
    half = (columns[-1] - columns[0]) / max(1, len(columns) - 1) / 2 or 0.5
    return columns[0] - half, columns[-1] + half
