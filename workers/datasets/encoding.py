"""Columns of a table to inputs: numbers standardised by the training rows, categories one-hot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from advcore.table_schema import Direction, TableColumn, TableSchema


@dataclass(frozen=True)
class RawColumn:
    """A column of a table as it is read.

    Attributes:
        name: name of the column.
        values: numbers, float64, or text `(N,)`.
        direction: way in which it may change, see `TableColumn`.
        order: categories in their order; as the alphabet has them where there is no other.
    """

    name: str
    values: np.ndarray
    direction: Direction = "both"
    order: Sequence[str] = ()

    @property
    def categorical(self) -> bool:
        """True for text."""
        return self.values.dtype.kind == "U"

    def described(self, train: np.ndarray) -> TableColumn:
        """Return what the column is, by its training rows, at the positions `train`.

        Categories are those of all rows, so that none is unknown in a test; so it is whether
        numbers are whole.
        """
        if self.categorical:
            found = np.unique(self.values).tolist()
            return TableColumn(self.name, tuple(self.order or found), self.direction)
        own = self.values[train]
        return TableColumn(
            self.name,
            direction=self.direction,
            low=float(own.min()),
            high=float(own.max()),
            center=float(own.mean()),
            scale=float(own.std()) or 1.0,
            whole=bool((self.values == self.values.round()).all()),
        )


@dataclass(frozen=True)
class RawTable:
    """A table as it is read, with its splits.

    Attributes:
        columns: columns that make an input.
        labels: class of each row, int64 `(N,)`.
        names: names of the classes.
        splits: positions of the rows of each split.
        known: further columns of the rows, by name: those that the inputs hold, as they are read,
            and others.
    """

    columns: tuple[RawColumn, ...]
    labels: np.ndarray
    names: tuple[str, ...]
    splits: Mapping[str, np.ndarray]
    known: Mapping[str, np.ndarray]

    def schema(self) -> TableSchema:
        """Return what the entries of an input are, by the training rows."""
        return TableSchema(tuple(own.described(self.splits["train"]) for own in self.columns))

    def inputs(self) -> np.ndarray:
        """Return all rows as inputs `(N, F)`, float32."""
        parts = [
            _entries(raw, own) for raw, own in zip(self.columns, self.schema().columns, strict=True)
        ]
        return np.concatenate(parts, axis=1).astype(np.float32)


def drawn_splits(rows: np.ndarray, **shares: float) -> dict[str, np.ndarray]:
    """Return rows `(N,)` drawn into splits of these shares by a fixed seed, each in order."""
    order = rows[np.random.RandomState(0).permutation(len(rows))]
    ends = np.round(np.cumsum(list(shares.values())) * len(rows)).astype(int)
    return {
        name: np.sort(part) for name, part in zip(shares, np.split(order, ends[:-1]), strict=True)
    }


def splits_of_distinct(columns: Sequence[np.ndarray], **shares: float) -> dict[str, np.ndarray]:
    """Return all rows of columns `(N,)` drawn into splits, so that equal ones share a split.

    The shares are those of distinct rows.
    """
    numbers = [np.unique(column, return_inverse=True)[1].reshape(-1) for column in columns]
    kinds = np.unique(np.stack(numbers, 1), axis=0, return_inverse=True)[1].reshape(-1)
    drawn = drawn_splits(np.arange(kinds.max() + 1), **shares)
    return {name: np.flatnonzero(np.isin(kinds, own)) for name, own in drawn.items()}


def _entries(raw: RawColumn, column: TableColumn) -> np.ndarray:
    """Return the entries `(N, width)` of one column."""
    if column.categories:
        return raw.values[:, None] == np.array(column.categories)
    return ((raw.values - column.center) / column.scale)[:, None]
