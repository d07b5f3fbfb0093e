"""Tables of families: the rows of all their members, with a column an axis."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from advcore.pipelines.claims import Tables
from advcore.pipelines.graph.layout import Planned
from advcore.pipelines.graph.notation.axes import Label
from advcore.pipelines.graph.plan import Prepared
from advcore.pipelines.graph.settings import GraphStudy
from advcore.probes import Columns

APART = 10**12
"""Difference between the numbers of samples of two data sets, beyond any index."""

NETWORK = "network"
"""The column that numbers networks, for claims over several of them."""


def joined(members: Sequence[tuple[Planned, Columns]]) -> Columns:
    """Return the rows of members one below the other, axes first.

    An axis is a column of numbers where all its labels are, else of texts; NaN or an empty text
    stands where a member lacks it. A member without axes comes back as it is.
    """
    axes = list(dict.fromkeys(axis for planned, _ in members for axis in planned.at))
    if not axes and len(members) == 1:
        return members[0][1]
    lengths = [_rows(columns) for _, columns in members]
    result: dict[str, Tensor | list[str]] = {
        axis: label_column([planned.at.get(axis) for planned, _ in members], lengths)
        for axis in axes
    }
    names = list(dict.fromkeys(name for _, columns in members for name in columns))
    for name in names:
        if name in result:
            raise ValueError(
                f"the rows have a column {name!r} of their own, which the axis of that name would "
                "hide: give the axis another name (what is measured stays)"
            )
        parts = [columns[name] for _, columns in members if name in columns]
        if len(parts) < len(members):
            raise ValueError(f"column {name!r} is not in the rows of every member")
        shapes = {tuple(part.shape[1:]) for part in parts if isinstance(part, Tensor)}
        if len(shapes) > 1:
            raise ValueError(
                f"column {name!r} has another shape in some members ({sorted(shapes)}): measure "
                "what an axis changes so by probes of their own"
            )
        result[name] = (
            torch.cat([part for part in parts if isinstance(part, Tensor)])
            if isinstance(parts[0], Tensor)
            else [text for part in parts for text in part]
        )
    return result


def _network(members: Sequence[tuple[Planned, Columns]]) -> dict[str, Tensor]:
    """Return the number of each row's network, by which claims know which rows share one."""
    if any(NETWORK in columns for _, columns in members):
        return {}
    numbers: dict[str, int] = {}
    own = [numbers.setdefault(planned.network, len(numbers)) for planned, _ in members]
    return {
        NETWORK: torch.tensor(own).repeat_interleave(
            torch.tensor([_rows(columns) for _, columns in members])
        )
    }


def _roots(prepared: Prepared, members: Sequence[tuple[Planned, Columns]]) -> dict[str, Tensor]:
    """Return samples numbered apart where they come of several data sets, else nothing.

    So that rows are paired by a sample of one data set alone: index 3 of two sets is two pictures.
    """
    roots: dict[str, int] = {}
    own = []
    for planned, _ in members:
        spec = prepared.layout.data[prepared.layout.root(planned.data)]
        root = repr(replace(spec, samples=None, seed=0, transform=None))
        own.append(roots.setdefault(root, len(roots)))
    if len(roots) < 2 or any("sample" not in columns for _, columns in members):
        return {}
    parts = [
        torch.as_tensor(columns["sample"]) + place * APART
        for place, (_, columns) in zip(own, members, strict=True)
    ]
    return {"sample": torch.cat(parts)}


def rows_of(planned: Planned, table: Columns) -> Columns:
    """Return the rows of one member of a table, without the columns of its axes."""
    chosen = torch.ones(_rows(table), dtype=torch.bool)
    for axis, label in planned.at.items():
        column = table[axis]
        same = column == label if isinstance(column, Tensor) else [text == label for text in column]
        chosen &= torch.as_tensor(same)
    places = chosen.nonzero().flatten()
    return {
        name: column[places] if isinstance(column, Tensor) else [column[i] for i in places.tolist()]
        for name, column in table.items()
        if name not in planned.at
    }


def _rows(columns: Columns) -> int:
    return len(next(iter(columns.values())))


def label_column(labels: Sequence[Label | None], lengths: Sequence[int]) -> Tensor | list[str]:
    """Return a label for each row of each member."""
    numbers = all(label is None or isinstance(label, int | float) for label in labels)
    if not numbers:
        return [
            "" if label is None else str(label)
            for label, length in zip(labels, lengths, strict=True)
            for _ in range(length)
        ]
    whole = all(isinstance(label, int) for label in labels)
    values = torch.tensor(
        [float("nan") if label is None else label for label in labels],
        dtype=torch.int64 if whole else torch.float64,
    )
    return values.repeat_interleave(torch.tensor(lengths))


def written_tables(
    prepared: Prepared, probe: str, by_label: Mapping[str, Columns]
) -> dict[str, Columns]:
    """Return a probe's tables by name, one a family of networks, with the rows of its members."""
    groups: dict[str, list[tuple[Planned, Columns]]] = {}
    for label, columns in by_label.items():
        planned = prepared.measurements[label, probe].planned
        groups.setdefault(planned.table, []).append((planned, columns))
    return {table: joined(own) for table, own in groups.items()}


def claimed_tables(prepared: Prepared, measured: Tables, problems: list[str]) -> Tables:
    """Return the tables that claims look into: by model, or in a graph all rows under the key "".

    Rows that do not go together are a problem.
    """
    if not isinstance(prepared.study, GraphStudy):
        return measured
    result: dict[str, dict[str, Columns]] = {}
    for probe, by_label in measured.items():
        members = [
            (prepared.measurements[label, probe].planned, columns)
            for label, columns in by_label.items()
        ]
        try:
            result[probe] = {
                "": {**joined(members), **_network(members), **_roots(prepared, members)}
            }
        except ValueError as error:
            problems.append(f"probe {probe}: {error}")
    return result
