"""The rows that a claim is about, as one array: a number for each seed, position and sample."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from advcore.pipelines.claims.among import Among
from advcore.pipelines.claims.rows import (
    Rows,
    Tables,
    as_written,
    check_columns,
    choose_rows,
    lacking,
)

SEED = "seed"
"""The axis of replication where a claim names none."""

MOST_MISSING = 0.05
"""Largest share of the samples without a number at which a claim is measured."""


@dataclass(frozen=True)
class Grid:
    """The numbers of one model, or of the rows chosen.

    Attributes:
        values: `(seeds, positions, samples)`.
        seeds, positions, samples: their names, numbers ascending and words as they come; NaN alone
            where there is no such column or all rows lack the axis.
        networks: whether each position is another network, as the values of a sweep's setting are.
        replicate: axis whose labels `seeds` are.
        common_of: numbers of samples, of all seeds and positions or of two sides, of which these
            are the common ones; () for all.
        sampled: whether the table has samples, of which one may be left; if not, as in a table that
            reduces them, each seed has one number, whose noise is seen between seeds alone; so
            where the whole table stands at one sample, as that of a fit does.
    """

    values: np.ndarray
    seeds: np.ndarray
    positions: np.ndarray
    samples: np.ndarray
    networks: bool = False
    replicate: str = SEED
    common_of: tuple[int, ...] = ()
    sampled: bool = True

    @property
    def binary(self) -> bool:
        """True if all numbers are 0 or 1, so that their mean is a share."""
        return bool(np.isin(self.values, (0, 1)).all())

    @property
    def over_networks(self) -> bool:
        """True if there are several networks, but one seed: they are what can be resampled."""
        return self.networks and len(self.seeds) == 1

    def at(self, chosen: np.ndarray) -> "Grid":
        """Return the grid with only these samples."""
        return replace(self, values=self.values[:, :, chosen], samples=self.samples[chosen])


@dataclass(frozen=True)
class Numbers:
    """The numbers of some rows that a claim is about, and their statistic over the samples.

    Attributes:
        probe: probe whose rows they are.
        model: model whose rows they are; None for those of all members, to choose from by `where`,
            or for the only model of a study.
        column: column that holds them.
        over: column that numbers positions (subspaces, dimensions, labels of an axis), at each
            of which there is one row for each sample.
        where: values that the rows must have, or one of several: `{attack: pgd-l2, status: [broken,
            robust]}`; null for rows that lack an axis.
        entry: index into a column that holds vectors, 0 for the first.
        above: limit; whether a number is larger takes the place of the number.
        statistic: number over the samples; the median is the lower one, so that inf, not found,
            stays inf and is never averaged.
        table: derived table in place of a probe.
        replicate: axis whose labels are the unit of replication, with the samples inside each.
        among: samples that count, by the rows of another probe; all where none is given.
        up_to: beside `above`, a larger limit: whether a number is larger than the one and not than
            the other takes its place. Of distances it is what an eps breaks and a smaller one not.
    """

    probe: str | None = None
    model: str | None = None
    column: str = ""
    over: str | None = None
    where: dict[str, Any] = field(default_factory=dict)
    entry: int | None = None
    above: float | None = None
    statistic: Literal["median", "mean"] = "median"
    table: str | None = field(default=None, metadata={"later": True})
    replicate: str = field(default="seed", metadata={"later": True})
    among: Among | None = field(default=None, metadata={"later": True})
    up_to: float | None = field(default=None, metadata={"later": True})

    def __post_init__(self) -> None:
        if self.up_to is not None and (self.above is None or not self.above < self.up_to):
            raise ValueError(
                f"up_to is a limit beyond above; got above {self.above} and up_to {self.up_to}"
            )
        if (self.probe is None) == (self.table is None):
            raise ValueError("numbers stand in a probe's rows or in a table: give one of them")
        if not self.column:
            raise ValueError(f"numbers of {self.place} need a column; got none")
        if self.over == self.replicate and self.replicate != SEED:
            raise ValueError(f"{self.over!r} cannot be over and replicate: give another one")

    @property
    def place(self) -> str:
        """The place of the numbers in words: `probe margins`, `table mce`."""
        return f"probe {self.probe}" if self.table is None else f"table {self.table}"

    def grid(self, tables: Tables) -> Grid:
        """Return the numbers, with samples in the order of their indices.

        Samples that some seed or position lacks are left out. Raises LookupError where none is
        left, and where there are several rows for one seed, position and sample.
        """
        rows = self.rows(tables)
        values, sampled = self._values(rows), rows.sampled
        absent = np.full(len(values), np.nan)
        replicated = rows.has(self.replicate) and self.over != self.replicate
        keys = (
            rows(self.replicate) if replicated else absent,
            absent if self.over is None else rows(self.over),
            rows("sample") if sampled else np.zeros(len(values), dtype=int),
        )
        for name, key in zip((self.replicate, self.over), keys, strict=False):
            if len(np.unique(lacking(key))) > 1:
                raise LookupError(
                    f"{rows.place}: some rows lack {name} and others have it: choose by where"
                )
        names, places = zip(*(_ordered(key) for key in keys), strict=True)
        shape = tuple(len(name) for name in names)
        flat = np.asarray(np.ravel_multi_index(places, shape))
        whole = np.bincount(places[2]) == shape[0] * shape[1]
        if len(np.unique(flat)) != len(values) or not whole.any():
            raise LookupError(self._not_one(rows, flat, replicated))
        seeds, positions, samples = names
        numbers = np.full(np.prod(shape), np.nan)
        numbers[flat] = values
        grid = Grid(
            numbers.reshape(shape),
            seeds,
            positions,
            samples,
            networks=self._over_networks(rows, flat, shape),
            replicate=self.replicate,
            common_of=() if whole.all() else (len(whole),),
            sampled=sampled,
        )
        return grid if whole.all() else grid.at(whole)

    def as_written(self, value: float, tables: Tables) -> float:
        """Return a limit in the column's precision, so that 0.1 in float32 is not above 0.1."""
        return float(as_written(value, self.rows(tables)(self.column)))

    def labels(self, by: str, tables: Tables, wanted: np.ndarray) -> np.ndarray:
        """Return what a column says of each of the `wanted` samples `(n,)`, those of a grid.

        Raises LookupError where rows of one sample differ.
        """
        rows = self.rows(tables)
        check_columns(rows.table, self.place, [by])
        check_columns(rows.table, self.place, ["sample"])
        samples, first, places = np.unique(rows("sample"), return_index=True, return_inverse=True)
        column = rows(by)
        alike = column.ndim == 1 and np.array_equal(
            column, column[first][places], equal_nan=column.dtype.kind == "f"
        )
        if not alike:
            raise LookupError(f"{rows.place}: {by} must be one label a sample; rows differ")
        return np.asarray(column[first][np.searchsorted(samples, wanted)])

    def _values(self, rows: Rows) -> np.ndarray:
        values = rows(self.column)
        if values.dtype.kind not in "biuf":
            raise LookupError(f"column {self.column} of {self.place} must hold numbers; got words")
        if (values.ndim > 1) != (self.entry is not None):
            held = "vectors: give entry" if self.entry is None else "numbers: leave entry out"
            raise LookupError(f"column {self.column} of {self.place} holds {held}")
        values = values if self.entry is None else values[:, self.entry]
        if self.above is not None:
            counted = values > as_written(self.above, values)
            if self.up_to is not None:
                counted &= values <= as_written(self.up_to, values)
            values = np.where(np.isnan(values), np.nan, counted)
        return np.asarray(values)

    def _not_one(self, rows: Rows, flat: np.ndarray, replicated: bool) -> str:
        """Return in words that there is not one row for each seed, position and sample."""
        wanted = f"one for each sample and {self.over or 'model'}"
        wanted += f" and {self.replicate}" if replicated else ""
        known = {self.column, self.over or "", self.replicate, "sample", "network"}
        names = rows.varying(np.unique(flat, return_inverse=True)[1], known)
        advice = f"; they vary in {', '.join(names)}: choose by where, or put it over"
        return f"{rows.place}: {len(flat)} rows are not {wanted}{advice if names else ''}"

    def _over_networks(self, rows: Rows, flat: np.ndarray, shape: tuple[int, ...]) -> bool:
        if self.over is None or not rows.has("network"):
            return False
        network = np.full(np.prod(shape), -1)
        network[flat] = np.unique(rows("network"), return_inverse=True)[1]
        of_positions = network.reshape(shape).max(-1)
        return all(len(np.unique(own)) == shape[1] for own in of_positions) and shape[1] > 1

    def rows(self, tables: Tables) -> Rows:
        """Return the rows that match `where`, of the samples that count."""
        kind, name = ("probe", self.probe) if self.table is None else ("table", self.table)
        rows = choose_rows(tables, kind, name or "", self.model, self.where)
        wanted = [self.column, *([self.over] if self.over else [])]
        wanted += [self.replicate] if self.replicate != SEED else []
        wanted += [] if self.among is None else ["sample"]
        check_columns(rows.table, self.place, wanted)
        if self.among is None:
            return rows
        return self.among.narrowed(rows, self.where, self.over, tables)


