"""The trials of a sweep as charts: pure functions from trials to data that is drawn elsewhere."""

import math
import re
from collections.abc import Mapping, Sequence

import torch

from advcore.probes import Chart, Lines, Maps, Series
from advcore.probes.charts import Scale
from pipelines.search import Space, Value, label, short_names, worded
from pipelines.sweep_record import Trial
from pipelines.trials_table import front, numeric

LABELLED = 8
"""So many points, lines or curves bear a label; of more, only the best."""

LEVELS = 4
"""A second axis of so many values is drawn as one line each, one of more as a heat map."""

BEST, GREY = 6, 7
"""The shades of what is best, and of what is no trial."""


def charts(
    trials: Sequence[Trial], space: Space, tradeoff: tuple[str, str] | None, metric: str | None, best: Trial | None
) -> list[Chart]:
    """Of the finished trials: the trade-off with its Pareto front, each number over the swept axes, parallel coordinates."""
    done = [trial for trial in trials if trial.status == "finished"]
    if len(done) < 2:
        return []
    axes = swept(done, space)
    result: list[Chart] = []
    if tradeoff is not None and any(all(name in trial.metrics for name in tradeoff) for trial in done):
        result.append(pareto(done, space, axes, tradeoff, best))
    if len(axes) in (1, 2):
        drawn = (over_axes(done, space, axes, group, names, metric) for group, names in families(done).items())
        result += [chart for chart in drawn if chart is not None]
    shown = list(dict.fromkeys(name for name in (*(tradeoff or ()), metric) if name))
    if len(axes) > 1 and shown:
        result.append(parallel(done, space, axes, shown, best))
    return result


def swept(trials: Sequence[Trial], space: Space) -> list[str]:
    """The free settings that take more than one value."""
    return [name for name in short_names(space) if len({worded(trial.point[name]) for trial in trials}) > 1]


def families(trials: Sequence[Trial]) -> dict[str, list[str]]:
    """Numbers that share a chart: a probe's curve, by its index, or a number by itself. Those that never vary are left out."""
    groups: dict[str, list[str]] = {}
    for name in dict.fromkeys(name for trial in trials for name in trial.metrics):
        values = {trial.metrics.get(name, math.nan) for trial in trials}
        if len(values) > 1 and any(map(math.isfinite, values)):
            curve, _, index = name.rpartition("/")
            indexed = curve and re.fullmatch(r"[+-]?[\d.]+(e[+-]?\d+)?", index)
            groups.setdefault(curve if indexed else name, []).append(name)
    return groups


def pareto(trials: Sequence[Trial], space: Space, axes: Sequence[str], tradeoff: tuple[str, str], best: Trial | None) -> Lines:
    """Two numbers of each trial against each other, and the front of those that no other one beats in both.

    Few trials have their labels; of more, those of one level belong together, and the best has its label.
    """

    def points(words: str, own: Sequence[Trial], shade: int) -> Series:
        x, y = ([trial.metrics.get(name, math.nan) for trial in own] for name in tradeoff)
        return Series(words, _tensor(x), _tensor(y), shade=shade, mark=shade, style="points")

    x, y = ([trial.metrics.get(name, math.nan) for trial in trials] for name in tradeoff)
    ends = front(x, y)
    series = [Series("Pareto front", _tensor([x[i] for i in ends]), _tensor([y[i] for i in ends]), shade=GREY, style="line")]
    if len(trials) <= LABELLED:
        series += [points(label(space, trial.point), [trial], i) for i, trial in enumerate(trials)]
    else:
        series += [points(words, own, i) for i, (words, own) in enumerate(_groups(trials, space, axes))]
        series += [points(f"{label(space, best.point)} (best)", [best], BEST)] if best is not None else []
    return Lines(
        name="pareto",
        title="What one number costs of the other",
        x_label=tradeoff[0],
        y_label=tradeoff[1],
        series=series,
        note="One point a trial. No trial is better in both numbers than one on the front.",
    )


