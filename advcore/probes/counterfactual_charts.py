"""Charts of counterfactuals: how far and how near to data, by target class, and the pictures."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from advcore.probes.charts import Chart, Gallery, Lines, Panel, Series, told_apart
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
    lines = [
        _over_targets(first, "to_target", "nearness", "nearest sample of the target class"),
        _over_targets(first, "l2", "lengths", "sample itself"),
    ]
    return [*lines, *(_galleries(first) if images else [])]


def _over_targets(tables: Mapping[str, Table], column: str, name: str, to: str) -> Lines:
    """The medians of a distance over the target classes."""
    targets = _targets(tables)
    series = [
        Series(
            model,
            torch.arange(len(targets)),
            torch.stack([_median_of(table, column, own) for own in targets]),
        )
        for model, table in tables.items()
    ]
    return Lines(
        name=f"counterfactual_{name}",
        title=f"Counterfactuals: distance to the {to}",
        x_label="target class",
        y_label="l2 distance (pixels in [0, 1])",
        series=series,
        ticks=targets,
        note="Medians over the samples for which the class was reached.",
    )


def _median_of(table: Table, column: str, target: str) -> Tensor:
    return table.numbers(column)[table.rows_with("target", target)].nanmedian()


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
            row_labels=[
                label for model in told_apart(list(tables)) for label in (model, "difference")
            ],
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
