"""Rows of a table, chosen by the values of columns; an axis that a row lacks is NaN or ""."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from advcore.probes import Columns

Tables = Mapping[str, Mapping[str, Columns]]
"""Tables by the name of a probe or of a derived table, then by model.

In a study with axes each has one table, under the key "", with the rows of all members and a column
for each axis.
"""

ALL_MEMBERS = ""
"""Key of the table that holds the rows of all members."""

SHOWN = 8
"""Largest number of values that a message names."""

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_IN_WORDS = re.compile(rf"\s*({_NUMBER})\s*(?:/\s*({_NUMBER})\s*)?")


@dataclass(frozen=True)
class Rows:
    """Some rows of a table.

    Attributes:
        table: whole table, by column.
        chosen: `(rows,)` of bool, which rows.
        place: where they stand, in words: `probe margins on model plain`.
    """

    table: Columns
    chosen: np.ndarray
    place: str

    @property
    def sampled(self) -> bool:
        """True if the table has several samples, however few of them are chosen."""
        return self.has("sample") and len(np.unique(self.table["sample"])) > 1

    def has(self, name: str) -> bool:
        """Return whether the table has this column."""
        return name in self.table

    def __call__(self, name: str) -> np.ndarray:
        """Return the chosen rows of a column."""
        return np.asarray(self.table[name])[self.chosen]

    def varying(self, groups: np.ndarray, known: Collection[str]) -> list[str]:
        """Return the columns, not among `known`, by which rows of one group differ as axes do.

        The largest groups all have the same values there, two or more: those of an axis; what was
        measured differs from group to group. `groups` `(rows,)` numbers each row's group.
        """
        counts = np.bincount(groups)
        largest = counts[groups] == counts.max()
        return [
            name
            for name, column in self.table.items()
            if name not in known
            and np.ndim(column) == 1
            and _alike(groups[largest], self(name)[largest])
        ]


def choose_rows(tables: Tables, kind: str, name: str, model: str | None, where: Any) -> Rows:
    """Return the rows of `kind` (probe or table) `name` that match `where`.

    Without a model they come from the table of all members, or of the only model there is. Raises
    LookupError for a table, a column or rows that are not there.
    """
    by_model = tables.get(name, {})
    if model is None and ALL_MEMBERS not in by_model and len(by_model) > 1:
        raise LookupError(f"{kind} {name} has rows of {', '.join(by_model)}: give one as model")
    key = next(iter(by_model), ALL_MEMBERS) if model is None else model
    key = ALL_MEMBERS if model is None and ALL_MEMBERS in by_model else key
    place = f"{kind} {name}" + (f" on model {key}" if key else "")
    if key not in by_model:
        advice = (
            "choose by where, {model: ...}"
            if ALL_MEMBERS in by_model
            else "it was not measured, or failed; run the same command again, which measures what "
            "is missing"
        )
        raise LookupError(f"no rows of {place}: {advice}")
    table = by_model[key]
    needed = ("sample",) if kind == "probe" else ()
    check_columns(table, f"{kind} {name}", (*where, *needed))
    chosen = np.ones(len(next(iter(table.values()))), dtype=bool)
    for column, wanted in where.items():
        chosen &= matches(np.asarray(table[column]), wanted)
    if not chosen.any():
        raise LookupError(f"{place} has no row with {where}{_there(table, where)}")
    return Rows(table, chosen, place)


def _there(table: Columns, where: Mapping[str, Any]) -> str:
    """Return the values that columns have in place of those that no row has, in words."""
    told = ""
    for name, wanted in where.items():
        column = np.asarray(table[name])
        if column.ndim == 1 and not matches(column, wanted).any():
            values = [str(own) for own in np.unique(column).tolist()]
            more = f", ... ({len(values)} in all)" if len(values) > SHOWN else ""
            told += f"; {name} has {', '.join(values[:SHOWN])}{more}"
    return told


def check_columns(table: Columns, place: str, wanted: Sequence[str]) -> None:
    """Raise LookupError where a table lacks a column."""
    for name in wanted:
        if name not in table:
            raise LookupError(f"{place} has no column {name!r}; it has {', '.join(table)}")


def matches(column: np.ndarray, wanted: Any) -> np.ndarray:
    """Return which entries of a column `(rows,)` are `wanted`, or one of several in a list.

    None stands for those that lack the axis, a number in words (8/255) for the number. Numbers are
    compared in the column's precision.
    """
    values = list(wanted) if isinstance(wanted, list | tuple) else [wanted]
    held = [value for own in values if own is not None for value in _as_held(own, column)]
    chosen = np.isin(column, held) if held else np.zeros(len(column), dtype=bool)
    return chosen | lacking(column) if None in values else chosen


def check_groups(groups: Sequence[str]) -> None:
    """Raise ValueError for the names of groups of which one is there twice."""
    twice = [name for name in dict.fromkeys(groups) if groups.count(name) > 1]
    if twice:
        raise ValueError(
            f"groups must be different ones; got {', '.join(groups)}: name {', '.join(twice)} once"
        )


def lacking(column: np.ndarray) -> np.ndarray:
    """Return which entries of a column stand for no label: NaN, or an empty text."""
    if column.dtype.kind == "f":
        return np.isnan(column)
    return column == "" if column.dtype.kind == "U" else np.zeros(column.shape, dtype=bool)


def as_written(value: float, column: np.ndarray) -> Any:
    """Return a number in the column's precision, so that 0.1 in float32 is not above 0.1."""
    return np.asarray(value, column.dtype) if column.dtype.kind == "f" else np.asarray(value)


def _as_held(value: Any, column: np.ndarray) -> Iterator[Any]:
    """Yield the value as the column would hold it; nothing where it cannot."""
    if column.dtype.kind == "U":
        yield str(value)
        return
    if isinstance(value, str):
        words = _IN_WORDS.fullmatch(value)
        below = float(words[2] or 1) if words else 0.0
        if words is None or below == 0:
            return
        value = float(words[1]) / below
    yield as_written(value, column)


def _alike(groups: np.ndarray, column: np.ndarray) -> bool:
    """Return whether all groups have the same values, at least two."""
    values = np.unique(column, return_inverse=True)[1]
    pairs = np.unique(np.stack([groups, values]), axis=1)
    count = len(np.unique(values))
    return count > 1 and pairs.shape[1] == count * len(np.unique(groups))
