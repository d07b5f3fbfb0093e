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
    short = short_names(space)
    columns: dict[str, list[Value]] = {
        short[axis]: [trial.point[axis] for trial in trials] for axis in axes
    }
    columns |= {
        quantities.number(name): quantities.drawn(
            name,
            torch.tensor(
                [trial.metrics.get(name, math.nan) for trial in trials], dtype=torch.float64
            ),
        ).tolist()
        for name in metrics
    }
    heights = {name: _shares(values) for name, values in columns.items()}
    across = torch.arange(len(columns), dtype=torch.float64)

    def line(words: str, trial: Trial, shade: int) -> Series:
        i = trials.index(trial)
        return Series(
            words,
            across,
            torch.tensor([own[i] for own in heights.values()], dtype=torch.float64),
            shade=shade,
            mark=shade,
        )

    if len(trials) <= LABELLED:
        series = [
            line(label(space, own.point) + (" (best)" if own is best else ""), own, i)
            for i, own in enumerate(trials)
        ]
    else:
        groups = groups_of(trials, space, axes)
        series = [
            line("" if k else words, own, i)
            for i, (words, part) in enumerate(groups)
            for k, own in enumerate(part)
        ]
        series += (
            [line(f"{label(space, best.point)} (best)", best, BEST)] if best is not None else []
        )
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
