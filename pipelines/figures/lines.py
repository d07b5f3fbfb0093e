"""Lines of a statistic over an axis or a column."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch

from advcore.pipelines.claims import Numbers, Tables
from advcore.pipelines.figures.captions import Caption
from advcore.pipelines.figures.positions import along, in_one
from advcore.probes import Chart, Lines, Series


@dataclass(frozen=True)
class LinesOver:
    """Lines of a statistic over an axis of the study or a column of its probe.

    Each is the mean over seeds of the statistic over samples, in its 95 % interval, as in claims.
    Where the labels along the axis are words, points with bars stand in place of lines.

    Attributes:
        says: title.
        of: numbers that are drawn; `of.over` names the axis or the column along which.
        y_label: quantity with its unit; the column's name when not given.
        x_label: quantity along the axis with its unit; the name of `of.over` when not given.
        x_scale: scale of the axis along.
        y_scale: scale of the numbers.
        y_limits: both ends of the axis of the numbers, those of shares, say; intervals may reach
            beyond them, and the note says so. What is drawn decides when null.
    """

    says: str
    of: Numbers
    y_label: str = ""
    x_label: str = ""
    x_scale: Literal["linear", "log", "symlog"] = "linear"
    y_scale: Literal["linear", "log", "symlog"] = "linear"
    y_limits: tuple[float, float] | None = field(default=None, metadata={"later": True})

    def __post_init__(self) -> None:
        if self.y_limits is not None and not self.y_limits[0] < self.y_limits[1]:
            raise ValueError(f"y_limits are a lower and a higher end; got {self.y_limits}")
        if self.of.over is None:
            raise ValueError("lines are over an axis or a column: give of.over")

    @property
    def axes(self) -> tuple[str, ...]:
        """The name of what lies along the x axis."""
        return (str(self.of.over),)

    @property
    def beside(self) -> dict[str, Caption]:
        """No rows: the numbers are all that is drawn."""
        return {}

    def chart(self, name: str, series: Mapping[str, "LinesOver"], tables: Tables) -> Chart:
        """Return the lines. Raises LookupError where tables lack their numbers."""
        found = {label: along(own.of, tables) for label, own in series.items()}
        labels = dict.fromkeys(own for one in found.values() for own in one.labels)
        words = list(map(str, labels)) if any(isinstance(own, str) for own in labels) else []
        units = in_one(unit for own in found.values() for unit in own.units)
        drawn = []
        for place, (label, own) in enumerate(found.items()):
            aside = 0.12 * (place - (len(found) - 1) / 2)  # so that bars do not hide each other
            x = [words.index(str(one)) + aside for one in own.labels] if words else own.labels
            low, high = (torch.as_tensor(end) for end in (own.low, own.high))
            known = bool(low.isfinite().any())
            drawn.append(
                Series(
                    label,
                    torch.tensor(x, dtype=torch.float64),
                    torch.as_tensor(own.values),
                    low if known else None,
                    high if known else None,
                    style="points" if words else "both",
                )
            )
        statistic = f"{self.of.statistic.capitalize()}s"
        intervals = " with 95 % intervals" if any(one.low is not None for one in drawn) else ""
        caveats = list(dict.fromkeys(one for own in found.values() for one in own.caveats))
        bottom, top = self.y_limits or (-torch.inf, torch.inf)
        ends = [end for one in drawn for end in (one.low, one.high) if end is not None]
        if self.y_limits and any(((end < bottom) | (end > top)).any() for end in ends):
            caveats.append("Some intervals reach beyond the axis.")
        return Lines(
            name=name,
            title=self.says,
            x_label=self.x_label or str(self.of.over),
            y_label=self.y_label or self.of.column,
            series=drawn,
            x_scale=self.x_scale,
            y_scale=self.y_scale,
            y_limits=self.y_limits or (None, None),
            ticks=[word or f"no {self.of.over}" for word in words],
            note=" ".join([f"{statistic}{intervals} over {units}.", *caveats]),
        )
