"""The samples that a claim counts, by what other rows hold of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from advcore.pipelines.claims.rows import Rows, Tables, check_columns, choose_rows


@dataclass(frozen=True)
class Among:
    """The samples of which other rows hold a number in a range: what a judge says of them, say.

    The `where` of the numbers holds for these rows too, as far as they have its columns and this
    `where` says nothing else of them. Where a sample has several rows, by several judges say, it
    counts if all of them are in the range.

    Attributes:
        probe: probe whose rows they are.
        column: column of numbers, one a row.
        where: values that the rows must have, as in claims; a sample without such a row is left
            out.
        at_least: smallest number that counts; -inf for no bound.
        at_most: largest number that counts; inf for no bound.
    """

    probe: str
    column: str
    where: dict[str, Any] = field(default_factory=dict)
    at_least: float = -np.inf
    at_most: float = np.inf

    def narrowed(
        self, rows: Rows, where: Mapping[str, Any], over: str | None, tables: Tables
    ) -> Rows:
        """Return the rows of the samples that count; `where` and `over` are the numbers' own.

        Raises LookupError where none counts, and where the rows have the column `over`, so that
        they would have to be told apart by its labels.
        """
        other = rows_beside(tables, self.probe, self.column, self.where, where)
        if over is not None and other.has(over) and over not in {*where, *self.where}:
            raise LookupError(
                f"{other.place} has {over}, over which the numbers are: choose one in among.where"
            )
        values = other(self.column)
        if values.dtype.kind not in "biuf" or values.ndim > 1:
            raise LookupError(f"column {self.column!r} of {other.place} must hold one number a row")
        held = (values >= self.at_least) & (values <= self.at_most)
        samples = other("sample")
        counted = np.setdiff1d(samples[held], samples[~held])
        chosen = rows.chosen & np.isin(np.asarray(rows.table["sample"]), counted)
        if not chosen.any():
            raise LookupError(
                f"no sample of {rows.place} is among the {len(counted)} of {other.place} with "
                f"{self.column} in [{self.at_least:g}, {self.at_most:g}]"
            )
        return Rows(rows.table, chosen, rows.place)


def rows_beside(
    tables: Tables, probe: str, column: str, where: Mapping[str, Any], beside: Mapping[str, Any]
) -> Rows:
    """Return rows of a probe by `where`, and by that of other numbers as far as it has the columns.

    Raises LookupError where there are none, or where they lack the column.
    """
    known = next(iter(tables.get(probe, {}).values()), {})
    taken = {axis: label for axis, label in beside.items() if axis in known}
    rows = choose_rows(tables, "probe", probe, None, {**taken, **where})
    check_columns(rows.table, rows.place, [column])
    return rows
