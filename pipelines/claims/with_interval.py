"""The claim about a number of a table that has its interval beside it."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from advcore.pipelines.claims.grid import Numbers
from advcore.pipelines.claims.intervals import Estimate
from advcore.pipelines.claims.measured import Measured, judge
from advcore.pipelines.claims.measuring import one_position, unit_of
from advcore.pipelines.claims.rows import Tables
from advcore.pipelines.claims.seeds import over_seeds


@dataclass(frozen=True)
class WithInterval:
    """A number of a table whose interval stands beside it, in columns with `_low` and `_high`.

    What a table makes of many networks has one row, and knows its own noise. With several seeds the
    interval is over them, with each one's own inside.

    Attributes:
        says: claim in words.
        of: numbers of the claim, in a `table`; their `statistic` is not used.
        at_least: smallest value that is expected; -inf for no bound.
        at_most: largest value that is expected; inf for no bound.
        within: range that the number cannot leave, [-1, 1] of a correlation, where the interval
            over seeds is cut; none for any number.
    """

    says: str
    of: Numbers
    at_least: float = -np.inf
    at_most: float = np.inf
    within: tuple[float, float] | None = field(default=None, metadata={"later": True})

    range_of_shares: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __post_init__(self) -> None:
        if self.of.table is None:
            raise ValueError("with_interval is about a table; give of.table, no probe")

    def measure(self, tables: Tables) -> Measured:
        """Return the number. Raises LookupError where the table lacks it or its interval."""
        names = [self.of.column, f"{self.of.column}_low", f"{self.of.column}_high"]
        grids = [replace(self.of, column=name).grid(tables) for name in names]
        one_position("with_interval", self.of, grids[0])
        columns = [grid.values[:, 0, 0].tolist() for grid in grids]
        found = [Estimate(*own) for own in zip(*columns, strict=True)]
        value, low, high = over_seeds(found)
        if np.isnan(value):
            raise LookupError(f"{self.of.column} of {self.of.place} is no number")
        if self.within is not None:
            low, high = np.clip([low, high], *self.within).tolist()
        unit = f"the table's interval, {unit_of(grids[0])}"
        return Measured(value, low, high, judge(low, high, self.at_least, self.at_most), unit)