def _groups(trials: Sequence[Trial], space: Space, axes: Sequence[str]) -> list[tuple[str, list[Trial]]]:
    """The trials by the values of one axis, one of words rather than of numbers, in words; all together where each has many."""
    values = {axis: list(dict.fromkeys(worded(trial.point[axis]) for trial in trials)) for axis in axes}
    few = [axis for axis in axes if len(values[axis]) <= LEVELS]
    if not few:
        return [("", list(trials))]
    axis = min(few, key=lambda axis: (numeric([trial.point[axis] for trial in trials]), len(values[axis])))
    own = {level: [trial for trial in trials if worded(trial.point[axis]) == level] for level in values[axis]}
    return [(f"{short_names(space)[axis]} = {level}", part) for level, part in own.items()]


def over_axes(
    trials: Sequence[Trial], space: Space, axes: Sequence[str], group: str, names: Sequence[str], metric: str | None = None
) -> Chart | None:
    """Numbers over one swept setting as lines; over two as a line for each value of the one with few values, or as a heat map.

    Of more numbers than can be told apart some are drawn, the ends and the metric among them. None where the axes hold words, or of
    a heat map where points of its grid are missing.
    """
    short = short_names(space)
    values = {axis: [trial.point[axis] for trial in trials] for axis in axes}
    counts = {axis: len(set(map(worded, own))) for axis, own in values.items()}
    along = max((axis for axis in axes if numeric(values[axis])), key=lambda axis: counts[axis], default=None)
    if along is None:
        return None
    other = next((axis for axis in axes if axis != along), None)
    if other is not None and counts[other] > LEVELS:
        return _map(trials, short, along, other, names[0]) if len(names) == 1 and numeric(values[other]) else None
    levels = [""] if other is None else list(dict.fromkeys(worded(value) for value in values[other]))
    chosen = _spread(names, LABELLED // len(levels))
    chosen = [name for name in names if name in chosen or name == metric]
    series = []
    for place, level in enumerate(levels):
        own = [trial for trial in trials if other is None or worded(trial.point[other]) == level]
        own.sort(key=lambda trial: float(trial.point[along]))  # type: ignore[arg-type]
        x = _tensor([trial.point[along] for trial in own])
        for mark, name in enumerate(chosen):
            words = [name.rpartition("/")[2]] if len(names) > 1 else []
            words += [f"{short[other]} = {level}"] if other is not None else []
            y = _tensor([trial.metrics.get(name, math.nan) for trial in own])
            shape = mark if len(chosen) > 1 or other is None else place
            series.append(Series(", ".join(words), x, y, shade=mark if other is None else place, mark=shape))
    steps = sorted({float(value) for value in values[along]})  # type: ignore[arg-type]
    return Lines(
        name=_file(group),
        title=group,
        x_label=short[along],
        y_label=group,
        series=series,
        x_scale=_scale(steps),
        y_scale=_height_scale(series),
        x_ticks=steps if len(steps) <= LABELLED else (),
        note="One point a trial, after its last epoch." + (f" A line for each X of {group}/X." if len(names) > 1 else ""),
    )


def parallel(trials: Sequence[Trial], space: Space, axes: Sequence[str], metrics: Sequence[str], best: Trial | None) -> Lines:
    """Each trial as a line through its settings and numbers, each on an axis from its smallest to its largest value."""
    short = short_names(space)
    columns: dict[str, list[Value]] = {short[axis]: [trial.point[axis] for trial in trials] for axis in axes}
    columns |= {name: [trial.metrics.get(name, math.nan) for trial in trials] for name in metrics}
    heights = {name: _shares(values) for name, values in columns.items()}
    across = torch.arange(len(columns), dtype=torch.float64)

    def line(words: str, trial: Trial, shade: int) -> Series:
        i = trials.index(trial)
        return Series(words, across, _tensor([own[i] for own in heights.values()]), shade=shade, mark=shade)

    if len(trials) <= LABELLED:
        series = [line(label(space, own.point) + (" (best)" if own is best else ""), own, i) for i, own in enumerate(trials)]
    else:
        groups = _groups(trials, space, axes)
        series = [line("" if k else words, own, i) for i, (words, part) in enumerate(groups) for k, own in enumerate(part)]
        series += [line(f"{label(space, best.point)} (best)", best, BEST)] if best is not None else []
    return Lines(
        name="parallel",
        title="Settings and numbers of each trial",
        x_label="",
        y_label="share of the axis",
        series=series,
        ticks=[name.replace("/", "/\n") + f"\n{_ends(values)}" for name, values in columns.items()],
        note="One line a trial; below each axis its lower and its upper end.",
    )


def _map(trials: Sequence[Trial], short: Mapping[str, str], along: str, other: str, name: str) -> Maps | None:
    """A number over two settings whose grid is whole; axes that are not evenly spaced are drawn by position."""
    x, y = (sorted({float(trial.point[axis]) for trial in trials}) for axis in (along, other))  # type: ignore[arg-type]
    field = torch.full((len(y), len(x)), math.nan, dtype=torch.float64)
    for trial in trials:
        field[y.index(float(trial.point[other])), x.index(float(trial.point[along]))] = trial.metrics.get(name, math.nan)  # type: ignore[arg-type]
    if len(trials) < len(x) * len(y):
        return None
    (x_label, x_limits), (y_label, y_limits) = _axis(short[along], x), _axis(short[other], y)
    return Maps(
        name=_file(name),
        title=name,
        x_label=x_label,
        y_label=y_label,
        panels=[(field, "")],
        x_limits=x_limits,
        y_limits=y_limits,
        value_label=name,
        note="One cell a trial, after its last epoch.",
    )


def _axis(name: str, values: Sequence[float]) -> tuple[str, tuple[float, float]]:
    """The label of an axis, and its ends half a step beyond the first and the last value."""
    step = (values[-1] - values[0]) / (len(values) - 1)
    if all(math.isclose(value, values[0] + i * step, rel_tol=1e-6, abs_tol=1e-9 * step) for i, value in enumerate(values)):
        return name, (values[0] - step / 2, values[-1] + step / 2)
    return f"{name}: 0 to {len(values) - 1} are {', '.join(map(worded, values))}", (-0.5, len(values) - 0.5)


def _shares(values: Sequence[Value]) -> list[float]:
    """Between the smallest and the largest, 0 to 1; words by their order of appearance."""
    order = list(dict.fromkeys(map(worded, values)))
    plain = [float(value) for value in values] if numeric(values) else [order.index(worded(value)) for value in values]  # type: ignore[arg-type]
    finite = [value for value in plain if math.isfinite(value)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 0.0)
    return [(value - low) / (high - low) if high > low else 0.5 for value in plain]


def _ends(values: Sequence[Value]) -> str:
    if not numeric(values):
        order = list(dict.fromkeys(map(worded, values)))
        return f"{order[0]} to {order[-1]}"
    finite = [float(value) for value in values if math.isfinite(float(value))]  # type: ignore[arg-type]
    return f"{worded(min(finite))} to {worded(max(finite))}" if finite else "-"


def _scale(values: Sequence[float]) -> Scale:
    """Logarithmic for values of which none is negative and that span so much that it shows them; with a linear part around a 0."""
    positive = [value for value in values if value > 0]
    if min(values) < 0 or not positive or max(positive) <= 30 * min(positive):
        return "linear"
    return "log" if min(values) > 0 else "symlog"


def _height_scale(series: Sequence[Series]) -> Scale:
    """Logarithmic where several lines, no shares, would else lie on one another at the foot."""
    values = torch.cat([own.y for own in series])
    values = values[values.isfinite()]
    if len(series) < 2 or not len(values) or values.min() <= 0 or values.max() <= 1:
        return "linear"
    return "log" if values.max() > 30 * values.min() else "linear"


def _spread(names: Sequence[str], count: int) -> list[str]:
    """At most `count` of them, evenly spread, both ends among them."""
    if len(names) <= count or count < 2:
        return list(names)[: max(count, 1)]
    return [names[round(i * (len(names) - 1) / (count - 1))] for i in range(count)]


def _file(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name)


def _tensor(values: Sequence[object]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)
