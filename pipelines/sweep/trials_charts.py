"""Charts of a sweep's trials: pure functions from trials to charts, which are drawn elsewhere."""

import math
import re
from collections.abc import Mapping, Sequence

import torch

from advcore.pipelines.sweep.journal import Trial
from advcore.pipelines.sweep.quantities import Quantities
from advcore.pipelines.sweep.space import Space, label, short_names, worded
from advcore.pipelines.sweep.trials_parallel import (
    BEST,
    GREY,
    LABELLED,
    LEVELS,
    groups_of,
    parallel,
)
from advcore.pipelines.sweep.trials_table import front, numeric
from advcore.probes import Chart, Lines, Maps, Margins, Series
from advcore.probes.charts import Scale

BANDED = 3
"""So many lines at most have bands; of more, that of the metric alone."""


def charts(
    trials: Sequence[Trial],
    space: Space,
    tradeoff: tuple[str, str] | None,
    metric: str | None,
    best: Trial | None,
    quantities: Quantities | None = None,
) -> list[Chart]:
    """Return the charts of the finished trials.

    The trade-off with its Pareto front; over the swept axes what was asked for, and one number or
    curve of each probe beside it; parallel coordinates for more axes than two. All numbers where no
    `quantities` say what they are.
    """
    done = [trial for trial in trials if trial.status == "finished"]
    if len(done) < 2:
        return []
    axes, words = swept(done, space), quantities or Quantities()
    result: list[Chart] = []
    if tradeoff is not None and any(
        all(name in trial.metrics for name in tradeoff) for trial in done
    ):
        result.append(pareto(done, space, axes, tradeoff, best, words))
    shown = list(dict.fromkeys(name for name in (*(tradeoff or ()), metric) if name))
    if len(axes) in (1, 2):
        groups = families(done)
        if quantities is not None:
            groups = _of_use(groups, shown, quantities)
        drawn = (
            over_axes(done, space, axes, group, names, metric, words)
            for group, names in groups.items()
        )
        result += [chart for chart in drawn if chart is not None]
    if len(axes) > 2 and shown:
        result.append(parallel(done, space, axes, shown, best, words))
    return result


def _of_use(
    groups: Mapping[str, list[str]], asked: Sequence[str], quantities: Quantities
) -> dict[str, list[str]]:
    """Return the numbers that were asked for, and the first one of each other probe.

    Margins give their curve; without probes they are those of the epochs.
    """
    chosen = {
        group: names for group, names in groups.items() if any(name in names for name in asked)
    }
    for probe in quantities.probes:
        own = [group for group in groups if group.partition("/")[0] == probe]
        if own and not any(group in chosen for group in own):
            curve = isinstance(quantities.probes[probe], Margins)
            first = next((group for group in own if curve and len(groups[group]) > 1), own[0])
            chosen[first] = groups[first]
    if not quantities.probes:
        chosen |= {
            group: names for group, names in groups.items() if group in ("loss", "test_accuracy")
        }
    return chosen


def swept(trials: Sequence[Trial], space: Space) -> list[str]:
    """Return the free settings that take more than one value."""
    return [
        name
        for name in short_names(space)
        if len({worded(trial.point[name]) for trial in trials}) > 1
    ]


def families(trials: Sequence[Trial]) -> dict[str, list[str]]:
    """Return numbers that share a chart: a probe's curve by its index, or one number.

    Those that never vary are left out.
    """
    groups: dict[str, list[str]] = {}
    for name in dict.fromkeys(name for trial in trials for name in trial.metrics):
        values = {trial.metrics.get(name, math.nan) for trial in trials}
        if len(values) > 1 and any(map(math.isfinite, values)):
            curve, _, index = name.rpartition("/")
            indexed = curve and re.fullmatch(r"[+-]?[\d.]+(e[+-]?\d+)?", index)
            groups.setdefault(curve if indexed else name, []).append(name)
    return groups


