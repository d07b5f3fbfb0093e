"""Charts of masks: their areas beside random ones, and the pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product

import torch
from torch import Tensor

from advcore.probes.charts import Chart, Gallery, Lines, Panel, Series, medians, told_apart
from advcore.probes.table import Table

GALLERIES = 4
"""Largest number of samples that are drawn, each in a picture of its own."""


def all_charts(
    tables: Mapping[str, Table],
    fills: Sequence[str],
    goals: Sequence[str],
    kinds: Sequence[str],
    images: bool,
) -> list[Chart]:
    """Return the charts of the models' tables, whose names are the keys."""
    tables = {model: table for model, table in tables.items() if len(table["sample"])}
    if not tables:
        return []
    lines: list[Chart] = [_areas(tables, fills, goal, kinds) for goal in goals]
    return [*lines, *(_galleries(tables, fills, goals, kinds[0]) if images else [])]


def _chosen(table: Table, fill: str, goal: str, by: str) -> Table:
    table = table.take(table.rows_with("by", by))
    table = table.take(table.rows_with("fill", fill))
    return table.take(table.rows_with("goal", goal))


def _areas(
    tables: Mapping[str, Table], fills: Sequence[str], goal: str, kinds: Sequence[str]
) -> Lines:
    """The areas over the fills; a model has one shade, what is drawn one marker."""
    places = torch.arange(len(fills), dtype=torch.float64)
    lines = list(product(enumerate(tables.items()), enumerate(kinds)))
    series = [
        _points(
            f"{model}, {by}",
            places + 0.6 * ((place + 0.5) / len(lines) - 0.5),
            torch.stack([_chosen(table, fill, goal, by).numbers("area") for fill in fills], 1),
            shade,
            mark,
        )
        for place, ((shade, (model, table)), (mark, by)) in enumerate(lines)
    ]
    done = "delete it" if goal == "delete" else "keep it"
    return Lines(
        name=f"mask_areas_{goal}",
        title=f"How much of a picture decides its label: masks that {done}",
        x_label="fill",
        y_label="area of the mask (% of the picture)",
        series=series,
        y_limits=(0, 102),
        ticks=fills,
        note="Median over samples, its 95 % interval, faint between quartiles. A random mask that "
        "never does it counts 100 %.",
    )


def _points(label: str, x: Tensor, values: Tensor, shade: int, mark: int) -> Series:
    return replace(medians(label, x, 100 * values, "points"), shade=shade, mark=mark)


def _galleries(
    tables: Mapping[str, Table], fills: Sequence[str], goals: Sequence[str], by: str
) -> list[Gallery]:
    """One gallery a sample, a row a model."""
    samples = next(iter(tables.values())).numbers("sample").unique(sorted=True)[:GALLERIES]
    pairs = list(product(goals, fills))
    return [
        Gallery(
            name=f"masks_{int(sample)}",
            title=f"Smallest masks found, sample {int(sample)}",
            rows=[
                [
                    Panel(_first(table, sample, "image"), "picture"),
                    *(_masked(_chosen(table, fill, goal, by), sample) for goal, fill in pairs),
                ]
                for table in tables.values()
            ],
            row_labels=told_apart(list(tables)),
            column_labels=["", *(f"{goal}\n{fill}" for goal, fill in pairs)],
            note="The picture with the smallest part deleted that changes its label, and with all "
            "deleted but the smallest part that keeps it. Numbers: area of the mask.",
        )
        for sample in samples
    ]


def _masked(table: Table, sample: Tensor) -> Panel:
    area = 100 * _first(table, sample, "area").item()
    return Panel(_first(table, sample, "masked"), f"{area:.0f} %")


def _first(table: Table, sample: Tensor, column: str) -> Tensor:
    return table.numbers(column)[table.numbers("sample") == sample][0]
