"""Charts of counterfactuals: how far and how near to data, by target class, and the pictures."""

from collections.abc import Mapping, Sequence

import torch

from advcore.probes.charts import Chart, Gallery, Lines, Maps, Panel, Series
from advcore.probes.probe import median
from advcore.probes.table import Table

EVERY = "every"
"""The word in the column `target` for a sample with all its targets."""

GALLERIES = 2
"""Largest number of samples that are drawn, each in a picture of its own."""


def all_charts(tables: Mapping[str, Table], images: bool) -> list[Chart]:
    """Return the charts of the models' tables, whose names are the keys."""
    first = {
        model: table.take((table.numbers("place") == 0).nonzero()[:, 0])
        for model, table in tables.items()
        if len(table["sample"])
    }
    if not first:
        return []
    return [_nearness(first), _by_target(first), *(_galleries(first) if images else [])]


def _nearness(tables: Mapping[str, Table]) -> Lines:
    """The place of each model's counterfactuals between the sample and the data."""
    series = []
    for place, (model, table) in enumerate(tables.items()):
        own = table.take(table.rows_with("target", EVERY))
        x, y = (torch.tensor([median(own.numbers(name))]) for name in ("l2", "to_target"))
        series.append(Series(model, x, y, style="points", shade=place, mark=place))
    return Lines(
        name="counterfactual_nearness",
        title="Counterfactuals: far from the sample, near to data",
        x_label="l2 distance to the sample (pixels in [0, 1])",
        y_label="l2 distance to the nearest of the target class",
        series=series,
        y_limits=(0, None),
        note="Medians over samples of the mean over the target classes reached.",
    )


def _by_target(tables: Mapping[str, Table]) -> Maps:
    targets = _targets(tables)
    field = torch.stack(
        [
            torch.stack(
                [table.numbers("l2")[table.rows_with("target", own)].nanmedian() for own in targets]
            )
            for table in tables.values()
        ]
    )
    return Maps(
        name="counterfactual_targets",
        title="Counterfactuals by target class",
        x_label="target class",
        y_label="",
        panels=[(field, "nearest counterfactual")],
        x_limits=(-0.5, len(targets) - 0.5),
        y_limits=(-0.5, len(tables) - 0.5),
        value_label="median l2 distance (pixels in [0, 1])",
        x_names=targets,
        y_names=list(tables),
    )


def _targets(tables: Mapping[str, Table]) -> list[str]:
    words = {word for table in tables.values() for word in table.words("target")}
    return sorted(words - {EVERY}, key=int)


def _galleries(tables: Mapping[str, Table]) -> list[Gallery]:
    targets = _targets(tables)
    samples = next(iter(tables.values())).numbers("sample").unique(sorted=True).tolist()
    return [
        Gallery(
            name=f"counterfactuals_{int(sample)}",
            title=f"Counterfactuals of sample {int(sample)}",
            rows=[
                row for table in tables.values() for row in _pair_of_rows(table, sample, targets)
            ],
            row_labels=[label for model in tables for label in (model, "difference")],
            column_labels=[f"to {own}" for own in targets],
            note="The sample itself stands below the class that the network gives it. Numbers: l2 "
            "length of the change; a dash where the class was not reached. Differences are scaled "
            "to be seen.",
        )
        for sample in samples[:GALLERIES]
    ]


def _pair_of_rows(
    table: Table, sample: float, targets: Sequence[str]
) -> tuple[list[Panel], list[Panel]]:
    """The counterfactuals of a sample, one a target, and the differences below."""
    own = table.take((table.numbers("sample") == sample).nonzero()[:, 0])
    words = own.words("target")
    images, lengths, valid = (own.numbers(name) for name in ("image", "l2", "valid"))
    before = images[words.index(EVERY)]
    above, below = [], []
    for target in targets:
        if target not in words:
            above.append(Panel(before, "sample"))
            below.append(Panel(torch.zeros_like(before), "", signed=True))
            continue
        place = words.index(target)
        caption = f"{lengths[place].item():.2f}" if valid[place] else "–"
        above.append(Panel(images[place], caption))
        below.append(Panel(images[place] - before, "", signed=True))
    return above, below
