"""The columns of a table: which entries of an input they are, and how they may change."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Direction = Literal["both", "up", "down", "none"]
"""Ways in which a column may change: `none` for one that nobody can change."""

_SIGNS = {"both": 0, "up": 1, "down": -1, "none": 0}


@dataclass(frozen=True)
class TableColumn:
    """One column of a table, as inputs `(F,)` hold it.

    A numeric column is one entry, `(value - center) / scale`. A categorical one is a group of
    entries, one a category, of which one is 1 and the others 0.

    Attributes:
        name: name of the column.
        categories: values of a categorical column, in the order of its entries; empty for a numeric
            one.
        direction: way in which it may change: both, up, down, or none. Of a categorical column up
            and down follow the order of its categories.
        low: smallest value of the training rows, in the column's own unit.
        high: largest value of the training rows, in the column's own unit.
        center: mean of the training rows, in the column's own unit.
        scale: standard deviation of the training rows, in the column's own unit.
    """

    name: str
    categories: tuple[str, ...] = ()
    direction: Direction = "both"
    low: float = 0.0
    high: float = 1.0
    center: float = 0.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.direction not in _SIGNS:
            raise ValueError(
                f"direction must be one of {', '.join(_SIGNS)}; got {self.direction!r} for column "
                f"{self.name}"
            )
        if not 0 < self.scale < torch.inf or not self.low <= self.high:
            raise ValueError(
                f"column {self.name} needs a positive scale and low <= high; got scale "
                f"{self.scale}, low {self.low}, high {self.high}"
            )

    @property
    def width(self) -> int:
        """The number of its entries."""
        return len(self.categories) or 1

    @property
    def sign(self) -> int:
        """1 where it may only rise, -1 where it may only fall, else 0."""
        return _SIGNS[self.direction]

    @property
    def bounds(self) -> tuple[float, float]:
        """The smallest and the largest value of an entry."""
        if self.categories:
            return 0.0, 1.0
        return (self.low - self.center) / self.scale, (self.high - self.center) / self.scale

    def words(self, entries: Tensor) -> str:
        """Return what its own entries `(width,)` say: a category, or a number in its unit."""
        if self.categories:
            return self.categories[int(entries.argmax())]
        return f"{self.center + self.scale * float(entries):.4g}"


@dataclass(frozen=True)
class TableSchema:
    """The columns of a table, in the order of their entries.

    Attributes:
        columns: columns of the table.
    """

    columns: tuple[TableColumn, ...]

    @property
    def features(self) -> int:
        """The number F of entries of an input."""
        return sum(column.width for column in self.columns)

    def places(self) -> Iterator[tuple[TableColumn, slice]]:
        """Yield each column with the place of its entries in an input."""
        start = 0
        for column in self.columns:
            yield column, slice(start, start + column.width)
            start += column.width

    def tensors(self) -> Mapping[str, Tensor]:
        """Return the schema as tensors `(F,)` by name, a number an entry.

        `column`, int64, the number of the entry's column; `categorical`, `fixed`, 1 or 0; `sign`,
        1, -1 or 0, see `TableColumn.sign`; `low` and `high`, bounds of the entry.
        """
        owners = [
            (number, own) for number, own in enumerate(self.columns) for _ in range(own.width)
        ]
        return {
            "column": torch.tensor([number for number, _ in owners]),
            "categorical": torch.tensor([float(bool(own.categories)) for _, own in owners]),
            "fixed": torch.tensor([float(own.direction == "none") for _, own in owners]),
            "sign": torch.tensor([float(own.sign) for _, own in owners]),
            "low": torch.tensor([own.bounds[0] for _, own in owners]),
            "high": torch.tensor([own.bounds[1] for _, own in owners]),
        }
