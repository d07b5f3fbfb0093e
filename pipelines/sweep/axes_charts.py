"""Charts of a sweep's numbers over one or two swept settings."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from advcore.pipelines.sweep.quantities import Quantities
from advcore.pipelines.sweep.space import Space, Value, short_names, value_text
from advcore.pipelines.sweep.trial_files import Trial
from advcore.pipelines.sweep.trials_parallel import LABELLED, LEVELS
from advcore.pipelines.sweep.trials_table import numeric
from advcore.probes import Chart, Lines, Maps, Series
from advcore.probes.charts import Scale

BANDED = 3
"""Largest number of lines that have bands; of more, only that of the metric has one."""


def over_axes(
    trials: Sequence[Trial],
    space: Space,
    axes: Sequence[str],
    group: str,
    names: Sequence[str],
    metric: str | None,
    quantities: Quantities,
) -> Chart | None:
    """Return charts of numbers over one or two swept settings.

    Lines over one setting; over two a line for each value of the one with few values, or a heat
    map. Trials that differ in their seed alone are one point: their mean, and a band from the
    smallest to the largest.

    Of more numbers than can be told apart some are drawn, the ends and the metric among them. None
    where the axes hold words, or of a heat map where points of its grid are missing.
    """
    values = {axis: [trial.point[axis] for trial in trials] for axis in axes}
    counts = {axis: len(set(map(value_text, own))) for axis, own in values.items()}
    numbers = [axis for axis in axes if numeric(values[axis])]
    along = max(numbers, key=lambda axis: counts[axis], default=None)
    if along is None:
        return None
    other = next((axis for axis in axes if axis != along), None)
    if other is not None and counts[other] > (LEVELS if numeric(values[other]) else LABELLED):
        if len(names) != 1 or not numeric(values[other]):
            return None
        return _map(trials, short_names(space), along, other, names[0], quantities)
    levels = [""] if other is None else list(dict.fromkeys(map(value_text, values[other])))
    spread = [metric] if metric in names else []
    if len(levels) <= LEVELS or not spread:
        spread += _spread(names, LABELLED // len(levels))
    chosen = [name for name in names if name in spread]
    figure = _LinesFigure(short_names(space), along, other, group, names, metric, quantities)
    points = {tuple(value_text(trial.point[axis]) for axis in axes) for trial in trials}
    lines = figure.series(trials, levels, chosen)
    return figure.chart(lines, values[along], chosen, seeded=len(points) < len(trials))


@dataclass(frozen=True)
class _LinesFigure:
    """A chart of lines over the setting `along`, one for each value of the setting `other`."""

    short: Mapping[str, str]
    along: str
    other: str | None
    group: str
    names: Sequence[str]
    metric: str | None
    quantities: Quantities

    def series(
        self, trials: Sequence[Trial], levels: Sequence[str], chosen: Sequence[str]
    ) -> list[Series]:
        """Return a line for each level and each of the chosen numbers."""
        lines = []
        for place, level in enumerate(levels):
            own = [trial for trial in trials if self.other is None or self._level(trial) == level]
            own.sort(key=lambda trial: float(trial.point[self.along]))  # type: ignore[arg-type]
            for mark, name in enumerate(chosen):
                banded = len(chosen) * len(levels) <= BANDED or name == self.metric
                shade = mark if self.other is None else place
                shape = mark if len(chosen) > 1 or self.other is None else place
                lines.append(self._line(own, name, level, banded, shade, shape))
        return lines

    def chart(
        self,
        series: Sequence[Series],
        values: Sequence[Value],
        chosen: Sequence[str],
        seeded: bool = False,
    ) -> Lines:
        """Return the chart of these lines over these values of the setting.

        `seeded` says that a point is of several trials.
        """
        share = self.quantities.is_share(chosen[0])
        steps = sorted({float(value) for value in values})  # type: ignore[arg-type]
        along = self.short[self.along]
        return Lines(
            name=_file(self.group),
            title=f"How does {self.quantities.title(self.group)} change with {along}?",
            x_label=self.quantities.setting(self.along, along),
            y_label=self.quantities.number(self.group if len(self.names) > 1 else self.names[0]),
            series=series,
            x_scale=_scale(steps),
            y_scale="linear" if share else _height_scale(series),
            y_limits=(0, 102) if share else (None, None),
            x_ticks=steps if len(steps) <= LABELLED else (),
            note=(_SEEDED if seeded else _SINGLE + bars_note(series, "Bands"))
            + (" Some lines of many." * (len(chosen) < len(self.names))),
        )

    def _line(
        self, own: Sequence[Trial], name: str, level: str, banded: bool, shade: int, mark: int
    ) -> Series:
        x, found = _at_each(own, self.along, name)
        y = as_tensor([math.fsum(one) / len(one) for one in found])
        low, high = self.quantities.band(name, y) if banded else (None, None)
        if any(len(one) > 1 for one in found):
            ends = (as_tensor(list(map(end, found))) for end in (min, max))
            low, high = (self.quantities.drawn(name, end) for end in ends)
        drawn = self.quantities.drawn(name, y)
        return Series(self._words(name, level), x, drawn, low, high, shade=shade, mark=mark)

    def _words(self, name: str, level: str) -> str:
        words = []
        if len(self.names) > 1:
            words.append(self.quantities.position(self.group, name.rpartition("/")[2]))
        if self.other is not None:
            words.append(f"{self.short[self.other]} = {level}")
        return ", ".join(words)

    def _level(self, trial: Trial) -> str:
        return value_text(trial.point[self.other]) if self.other is not None else ""


_SINGLE = "One point a trial, of the network that it hands out."
_SEEDED = (
    "Means over seeds, of the networks that are handed out. Bands: from the smallest to the "
    "largest of them."
)


def _at_each(trials: Sequence[Trial], along: str, name: str) -> tuple[Tensor, list[list[float]]]:
    """Return the values of a setting, ascending, and the numbers of the trials at each."""
    found: dict[float, list[float]] = {}
    for trial in trials:
        at = float(trial.point[along])  # type: ignore[arg-type]
        found.setdefault(at, []).append(trial.metrics.get(name, math.nan))
    values = sorted(found)
    return as_tensor(values), [found[at] for at in values]


def bars_note(series: Sequence[Series], what: str) -> str:
    """Return the sentence of a note that explains bars or bands, if any are drawn."""
    return (
        f" {what}: 95 % (Wilson) over the samples."
        if any(own.low is not None for own in series)
        else ""
    )


def _map(
    trials: Sequence[Trial],
    short: Mapping[str, str],
    along: str,
    other: str,
    name: str,
    quantities: Quantities,
) -> Maps | None:
    """Return the map of a number over two settings with a whole grid.

    Axes that are not evenly spaced are drawn by position.
    """
    x, y = (sorted({float(trial.point[axis]) for trial in trials}) for axis in (along, other))  # type: ignore[arg-type]
    field = torch.full((len(y), len(x)), math.nan, dtype=torch.float64)
    cells: dict[tuple[int, int], list[float]] = {}
    for trial in trials:
        row = y.index(float(trial.point[other]))  # type: ignore[arg-type]
        column = x.index(float(trial.point[along]))  # type: ignore[arg-type]
        cells.setdefault((row, column), []).append(trial.metrics.get(name, math.nan))
    if len(cells) < len(x) * len(y):
        return None
    for cell, numbers in cells.items():
        field[cell] = math.fsum(numbers) / len(numbers)
    (x_label, x_limits) = _axis(quantities.setting(along, short[along]), x)
    (y_label, y_limits) = _axis(quantities.setting(other, short[other]), y)
    return Maps(
        name=_file(name),
        title=f"How does {quantities.title(name)} change with {short[along]} and {short[other]}?",
        x_label=x_label,
        y_label=y_label,
        panels=[(quantities.drawn(name, field), "")],
        x_limits=x_limits,
        y_limits=y_limits,
        value_label=quantities.number(name),
        note="One cell a trial, of the network that it hands out."
        if len(cells) == len(trials)
        else "Means over seeds, of the networks that are handed out.",
    )


def _axis(name: str, values: Sequence[float]) -> tuple[str, tuple[float, float]]:
    """Return an axis's label, and ends half a step beyond the first and the last value."""
    step = (values[-1] - values[0]) / (len(values) - 1)
    if all(
        math.isclose(value, values[0] + i * step, rel_tol=1e-6, abs_tol=1e-9 * step)
        for i, value in enumerate(values)
    ):
        return name, (values[0] - step / 2, values[-1] + step / 2)
    return f"{name}: 0 to {len(values) - 1} are {', '.join(map(value_text, values))}", (
        -0.5,
        len(values) - 0.5,
    )


def _scale(values: Sequence[float]) -> Scale:
    """Return the scale: logarithmic for positive values over a wide range; linear around a 0."""
    positive = [value for value in values if value > 0]
    if min(values) < 0 or not positive or max(positive) <= 30 * min(positive):
        return "linear"
    return "log" if min(values) > 0 else "symlog"


def _height_scale(series: Sequence[Series]) -> Scale:
    """Return a logarithmic scale where several lines would otherwise overlap at the bottom."""
    values = torch.cat([own.y for own in series])
    values = values[values.isfinite()]
    if len(series) < 2 or not len(values) or values.min() <= 0 or values.max() <= 1:
        return "linear"
    return "log" if values.max() > 30 * values.min() else "linear"


def _spread(names: Sequence[str], count: int) -> list[str]:
    """Return at most `count` of the values, evenly spread, both ends among them."""
    if len(names) <= count or count < 2:
        return list(names)[: max(count, 1)]
    return [names[round(i * (len(names) - 1) / (count - 1))] for i in range(count)]


def _file(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name)


def as_tensor(values: Sequence[object]) -> torch.Tensor:
    """Return numbers as a tensor of float64."""
    return torch.tensor(values, dtype=torch.float64)
