"""Tables that are made of the rows of probes: computed, written, shown."""

from collections.abc import Mapping

import torch

from advcore.pipelines.graph.layout import PlannedTable
from advcore.pipelines.graph.plan import Prepared
from advcore.pipelines.graph.reporting.problems import Problems
from advcore.pipelines.graph.reporting.tables import label_column
from advcore.pipelines.reports.escaping import in_markdown
from advcore.pipelines.reports.outputs import Outputs
from advcore.pipelines.reports.tables import format_number, markdown
from advcore.probes import Columns


def made_tables(
    prepared: Prepared, measured: Mapping[str, Mapping[str, Columns]], problems: Problems
) -> dict[str, Columns]:
    """Return the study's tables by name; one that cannot be made is a problem.

    `measured` are the rows of each probe by label. A member that was not measured is missing in the
    row that it would be part of, and a row without any is left out.
    """
    result: dict[str, Columns] = {}
    for own in prepared.layout.tables:
        try:
            result[own.name] = _made(prepared, own, measured.get(own.probe, {}))
        except LookupError as error:
            problems.append(f"table {own.name}: {error.args[0]}")
    return result


def _made(prepared: Prepared, own: PlannedTable, measured: Mapping[str, Columns]) -> Columns:
    there = {
        tuple(prepared.measurements[label, own.probe].planned.at.items()): columns
        for label, columns in measured.items()
    }
    rows = []
    for at, members in own.rows:
        parts = [there[key] for key in (tuple(of.items()) for of in members) if key in there]
        if parts:
            rows.append((at, own.settings.row(parts)))
    if not rows:
        raise LookupError(f"no rows of probe {own.probe} are there")
    axes = {
        axis: label_column([at.get(axis) for at, _ in rows], [1] * len(rows)) for axis in own.axes
    }
    names = rows[0][1]
    numbers = {
        name: torch.tensor([values[name] for _, values in rows], dtype=torch.float64)
        for name in names
    }
    return {**axes, **numbers}


def write_made_tables(outputs: Outputs, tables: Mapping[str, Columns]) -> list[str]:
    """Write each table as tables/NAME.csv and .tex; return its section of the report."""
    sections = []
    for name, columns in tables.items():
        rows = [list(row) for row in zip(*map(_values, columns.values()), strict=True)]
        outputs.write_table(f"tables/{name}", [list(columns), *rows])
        shown = [
            [
                format_number(value) if isinstance(value, float) else in_markdown(str(value))
                for value in row
            ]
            for row in rows
        ]
        sections.append(
            f"## Table {in_markdown(name)}\n\n" + markdown([*map(in_markdown, columns)], shown)
        )
    return sections


def _values(column: torch.Tensor | list[str]) -> list[object]:
    return list(column.tolist() if isinstance(column, torch.Tensor) else column)
