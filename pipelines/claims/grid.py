"""The rows that a claim is about, as one array: a number for each seed, position and sample."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from advcore.probes import Columns

Tables = Mapping[str, Mapping[str, Columns]]
"""Tables by probe, then by model."""

MOST_MISSING = 0.05
"""Largest share of the samples without a number at which a claim is measured."""


@dataclass(frozen=True)
class Grid:
    """The numbers of one model.

    Attributes:
        values: `(seeds, positions, samples)`.
        seeds, positions, samples: their names, ascending; without a column `seed` there is one
            seed, without `over` one position.
        networks: whether each position is another network, as the values of a sweep's setting are.
    """

    values: np.ndarray
    seeds: np.ndarray
    positions: np.ndarray
    samples: np.ndarray
    networks: bool = False

    @property
    def binary(self) -> bool:
        """True if all numbers are 0 or 1, so that their mean is a share."""
        return bool(np.isin(self.values, (0, 1)).all())

    def at(self, chosen: np.ndarray) -> "Grid":
        """Return the grid with only these samples."""
        return replace(self, values=self.values[:, :, chosen], samples=self.samples[chosen])


@dataclass(frozen=True)
class Numbers:
    """The numbers of a model's rows that a claim is about, and their statistic over the samples.

    Attributes:
        probe, model, column: where they stand.
        over: the column that numbers positions (subspaces, dimensions), at each of which there is
            one row for each sample.
        where: only rows with these values, or one of several: `{attack: pgd-l2, status: [broken,
            robust]}`.
        entry: of a column that holds vectors, 0 for the first.
        above: whether a number is larger than this, instead of the number.
        statistic: over the samples; the median is the lower one, so that inf, not found, stays inf
            and is never averaged.
    """

    probe: str
    model: str
    column: str
    over: str | None = None
    where: dict[str, Any] = field(default_factory=dict)
    entry: int | None = None
    above: float | None = None
    statistic: Literal["median", "mean"] = "median"

    def grid(self, tables: Tables) -> Grid:
        """Return the numbers, with samples in the order of their indices.

        Raises LookupError unless there is one row for each seed, position and sample.
        """
        rows = self._rows(tables)
        values = rows(self.column)
        if values.dtype.kind not in "biuf":
            raise LookupError(
                f"column {self.column} of probe {self.probe} must hold numbers; got words"
            )
        if (values.ndim > 1) != (self.entry is not None):
            held = "vectors: give entry" if self.entry is None else "numbers: leave entry out"
            raise LookupError(f"column {self.column} of probe {self.probe} holds {held}")
        values = values if self.entry is None else values[:, self.entry]
        if self.above is not None:
            values = np.where(np.isnan(values), np.nan, values > _as_written(self.above, values))
        none = np.zeros(len(values))
        seeded = rows.has("seed") and self.over != "seed"
        keys = [
            rows("seed") if seeded else none,
            none if self.over is None else rows(self.over),
            rows("sample"),
        ]
        names, places = zip(*(np.unique(key, return_inverse=True) for key in keys), strict=True)
        shape = tuple(len(name) for name in names)
        flat = np.asarray(np.ravel_multi_index(places, shape))
        if len(values) != np.prod(shape) or len(np.unique(flat)) != len(values):
            wanted = (
                f"one for each sample and {self.over or 'model'}{' and seed' if seeded else ''}"
            )
            raise LookupError(
                f"probe {self.probe} on model {self.model}: {len(values)} rows are not {wanted}"
            )
        grid = np.empty(np.prod(shape))
        grid[flat] = values
        seeds, positions, samples = names
        return Grid(
            grid.reshape(shape), seeds, positions, samples, self._over_networks(rows, flat, shape)
        )

    def as_written(self, value: float, tables: Tables) -> float:
        """Return a limit in the column's precision, so that 0.1 in float32 is not above 0.1."""
        return float(_as_written(value, self._rows(tables)(self.column)))

    def _over_networks(self, rows: "_Rows", flat: np.ndarray, shape: tuple[int, ...]) -> bool:
        if self.over is None or not rows.has("network"):
            return False
        network = np.empty(len(flat), dtype=int)
        network[flat] = np.unique(rows("network"), return_inverse=True)[1]
        at_one_sample = network.reshape(shape)[:, :, 0]
        return all(len(np.unique(own)) == shape[1] for own in at_one_sample) and shape[1] > 1

    def _rows(self, tables: Tables) -> "_Rows":
        """Return the rows that match `where`."""
        table = tables.get(self.probe, {}).get(self.model)
        if table is None:
            raise LookupError(explain_missing_rows(self.probe, self.model))
        for wanted in (self.column, *([self.over] if self.over else []), *self.where, "sample"):
            if wanted not in table:
                raise LookupError(
                    f"probe {self.probe} has no column {wanted!r}; it has {', '.join(table)}"
                )
        chosen = np.ones(len(table["sample"]), dtype=bool)
        for condition, value in self.where.items():
            chosen &= np.isin(np.asarray(table[condition]), value)
        if not chosen.any():
            raise LookupError(
                f"probe {self.probe} on model {self.model} has no row with {self.where}"
            )
        return _Rows(table, chosen)


def explain_missing_rows(probe: str, model: str) -> str:
    """Return the message for a claim about rows that are missing."""
    return (
        f"no rows of probe {probe} on model {model}: it was not measured, or failed; run the "
        "same command again, which measures what is missing"
    )


@dataclass(frozen=True)
class _Rows:
    table: Columns
    chosen: np.ndarray

    def has(self, name: str) -> bool:
        return name in self.table

    def __call__(self, name: str) -> np.ndarray:
        return np.asarray(self.table[name])[self.chosen]


def check_alike(one: Grid, other: Grid, names: tuple[str, str]) -> None:
    """Raise LookupError unless two models have the same seeds, positions and samples."""
    for part in ("seeds", "positions", "samples"):
        if not np.array_equal(getattr(one, part), getattr(other, part)):
            raise LookupError(
                f"models {names[0]} and {names[1]} do not have the same samples and positions "
                f"(they differ in {part})"
            )


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


def _as_written(value: float, column: np.ndarray) -> Any:
    return np.asarray(value, column.dtype) if column.dtype.kind == "f" else np.asarray(value)
