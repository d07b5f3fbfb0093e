"""The columns of a table: which entries of an input they are, and how they may change."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf, isfinite
from typing import Literal, get_args

from torch import Tensor

Direction = Literal["both", "up", "down", "none"]
"""Ways in which a column may change: `none` for one that nobody can change."""


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
        whole: true for numbers that change by whole ones of the column's own unit alone.
    """

    name: str
    categories: tuple[str, ...] = ()
    direction: Direction = "both"
    low: float = 0.0
    high: float = 1.0
    center: float = 0.0
    scale: float = 1.0
    whole: bool = field(default=False, metadata={"later": True})

    def __post_init__(self) -> None:
        if self.direction not in get_args(Direction):
            raise ValueError(
                f"direction must be one of {', '.join(get_args(Direction))}; got "
                f"{self.direction!r} for column {self.name}"
            )
        if not 0 < self.scale < inf or not self.low <= self.high:
            raise ValueError(
                f"column {self.name} needs a positive scale and low <= high; got scale "
                f"{self.scale}, low {self.low}, high {self.high}"
            )
        if not isfinite(self.center):
            raise ValueError(f"column {self.name} needs a finite center; got {self.center}")
        if len(set(self.categories)) < len(self.categories):
            raise ValueError(
                f"column {self.name} needs categories that differ; got {', '.join(self.categories)}"
            )

    @property
    def width(self) -> int:
        """The number of its entries."""
        return len(self.categories) or 1

    @property
    def rises(self) -> bool:
        """True where it may rise."""
        return self.direction in ("both", "up")

    @property
    def falls(self) -> bool:
        """True where it may fall."""
        return self.direction in ("both", "down")

    @property
    def bounds(self) -> tuple[float, float]:
        """The smallest and the largest value of an entry."""
        if self.categories:
            return 0.0, 1.0
        return (self.low - self.center) / self.scale, (self.high - self.center) / self.scale

    @property
    def step(self) -> float:
        """The smallest change of a whole number, as entries have it; 0 for other columns."""
        return 1 / self.scale if self.whole and not self.categories else 0.0

    def words(self, entries: Tensor) -> str:
        """Return what its own entries `(width,)` say: a category, or a number in its unit."""
        if self.categories:
            return self.categories[int(entries.argmax())]
        value = self.center + self.scale * float(entries)
        return f"{value:.6g}" if self.whole else f"{value:.4g}"


@dataclass(frozen=True)
class TableSchema:
    """The columns of a table, in the order of their entries.

    Attributes:
        columns: columns of the table.
        name: name of the data set whose schema it is; empty for one that is written out.
    """

    columns: tuple[TableColumn, ...] = field(repr=False)
    name: str = ""

    def __post_init__(self) -> None:
        if not self.columns:
            raise ValueError("a table needs at least one column; got none")
        names = [column.name for column in self.columns]
        if len(set(names)) < len(names):
            raise ValueError(f"a table needs columns of different names; got {', '.join(names)}")

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
