"""Claims about how steeply a statistic rises along an axis, alone or against another's."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from advcore.pipelines.claims import bootstrap, intervals
from advcore.pipelines.claims.caveats import few_samples, sign_flips
from advcore.pipelines.claims.grid import Grid, Numbers, without_missing
from advcore.pipelines.claims.intervals import Estimate
from advcore.pipelines.claims.measured import Measured
from advcore.pipelines.claims.measuring import Signs, at_each, by_statistic, measure_claim
from advcore.pipelines.claims.pairs import in_common
from advcore.pipelines.claims.rows import Tables


@dataclass(frozen=True)
class Slope:
    """The slope of a statistic along `over`, or how much steeper it is than that of other numbers.

    With positions t_j and statistics y_j it is that of the least-squares line, `sum (t_j - t) y_j /
    sum (t_j - t)^2`, t the mean position. Against other numbers it is the difference of both
    slopes, on the same seeds, positions and samples.

    Attributes:
        says: claim in words.
        of: numbers of the claim; `of.over` holds numbers.
        against: numbers whose slope is taken away, such as another column, or another `above`;
            their `over` is that of `of`.
        per: step along `over` to which the slope belongs; `doubling` takes t = log2 of positive
            positions.
        at_least: smallest value that is expected; -inf for no bound.
        at_most: largest value that is expected; inf for no bound.
    """

    says: str
    of: Numbers
    against: Numbers | None = None
    per: Literal["unit", "doubling"] = "unit"
    at_least: float = -np.inf
    at_most: float = np.inf

    def __post_init__(self) -> None:
        if self.of.over is None:
            raise ValueError("a slope is along an axis: give of.over; got none")
        if self.against is not None and self.against.over != self.of.over:
            raise ValueError(
                "both slopes are along the same axis; got of.over and against.over "
                f"{self.of.over!r} and {self.against.over!r}: give both one"
            )

    @property
    def sides(self) -> list[Numbers]:
        """The numbers of the claim and, where there are some, those that it is against."""
        return [self.of] if self.against is None else [self.of, self.against]

    def measure(self, tables: Tables) -> Measured:
        """Return the slope. Raises LookupError where the tables lack the numbers."""
        grids = [side.grid(tables) for side in self.sides]
        if len(grids) == 2:
            grids = in_common(grids[0], grids[1], ("of", "against"))
        grids, told = without_missing(grids)
        self._check_finite(grids)
        along = self._along(grids[0].positions)
        weights = intervals.line_weights(along)
        for side, grid in zip(self.sides, grids, strict=True):
            told += few_samples(side.statistic, [grid])
        over_networks = all(grid.over_networks for grid in grids)
        means = all(side.statistic == "mean" for side in self.sides)
        binary = all(grid.binary for grid in grids)

        def estimate(*values: np.ndarray) -> Estimate:
            if over_networks:
                return intervals.of_slope(along, self._taken(values))
            if not means:
                with np.errstate(invalid="ignore"):  # a draw may have a median that is inf
                    return bootstrap.of_smooth(
                        lambda *drawn: weights @ self._taken(drawn), list(values)
                    )
            of_samples = weights @ _less(values)
            if binary:
                reach = float(len(values) * weights.clip(0).sum())
                return intervals.of_bounded_mean(of_samples, reach)
            return bootstrap.of_mean(of_samples)

        return measure_claim(
            self,
            grids,
            estimate,
            told,
            signs=Signs(0.0, sign_flips(by_statistic(grids, lambda *own: weights @ _less(own)), 0)),
            over_networks=over_networks,
        )

    def _check_finite(self, grids: Sequence[Grid]) -> None:
        for side, grid in zip(self.sides, grids, strict=True):
            lost = ~np.isfinite(at_each(side.statistic, grid.values))
            if lost.any():
                raise LookupError(
                    f"a slope needs finite numbers: {lost.sum()} of {lost.size} {side.statistic}s "
                    f"of {side.column} are not; take another statistic, or the share above a limit"
                )

    def _along(self, positions: np.ndarray) -> np.ndarray:
        """Return the positions as numbers. Raises LookupError where there is no line along them."""
        words = positions.dtype.kind == "U"
        if words or len(positions) < 2 or (self.per == "doubling" and not (positions > 0).all()):
            needed = "several positive numbers" if self.per == "doubling" else "several numbers"
            raise LookupError(
                f"a slope per {self.per} is over {needed}: {self.of.column} has "
                f"{', '.join(map(str, positions[:5]))} over {self.of.over}"
            )
        return np.log2(positions) if self.per == "doubling" else positions.astype(float)

    def _taken(self, values: Sequence[np.ndarray]) -> np.ndarray:
        """Return each side's statistic over the last axis, the second taken from the first."""
        taken = zip(self.sides, values, strict=True)
        return _less([at_each(side.statistic, own) for side, own in taken])


def _less(values: Sequence[np.ndarray]) -> np.ndarray:
    """Return the first of one or two arrays, less the second."""
    return values[0] if len(values) == 1 else values[0] - values[1]
