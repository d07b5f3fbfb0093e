"""A statistic at each label of an axis or column, with its interval over samples and seeds."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from advcore.pipelines.claims import Numbers, Tables
from advcore.pipelines.claims.grid import without_missing
from advcore.pipelines.claims.measuring import one_position
from advcore.pipelines.claims.one_model import measure_level
from advcore.pipelines.claims.rows import check_columns, choose_rows

Label = str | float | int
"""A label of an axis, or a value of a column."""


_CAVEATS = {
    "missing_numbers": "Samples without a number are left out.",
    "few_samples": "Few samples carry some of the means.",
}
"""Sentences of a figure's note, by the name of a claim's warning."""


_COUNT = re.compile(r"\d+")


@dataclass(frozen=True)
class _NothingExpected:
    at_least: float = -np.inf
    at_most: float = np.inf


@dataclass(frozen=True)
class Along:
    """Numbers along an axis or column: `(labels,)` each, NaN where there is none that is finite.

    Attributes:
        labels: its labels, numbers ascending, words as they come.
        values, low, high: statistic and the ends of its 95 % interval, NaN for no end.
        units: what was resampled, in words, of each label that has a number.
        caveats: what may mislead, a sentence each.
    """

    labels: Sequence[Label]
    values: np.ndarray
    low: np.ndarray
    high: np.ndarray
    units: tuple[str, ...]
    caveats: tuple[str, ...] = ()


def labels_of(of: Numbers, axis: str, tables: Tables) -> list[Label]:
    """Return the labels of an axis or column in the rows of the numbers.

    Numbers are ascending, words as they come. Rows that lack a number are left out. Raises
    LookupError where the tables lack the rows or the column.
    """
    kind, name = ("probe", of.probe) if of.table is None else ("table", of.table)
    rows = choose_rows(tables, kind, name or "", of.model, of.where)
    check_columns(rows.table, rows.place, [axis])
    labels = list(dict.fromkeys(rows(axis).tolist()))
    return labels if rows(axis).dtype.kind == "U" else sorted(own for own in labels if own == own)


def along(of: Numbers, tables: Tables) -> Along:
    """Return the statistic of the numbers at each label of `of.over`, by itself.

    Raises LookupError where the tables lack the numbers, or none is finite.
    """
    axis = of.over or ""
    labels = labels_of(of, axis, tables)
    found, units, told = [], list[str](), list[str]()
    why = LookupError(f"{of.place} has no {axis}")
    for label in labels:
        own = pinned(replace(of, over=None), axis, label)
        try:
            grid = own.grid(tables)
            one_position("figure's number", own, grid)
            (whole,), missing = without_missing([grid])
            level = measure_level(_NothingExpected(), of.statistic, whole)
        except LookupError as error:  # no sample that counts, no number, or none that is finite
            found.append((np.nan, np.nan, np.nan))
            why = error
            continue
        found.append((level.value, level.low, level.high))
        units.append(level.unit)
        told += [*missing, *level.warnings]
    numbers = np.array(found, dtype=float).reshape(-1, 3)
    numbers[~np.isfinite(numbers)] = np.nan
    if np.isnan(numbers[:, 0]).all():
        raise why
    values, low, high = numbers.T
    names = {own.partition(":")[0] for own in told}
    caveats = tuple(sentence for name, sentence in _CAVEATS.items() if name in names)
    return Along(labels, values, low, high, tuple(units), caveats)


def in_one(units: Iterable[str]) -> str:
    """Return what was resampled in one sentence: counts that differ are from the least to the most.

    `3 seeds, 437 to 743 samples in each` of many that say the same but for their counts.
    """
    alike: dict[tuple[str, ...], list[list[int]]] = {}
    for unit in units:
        words, counts = _COUNT.split(unit), [int(own) for own in _COUNT.findall(unit)]
        alike.setdefault(tuple(words), []).append(counts)
    return " or ".join(_filled(words, counts) for words, counts in alike.items())


def _filled(words: tuple[str, ...], counts: list[list[int]]) -> str:
    ranges = [(min(own), max(own)) for own in zip(*counts, strict=True)]
    numbers = [str(low) if low == high else f"{low} to {high}" for low, high in ranges]
    return "".join(one for pair in zip(words, [*numbers, ""], strict=True) for one in pair)


def pinned(of: Numbers, axis: str, label: Label) -> Numbers:
    """Return the numbers of the rows with one label of an axis; "" is that of rows without one."""
    return replace(of, where={**of.where, axis: None if label == "" else label})
