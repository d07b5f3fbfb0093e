"""The claim that the best label of an axis lies inside its range, not at an end."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from advcore.pipelines.claims.caveats import few_samples
from advcore.pipelines.claims.grid import Grid, Numbers, without_missing
from advcore.pipelines.claims.intervals import Estimate
from advcore.pipelines.claims.measured import Measured, judge
from advcore.pipelines.claims.measuring import at_each, of_lone_numbers, unit_of
from advcore.pipelines.claims.pairs import estimate_difference
from advcore.pipelines.claims.rows import Tables
from advcore.pipelines.claims.seeds import over_seeds


@dataclass(frozen=True)
class Interior:
    """The lead of the best label inside the range of an axis over the better of its two ends.

    For each seed the best label inside is the one that is best on the mean of the *other* seeds:
    chosen on the seed itself it would seem better than it is. It is chosen on the same samples, as
    a rule: where seeds share them, the choice is not free of them. Its difference to either end is
    paired over the samples and averaged over the seeds, with the interval of every claim over
    seeds. The number is the smaller of both differences, and so are the ends of its interval: it
    is positive only where the inside is better than both ends. Where no label is better than an
    end the choice is one among equals, and the number lies at or below the truth.

    Attributes:
        says: claim in words.
        of: numbers of the claim; `of.over` is an axis of at least three numbers.
        at_least: smallest value that is expected; -inf for no bound.
        at_most: largest value that is expected; inf for no bound.
        best: kind of the better numbers, the largest or the smallest.
    """

    says: str
    of: Numbers
    at_least: float = -np.inf
    at_most: float = np.inf
    best: Literal["largest", "smallest"] = "largest"

    def measure(self, tables: Tables) -> Measured:
        """Return the difference. Raises LookupError where the tables lack the numbers."""
        (grid,), told = without_missing([self.of.grid(tables)])
        self._check(grid)
        told += few_samples(self.of.statistic, [grid])
        chosen = self._chosen(grid.values)
        ends = [self._against(grid, chosen, end) for end in (0, -1)]
        value, low, high = (min(parts) for parts in zip(*ends, strict=True))
        if np.isnan(value):
            raise LookupError("the difference is not a number: too many rows that were not found")
        labels = ", ".join(f"{label:g}" for label in grid.positions[np.unique(chosen)])
        unit = f"{unit_of(grid)}; {self.of.over} chosen on the others: {labels}"
        verdict = judge(low, high, self.at_least, self.at_most)
        return Measured(value, low, high, verdict, unit, told)

    def _check(self, grid: Grid) -> None:
        """Raise LookupError unless there are a range and other seeds to choose on."""
        if self.of.over is None or grid.positions.dtype.kind == "U" or len(grid.positions) < 3:
            raise LookupError(
                f"an interior needs at least 3 numbers to be over: {self.of.column} has "
                f"{', '.join(map(str, grid.positions[:5]))} over {self.of.over}"
            )
        if len(grid.seeds) < 2:
            raise LookupError(
                f"an interior is chosen on the other labels of {grid.replicate}: there is one "
                "alone; give several"
            )

    def _chosen(self, values: np.ndarray) -> list[int]:
        """Return for each seed the position inside that is best on the mean of the others."""
        taken = at_each(self.of.statistic, values)
        taken = taken if self.best == "largest" else -taken
        inside = taken[:, 1:-1]
        others = [np.delete(inside, seed, axis=0).mean(0) for seed in range(len(inside))]
        return [1 + int(np.argmax(own)) for own in others]

    def _against(self, grid: Grid, chosen: Sequence[int], end: int) -> Estimate:
        """Estimate how much better the chosen positions are than one end."""

        def of_seed(own: np.ndarray, position: int) -> Estimate:
            pair = own[position][None], own[end][None]
            return estimate_difference(
                self.of.statistic, *(pair if self.best == "largest" else pair[::-1])
            )

        found = [of_seed(*own) for own in zip(grid.values, chosen, strict=True)]
        return over_seeds(of_lone_numbers(grid, found))
