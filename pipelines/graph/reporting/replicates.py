"""Charts over seeds: one line for all trainings that differ in their seed alone."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import torch

from advcore.learnt import Learnt, learnt_in, with_learnt
from advcore.pipelines.graph.layout import Planned
from advcore.pipelines.graph.notation.axes import Label
from advcore.pipelines.graph.notation.members import SEED, Coordinates, without_axes, without_seed
from advcore.pipelines.graph.reporting.summaries import drawings
from advcore.probes import Chart, Columns, Comparison, Lines, Maps, Series

_BANDS = re.compile(r"(\s*B|;\s*b)ands?: [^.]*(?:\.\d[^.]*)*\.")
"""The sentence of a note, or the end of one, that says what the bands of single networks are."""

_INTERVALS = re.compile(
    r"[,;]?(?: in)? (?:its 95 % interval, [^.]*quartiles|a band between the quartiles)"
)
"""The words of a sentence that say it of medians over samples."""


def charts_over_seeds(name: str, members: Sequence[tuple[Planned, Columns]]) -> list[Chart]:
    """Return the charts of a probe: of all its members, or with bands over seeds where it has them.

    Lines become the mean over the seeds, in a band from the smallest to the largest, and tables of
    named rows and columns the mean; of other charts the first seed's is drawn. Members whose probes
    have other settings are drawn apart. Raises what the probe raises, and ValueError for no chart.
    """
    groups: dict[str, list[tuple[Planned, Columns]]] = {}
    members = _with_fits_of_all(members)
    for planned, columns in members:
        groups.setdefault(repr(planned.settings), []).append((planned, columns))
    if len(groups) == 1:
        return _charts(name, members)
    result = []
    for place, own in enumerate(groups.values(), 1):
        common = _common(own, members)
        words = ", ".join(f"{axis}={label}" for axis, label in common.items())
        for chart in _charts(name, own, common):
            title = f"{chart.title} ({words})" if words else chart.title
            result.append(replace(chart, name=f"{chart.name}-{place}", title=title))
    return result


def _with_fits_of_all(members: Sequence[tuple[Planned, Columns]]) -> list[tuple[Planned, Columns]]:
    """Return members whose fits have no seed in their names; nor other axes, if the network's."""
    all_own = all(
        set(fit.name.split(" ")[1:]) <= {*planned.network.split(" "), f"model={planned.table}"}
        for planned, _ in members
        for fit in learnt_in(planned.settings)
    )

    def renamed(fit: Learnt) -> Learnt:
        family, *at = fit.name.split(" ")
        kept = [] if all_own else [own for own in at if not own.startswith(f"{SEED}=")]
        return Learnt(" ".join([family, *kept]))

    return [(replace(own, settings=with_learnt(own.settings, renamed)), c) for own, c in members]


def _common(
    own: Sequence[tuple[Planned, Columns]], all_of_them: Sequence[tuple[Planned, Columns]]
) -> Coordinates:
    """Return the coordinates that these members share and the others do not all have."""
    first = own[0][0].at
    return {
        axis: label
        for axis, label in first.items()
        if all(planned.at.get(axis) == label for planned, _ in own)
        and not all(planned.at.get(axis) == label for planned, _ in all_of_them)
    }


def _charts(
    name: str, members: Sequence[tuple[Planned, Columns]], told: Collection[str] = ()
) -> list[Chart]:
    """Return the charts of members of equal settings; of `told` axes no legend says anything."""
    members = [
        (replace(own, label=without_axes(own.label, own.at, told)), columns)
        for own, columns in members
    ]
    probe = members[0][0].settings
    seeds: list[Label | None] = list(
        dict.fromkeys(own.at[SEED] for own, _ in members if SEED in own.at)
    )
    if len(seeds) < 2 and not isinstance(probe, Comparison):
        return drawings(name, probe, {planned.label: own for planned, own in members})
    charts = []
    for seed in seeds or [None]:
        tables: dict[str, Columns] = {}
        for planned, own in members:
            if planned.at.get(SEED, seed) == seed:
                label = without_seed(planned.label, planned.at)
                if label in tables:
                    raise ValueError(
                        f"two members are called {label!r} without their seed: give the axes in "
                        "which they differ names of their own"
                    )
                tables[label] = own
        charts.append(drawings(name, probe, tables))
    if len(charts) == 1:
        return charts[0]
    alike: list[Mapping[str, Chart]] = [{chart.name: chart for chart in own} for own in charts]
    return [
        _over_seeds([own[chart.name] for own in alike if chart.name in own]) for chart in charts[0]
    ]


def _over_seeds(charts: Sequence[Chart]) -> Chart:
    first = charts[0]
    lines = [chart for chart in charts if isinstance(chart, Lines)]
    if isinstance(first, Maps) and first.x_names and first.y_names:
        return _mean_table(first, [chart for chart in charts if isinstance(chart, Maps)])
    if not isinstance(first, Lines):
        return replace(first, title=_of_first(first, charts))
    series = [
        mean_over_seeds(
            [own for chart in lines for own in chart.series if own.label == one.label], one
        )
        for one in first.series
    ]
    alone = [one.label for own, one in zip(series, first.series, strict=True) if own is one]
    if len(alone) == len(series):
        return replace(first, title=_of_first(first, charts))
    note = _BANDS.sub(lambda found: "." * (";" in found[1]), _INTERVALS.sub("", first.note)).strip()
    told = told_of_bands(len(lines))
    if alone:
        told += f" Of the first seed, as x differs: {', '.join(alone)}."
    return replace(first, series=series, note=f"{note} {told}".strip())


def _of_first(first: Chart, charts: Sequence[Chart]) -> str:
    return f"{first.title} (the first of {len(charts)} seeds)"


def _mean_table(first: Maps, tables: Sequence[Maps]) -> Maps:
    """Return the mean over seeds of tables with the same names of rows and columns."""
    for own in tables:
        if (own.x_names, own.y_names) != (first.x_names, first.y_names):
            raise ValueError(
                f"the tables {first.name} of different seeds have other names of rows or columns"
            )
    panels = [
        (torch.stack([own.panels[place][0] for own in tables]).mean(0), caption)
        for place, (_, caption) in enumerate(first.panels)
    ]
    note = f"{first.note} Means of {len(tables)} seeds."
    return replace(first, panels=panels, note=note.strip())


def told_of_bands(seeds: int) -> str:
    """Return the sentence of a note that says what lines and bands over seeds are."""
    return f"Means of {seeds} seeds, in bands from the smallest to the largest."


def mean_over_seeds(series: Sequence[Series], first: Series) -> Series:
    """Return the mean of a series over seeds, where all have the same x; else the first seed's."""
    alike = [own for own in series if torch.equal(own.x, first.x)]
    if len(alike) < len(series) or len(series) < 2:
        return first
    values = torch.stack([own.y for own in series])
    return replace(
        first,
        y=values.mean(0),
        low=values.amin(0),
        high=values.amax(0),
        outer=None,
        cloud=None,
    )
