"""Tables that are made of the rows of probes: computed, written, shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from advcore.pipelines.graph.layout import PlannedTable
from advcore.pipelines.graph.notation.members import Coordinates
from advcore.pipelines.graph.plan import Prepared
from advcore.pipelines.graph.reporting.problems import Problems
from advcore.pipelines.graph.reporting.tables import label_column
from advcore.pipelines.reports.escaping import in_markdown
from advcore.pipelines.reports.outputs import Outputs
from advcore.pipelines.reports.tables import format_number, markdown
from advcore.pipelines.tables import Drawn, Part
from advcore.probes import Chart, Columns


@dataclass(frozen=True)
class MadeTable:
    """A table of a study, with its figures.

    Attributes:
        columns: columns, axes first.
        charts: charts of its kind, of each block of rows.
    """

    columns: Columns
    charts: Sequence[Chart] = ()


def made_tables(
    prepared: Prepared, measured: Mapping[str, Mapping[str, Columns]], problems: Problems
) -> dict[str, MadeTable]:
    """Return the study's tables by name; one that cannot be made is a problem.

    `measured` are the rows of each probe by label. A member that was not measured is missing in the
    row that it would be part of, and a row without any is left out.
    """
    there: dict[tuple[object, ...], Columns] = {
        (probe, *prepared.measurements[label, probe].planned.at.items()): columns
        for probe, by_label in measured.items()
        for label, columns in by_label.items()
    }
    result: dict[str, MadeTable] = {}
    for own in prepared.layout.tables:
        try:
            result[own.name] = _made(own, there)
        except LookupError as error:
            problems.append(f"table {own.name}: {error.args[0]}")
    return result


def _made(own: PlannedTable, there: Mapping[tuple[object, ...], Columns]) -> MadeTable:
    blocks, charts = list[tuple[Coordinates, Columns]](), list[Chart]()
    for at, members in own.rows:
        parts = [
            Part(probe, of, there[probe, *of.items()])
            for probe, of in members
            if (probe, *of.items()) in there
        ]
        if parts:
            blocks.append((at, own.settings.rows(parts)))
            charts += _charts(own, at, parts)
    if not blocks:
        probes = dict.fromkeys(probe for _, members in own.rows for probe, _ in members)
        raise LookupError(f"no rows of probe {', '.join(probes)} are there")
    lengths = [len(next(iter(rows.values()))) for _, rows in blocks]
    axes = {axis: label_column([at.get(axis) for at, _ in blocks], lengths) for axis in own.axes}
    columns = {name: _joined([rows[name] for _, rows in blocks]) for name in blocks[0][1]}
    return MadeTable({**axes, **columns}, charts)


def _charts(own: PlannedTable, at: Coordinates, parts: Sequence[Part]) -> list[Chart]:
    """Return the charts of a block of rows, named and titled after where it stands."""
    if not isinstance(own.settings, Drawn):
        return []
    words = [f"{axis}={label}" for axis, label in at.items()]
    place = f" ({', '.join(words)})" if words else ""
    return [
        replace(chart, name="-".join([chart.name, *words]), title=f"{chart.title}{place}")
        for chart in own.settings.charts(parts)
    ]


def _joined(parts: Sequence[torch.Tensor | list[str]]) -> torch.Tensor | list[str]:
    """Return the parts of a column one below the other."""
    tensors = [part for part in parts if isinstance(part, torch.Tensor)]
    if tensors:
        return torch.cat(tensors)
    return [word for part in parts for word in part]


def write_made_tables(
    outputs: Outputs, tables: Mapping[str, MadeTable], kinds: Sequence[str]
) -> tuple[list[str], list[Path]]:
    """Write each table as tables/NAME.csv and .tex, with its figures.

    Return their sections of the report, and the figures.
    """
    sections, figures = list[str](), list[Path]()
    for name, table in tables.items():
        columns = table.columns
        outputs.write_table(f"tables/{name}", [list(columns), *_rows(columns)])
        columns = _means(columns)
        shown = [
            [
                format_number(value) if isinstance(value, float) else in_markdown(str(value))
                for value in row
            ]
            for row in _rows(columns)
        ]
        drawn = outputs.draw(f"figures/{name}", table.charts, kinds)
        figures += drawn
        parts = [f"## Table {in_markdown(name)}", markdown([*map(in_markdown, columns)], shown)]
        parts += [f"![{name}, {own.stem}](figures/{name}/{own.name})" for own in drawn]
        sections.append("\n\n".join(parts))
    return sections, figures


def _rows(columns: Columns) -> list[list[object]]:
    return [list(row) for row in zip(*map(_values, columns.values()), strict=True)]


def _means(columns: Columns) -> Columns:
    """Return means over samples: a row for each combination of what stands before `sample`.

    A table without that column is returned as it is.
    """
    names = list(columns)
    if "sample" not in names:
        return columns
    place = names.index("sample")
    keys, numbers = names[:place], names[place + 1 :]
    groups: dict[tuple[object, ...], list[int]] = {}
    for row, key in enumerate(zip(*(_values(columns[name]) for name in keys), strict=True)):
        groups.setdefault(key, []).append(row)
    held: dict[str, torch.Tensor | list[str]] = {
        name: [str(own) for own in column]
        for name, column in zip(keys, zip(*groups, strict=True), strict=True)
    }
    for name in numbers:
        column = torch.as_tensor(columns[name])
        held[name] = torch.stack([column[rows].mean() for rows in groups.values()])
    return held


def _values(column: torch.Tensor | list[str]) -> list[object]:
    return list(column.tolist() if isinstance(column, torch.Tensor) else column)
