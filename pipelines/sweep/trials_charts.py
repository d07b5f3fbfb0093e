"""Charts of a sweep's trials: pure functions from trials to charts, which are drawn elsewhere."""

import math
import re
from collections.abc import Mapping, Sequence

from advcore.pipelines.sweep.axes_charts import as_tensor, bars_note, over_axes
from advcore.pipelines.sweep.quantities import Quantities
from advcore.pipelines.sweep.space import Space, label, short_names, value_text
from advcore.pipelines.sweep.trial_files import Trial
from advcore.pipelines.sweep.trials_parallel import (
    BEST,
    GREY,
    LABELLED,
    LEVELS,
    groups_of,
    parallel,
)
from advcore.pipelines.sweep.trials_table import front
from advcore.probes import Chart, Lines, Margins, Series

SEEDS = ("recipe.seed", "model.seed")
"""The settings that make trials replicates of each other."""

WATCHED = "watch/pgd_accuracy"
"""The accuracy at the eps that a trial itself was watched at."""


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
    curve of each probe beside it, seeds together; parallel coordinates for more axes than two. All
    numbers where no `quantities` say what they are.
    """
    done = [trial for trial in trials if trial.status == "finished"]
    if len(done) < 2:
        return []
    every, words = swept(done, space), quantities or Quantities()
    axes = [axis for axis in every if axis not in SEEDS] or every
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
    if len(every) > 2 and shown:
        result.append(parallel(done, space, every, shown, best, words))
    return result


def _of_use(
    groups: Mapping[str, list[str]], asked: Sequence[str], quantities: Quantities
) -> dict[str, list[str]]:
    """Return the numbers that were asked for, and the first one of each other probe.

    Margins give their curve, a watch its accuracy under PGD; without probes they are those of the
    epochs.
    """
    chosen = {
        group: names
        for group, names in groups.items()
        if group == WATCHED or any(name in names for name in asked)
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
        if len({value_text(trial.point[name]) for trial in trials}) > 1
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
    x, y = ([trial.metrics.get(name, math.nan) for trial in trials] for name in tradeoff)
    ends = front(x, y)
    across, up = (
        quantities.drawn(name, as_tensor([own[i] for i in ends]))
        for name, own in zip(tradeoff, (x, y), strict=True)
    )
    named = _named_points(trials, space, axes, best, [trials[i] for i in ends])
    series = [
        Series("Pareto front", across, up, shade=GREY, style="line"),
        *(_points(words, own, shade, tradeoff, quantities) for words, own, shade in named),
    ]
    return Lines(
        name="pareto",
        title=f"What does {quantities.title(tradeoff[1])} cost of {quantities.title(tradeoff[0])}?",
        x_label=quantities.number(tradeoff[0]),
        y_label=quantities.number(tradeoff[1]),
        series=series,
        note="One point a trial. No trial is better in both numbers than one on the front."
        + bars_note(series, "Bars")
        + "".join(
            f" {short_names(space)[axis]}: {quantities.setting(axis, short_names(space)[axis])}."
            for axis in axes
        ),
    )


def _named_points(
    trials: Sequence[Trial],
    space: Space,
    axes: Sequence[str],
    best: Trial | None,
    ends: Sequence[Trial],
) -> list[tuple[str, Sequence[Trial], int]]:
    """Return the name, the trials and the shade of each set of points; `ends` form the front."""
    if len(trials) <= LABELLED:
        return [(label(space, trial.point), [trial], i) for i, trial in enumerate(trials)]
    groups = groups_of(trials, space, axes)
    points: list[tuple[str, Sequence[Trial], int]] = [
        (words, own, i) for i, (words, own) in enumerate(groups)
    ]
    named = [trial for trial in ends if trial is not best][:LABELLED]
    shades = range(len(groups), BEST + LABELLED + LEVELS)
    free = [shade for shade in shades if shade not in (BEST, GREY)]
    points += [
        (f"{label(space, own.point)} (front)", [own], shade)
        for own, shade in zip(named, free, strict=False)
    ]
    if best is not None:
        points.append((f"{label(space, best.point)} (best)", [best], BEST))
    return points


def _points(
    words: str,
    own: Sequence[Trial],
    shade: int,
    tradeoff: tuple[str, str],
    quantities: Quantities,
) -> Series:
    x, y = (as_tensor([trial.metrics.get(name, math.nan) for trial in own]) for name in tradeoff)
    low, high = quantities.band(tradeoff[1], y)
    x, y = quantities.drawn(tradeoff[0], x), quantities.drawn(tradeoff[1], y)
    return Series(words, x, y, low, high, shade=shade, mark=shade, style="points")