def _ordered(key: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels, numbers ascending and words as they first come, and each row's place."""
    labels, first, places = np.unique(key, return_index=True, return_inverse=True)
    if key.dtype.kind != "U":
        return labels, places
    order = np.argsort(first)
    return labels[order], np.argsort(order)[places]


def without_missing(
    grids: Sequence[Grid], missing: np.ndarray | None = None
) -> tuple[list[Grid], tuple[str, ...]]:
    """Return the samples that have a number everywhere, and a warning about the others.

    `missing`, `(samples,)`, says which have none; by default those with a NaN. Raises LookupError
    where they are more than MOST_MISSING of all.
    """
    lost = (
        np.any([np.isnan(grid.values).any((0, 1)) for grid in grids], axis=0)
        if missing is None
        else missing
    )
    count, of = int(lost.sum()), len(lost)
    why = "a value is NaN" if missing is None else "own and other number are both 0 or both inf"
    if count > MOST_MISSING * of:
        raise LookupError(
            f"{count} of {of} samples have no number ({why}), more than {MOST_MISSING:.0%}"
        )
    if not count:
        return list(grids), ()
    told = (
        f"missing_numbers: {count} of {of} samples have no number ({why}) and are left out: "
        "look why, or choose others"
    )
    return [grid.at(~lost) for grid in grids], (told,)
