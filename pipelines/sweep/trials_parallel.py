"""Trials in parallel coordinates, and in groups by one of their settings."""

import math
import textwrap
from collections.abc import Sequence

import torch

from advcore.pipelines.sweep.quantities import Quantities
from advcore.pipelines.sweep.space import Space, Value, label, short_names, value_text
from advcore.pipelines.sweep.trial_files import Trial
from advcore.pipelines.sweep.trials_table import numeric
from advcore.probes import Lines, Series

LABELLED = 8
"""Largest number of points, lines or curves that bear a label; of more, only the best does."""

LEVELS = 4
"""A second axis of so many values is drawn as one line each, one of more as a heat map."""

BEST, GREY = 6, 7
"""The shades of what is best, and of what is no trial."""


def groups_of(
    trials: Sequence[Trial], space: Space, axes: Sequence[str]
) -> list[tuple[str, list[Trial]]]:
    """Return the trials by the values of one axis, preferably of words.

    All are one group where each value is of few trials.
    """
    values = {
        axis: list(dict.fromkeys(value_text(trial.point[axis]) for trial in trials))
        for axis in axes
    }
    few = [axis for axis in axes if len(values[axis]) <= LEVELS]
    if not few:
        return [("", list(trials))]
    axis = min(
        few, key=lambda axis: (numeric([trial.point[axis] for trial in trials]), len(values[axis]))
    )
    own = {
        level: [trial for trial in trials if value_text(trial.point[axis]) == level]
        for level in values[axis]
    }
    return [(f"{short_names(space)[axis]} = {level}", part) for level, part in own.items()]


def parallel(
    trials: Sequence[Trial],
    space: Space,
    axes: Sequence[str],
    metrics: Sequence[str],
    best: Trial | None,
    quantities: Quantities,
) -> Lines:
    """Return the chart of each trial as a line through its settings and numbers.

    Each axis goes from its smallest to its largest value.
    """
    columns = _columns(trials, space, axes, metrics, quantities)
    heights = [_shares(values) for values in columns.values()]
    across = torch.arange(len(columns), dtype=torch.float64)

    def line(words: str, trial: Trial, shade: int) -> Series:
        i = trials.index(trial)
        y = torch.tensor([own[i] for own in heights], dtype=torch.float64)
        return Series(words, across, y, shade=shade, mark=shade)

    series = [line(*own) for own in _named_lines(trials, space, axes, best)]
    return Lines(
        name="parallel",
        title="Which settings go with which numbers?",
        x_label="",
        y_label="share of the axis",
        series=series,
        ticks=[
            textwrap.fill(name.replace("/", "/ "), 18) + f"\n{_ends(values)}"
            for name, values in columns.items()
        ],
        note="One line a trial; below each axis its lower and its upper end.",
    )


def _columns(
    trials: Sequence[Trial],
    space: Space,
    axes: Sequence[str],
    metrics: Sequence[str],
    quantities: Quantities,
) -> dict[str, list[Value]]:
    """Return the values of all trials on each axis: the settings, then the numbers as drawn."""
    short = short_names(space)
    columns: dict[str, list[Value]] = {
        short[axis]: [trial.point[axis] for trial in trials] for axis in axes
    }
    for name in metrics:
        numbers = [trial.metrics.get(name, math.nan) for trial in trials]
        drawn = quantities.drawn(name, torch.tensor(numbers, dtype=torch.float64))
        columns[quantities.number(name)] = drawn.tolist()
    return columns


def _named_lines(
    trials: Sequence[Trial], space: Space, axes: Sequence[str], best: Trial | None
) -> list[tuple[str, Trial, int]]:
    """Return what is drawn of the trials: the name, the trial, the shade of each line.

    Few trials have a name each; of many, each group has one, and the best is drawn again.
    """
    if len(trials) <= LABELLED:
        return [
            (label(space, own.point) + (" (best)" if own is best else ""), own, i)
            for i, own in enumerate(trials)
        ]
    lines = [
        ("" if k else words, own, i)
        for i, (words, part) in enumerate(groups_of(trials, space, axes))
        for k, own in enumerate(part)
    ]
    if best is not None:
        lines.append((f"{label(space, best.point)} (best)", best, BEST))
    return lines


def _shares(values: Sequence[Value]) -> list[float]:
    """Return values scaled to [0, 1]; words by their order of appearance."""
    order = list(dict.fromkeys(map(value_text, values)))
    plain: list[float] = [order.index(value_text(value)) for value in values]
    if numeric(values):
        plain = [float(value) for value in values]  # type: ignore[arg-type]
    finite = [value for value in plain if math.isfinite(value)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 0.0)
    return [(value - low) / (high - low) if high > low else 0.5 for value in plain]


def _ends(values: Sequence[Value]) -> str:
    if not numeric(values):
        order = list(dict.fromkeys(map(value_text, values)))
        return f"{order[0]} to {order[-1]}"
    finite = [float(value) for value in values if math.isfinite(float(value))]  # type: ignore[arg-type]
    return f"{value_text(min(finite))} to {value_text(max(finite))}" if finite else "-"
