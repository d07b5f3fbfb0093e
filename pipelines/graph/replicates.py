"""Charts over seeds: one line for all trainings that differ in their seed alone."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch

from advcore.pipelines.graph.layout import Planned
from advcore.pipelines.graph.summaries import drawings
from advcore.probes import Chart, Columns, Lines, Probe, Series

SEED = "seed"
"""The axis of replication."""

_BANDS = re.compile(r"\s*Bands?: [^.]*(?:\.\d[^.]*)*\.")
"""The sentence of a note that says what the bands of single networks are."""


def charts_over_seeds(
    name: str, probe: Probe, members: Sequence[tuple[Planned, Columns]]
) -> list[Chart]:
    """Return the charts of a probe: of all its members, or with bands over seeds where it has them.

    Lines become the mean over the seeds, in a band from the smallest to the largest; of other
    charts the first seed's is drawn. Raises what the probe raises, and ValueError for no chart.
    """
    seeds = list(dict.fromkeys(planned.at.get(SEED) for planned, _ in members))
    if len(seeds) < 2:
        return drawings(name, probe, {planned.label: own for planned, own in members})
    charts = [
        drawings(
            name,
            probe,
            {_without_seed(planned): own for planned, own in members if planned.at[SEED] == seed},
        )
        for seed in seeds
        if seed is not None
    ]
    alike: list[Mapping[str, Chart]] = [{chart.name: chart for chart in own} for own in charts]
    return [
        _over_seeds([own[chart.name] for own in alike if chart.name in own]) for chart in charts[0]
    ]


def _without_seed(planned: Planned) -> str:
    """Return a member's label without its seed."""
    return " ".join(part for part in planned.label.split(" ") if not part.startswith(f"{SEED}="))


def _over_seeds(charts: Sequence[Chart]) -> Chart:
    first = charts[0]
    lines = [chart for chart in charts if isinstance(chart, Lines)]
    if not isinstance(first, Lines):
        return replace(first, title=f"{first.title} (the first of {len(charts)} seeds)")
    note = _BANDS.sub("", first.note).strip()
    told = f"Means of {len(lines)} seeds, in bands from the smallest to the largest."
    series = [
        _mean([own for chart in lines for own in chart.series if own.label == one.label], one)
        for one in first.series
    ]
    return replace(first, series=series, note=f"{note} {told}".strip())


def _mean(series: Sequence[Series], first: Series) -> Series:
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