def pareto(
    trials: Sequence[Trial],
    space: Space,
    axes: Sequence[str],
    tradeoff: tuple[str, str],
    best: Trial | None,
    quantities: Quantities,
) -> Lines:
    """Return the chart of two numbers of each trial, with their Pareto front.

    Few trials have their labels; of more, those of one level belong together, and the best and
    those of the front have theirs.
    """

    def points(words: str, own: Sequence[Trial], shade: int) -> Series:
        x, y = (_tensor([trial.metrics.get(name, math.nan) for trial in own]) for name in tradeoff)
        low, high = quantities.band(tradeoff[1], y)
        x, y = quantities.drawn(tradeoff[0], x), quantities.drawn(tradeoff[1], y)
        return Series(words, x, y, low, high, shade=shade, mark=shade, style="points")

    x, y = ([trial.metrics.get(name, math.nan) for trial in trials] for name in tradeoff)
    ends = front(x, y)
    across, up = (
        quantities.drawn(name, _tensor([own[i] for i in ends]))
        for name, own in zip(tradeoff, (x, y), strict=True)
    )
    series = [Series("Pareto front", across, up, shade=GREY, style="line")]
    if len(trials) <= LABELLED:
        series += [points(label(space, trial.point), [trial], i) for i, trial in enumerate(trials)]
    else:
        groups = groups_of(trials, space, axes)
        series += [points(words, own, i) for i, (words, own) in enumerate(groups)]
        named = [trials[i] for i in ends if trials[i] is not best][:LABELLED]
        free = [
            shade
            for shade in range(BEST + LABELLED + LEVELS)
            if shade >= len(groups) and shade not in (BEST, GREY)
        ]
        series += [
            points(f"{label(space, own.point)} (front)", [own], shade)
            for own, shade in zip(named, free, strict=False)
        ]
        series += (
            [points(f"{label(space, best.point)} (best)", [best], BEST)] if best is not None else []
        )
    return Lines(
        name="pareto",
        title=f"What does {quantities.title(tradeoff[1])} cost of {quantities.title(tradeoff[0])}?",
        x_label=quantities.number(tradeoff[0]),
        y_label=quantities.number(tradeoff[1]),
        series=series,
        note="One point a trial. No trial is better in both numbers than one on the front."
        + _bars(series, "Bars")
        + "".join(
            f" {short_names(space)[axis]}: {quantities.setting(axis, short_names(space)[axis])}."
            for axis in axes
        ),
    )


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
    map.

    Of more numbers than can be told apart some are drawn, the ends and the metric among them. None
    where the axes hold words, or of a heat map where points of its grid are missing.
    """
    short = short_names(space)
    values = {axis: [trial.point[axis] for trial in trials] for axis in axes}
    counts = {axis: len(set(map(worded, own))) for axis, own in values.items()}
    along = max(
        (axis for axis in axes if numeric(values[axis])),
        key=lambda axis: counts[axis],
        default=None,
    )
    if along is None:
        return None
    other = next((axis for axis in axes if axis != along), None)
    if other is not None and counts[other] > LEVELS:
        return (
            _map(trials, short, along, other, names[0], quantities)
            if len(names) == 1 and numeric(values[other])
            else None
        )
    levels = (
        [""] if other is None else list(dict.fromkeys(worded(value) for value in values[other]))
    )
    chosen = _spread(names, LABELLED // len(levels))
    chosen = [name for name in names if name in chosen or name == metric]
    series = []
    for place, level in enumerate(levels):
        own = [trial for trial in trials if other is None or worded(trial.point[other]) == level]
        own.sort(key=lambda trial: float(trial.point[along]))  # type: ignore[arg-type]
        x = _tensor([trial.point[along] for trial in own])
        for mark, name in enumerate(chosen):
            words = [quantities.position(group, name.rpartition("/")[2])] if len(names) > 1 else []
            words += [f"{short[other]} = {level}"] if other is not None else []
            y = _tensor([trial.metrics.get(name, math.nan) for trial in own])
            shape = mark if len(chosen) > 1 or other is None else place
            low, high = (
                quantities.band(name, y)
                if len(chosen) * len(levels) <= BANDED or name == metric
                else (None, None)
            )
            shade = mark if other is None else place
            series.append(
                Series(
                    ", ".join(words),
                    x,
                    quantities.drawn(name, y),
                    low,
                    high,
                    shade=shade,
                    mark=shape,
                )
            )
    share = quantities.is_share(chosen[0])
    steps = sorted({float(value) for value in values[along]})  # type: ignore[arg-type]
    return Lines(
        name=_file(group),
        title=f"How does {quantities.title(group)} change with {short[along]}?",
        x_label=quantities.setting(along, short[along]),
        y_label=quantities.number(group if len(names) > 1 else names[0]),
        series=series,
        x_scale=_scale(steps),
        y_scale="linear" if share else _height_scale(series),
        y_limits=(0, 102) if share else (None, None),
        x_ticks=steps if len(steps) <= LABELLED else (),
        note="One point a trial, of the network that it hands out."
        + _bars(series, "Bands")
        + (" Some lines of many." * (len(chosen) < len(names))),
    )


def _bars(series: Sequence[Series], what: str) -> str:
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
    for trial in trials:
        row = y.index(float(trial.point[other]))  # type: ignore[arg-type]
        column = x.index(float(trial.point[along]))  # type: ignore[arg-type]
        field[row, column] = trial.metrics.get(name, math.nan)
    if len(trials) < len(x) * len(y):
        return None
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
        note="One cell a trial, of the network that it hands out.",
    )


def _axis(name: str, values: Sequence[float]) -> tuple[str, tuple[float, float]]:
    """Return an axis's label, and ends half a step beyond the first and the last value."""
    step = (values[-1] - values[0]) / (len(values) - 1)
    if all(
        math.isclose(value, values[0] + i * step, rel_tol=1e-6, abs_tol=1e-9 * step)
        for i, value in enumerate(values)
    ):
        return name, (values[0] - step / 2, values[-1] + step / 2)
    return f"{name}: 0 to {len(values) - 1} are {', '.join(map(worded, values))}", (
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


def _tensor(values: Sequence[object]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)
