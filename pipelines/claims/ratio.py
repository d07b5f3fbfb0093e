"""The claim that two models' numbers stand in a ratio."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from advcore.pipelines.claims import bootstrap, intervals
from advcore.pipelines.claims.caveats import few_samples, sign_flips
from advcore.pipelines.claims.grid import Grid, Numbers, without_missing
from advcore.pipelines.claims.intervals import Estimate
from advcore.pipelines.claims.measured import Measured
from advcore.pipelines.claims.measuring import Signs, at_each, measure_claim, of_one
from advcore.pipelines.claims.pairs import Other, log_ratios, pair_of
from advcore.pipelines.claims.rows import Tables


@dataclass(frozen=True)
class Ratio:
    """A statistic of some rows over that of others (of another model, say), on the same samples.

    Attributes:
        says: claim in words.
        of: numbers of the claim.
        at_least: smallest value that is expected; -inf for no bound.
        at_most: largest value that is expected; inf for no bound.
        to: other model; or values put over `of.where`, for other rows of the same column.
        position: index of the ratio that counts, -1 for the last; the smallest of all when None.
        per: index of the ratio that the result is divided by.
        paired: take the statistic of the logarithm of own over other, sample by sample, and back:
            the typical sample's ratio, which no few samples carry.
    """

    says: str
    of: Numbers
    to: Other
    at_least: float = -np.inf
    at_most: float = np.inf
    position: int | None = None
    per: int | None = None
    paired: bool = False

    def measure(self, tables: Tables) -> Measured:
        """Return the ratio. Raises LookupError where the tables lack the numbers."""
        grids, told = pair_of(self.of, self.to, tables)
        if self.paired:
            grids, more = without_missing(grids, np.isnan(log_ratios(*grids)).any((0, 1)))
            told += more
        else:
            used = (
                slice(None)
                if self.position is None
                else [self.position, self.position if self.per is None else self.per]
            )
            told += few_samples(
                self.of.statistic, [replace(grid, values=grid.values[:, used]) for grid in grids]
            )
        flips = Signs(1.0, sign_flips(self._alternatives(grids), 1))
        bounds = (-np.inf if any((grid.values < 0).any() for grid in grids) else 0.0, np.inf)
        return measure_claim(
            self, grids, self._estimate, told, bounds, signs=flips, in_logarithms=True
        )

    def _estimate(self, own: np.ndarray, other: np.ndarray) -> Estimate:
        """Estimate the ratio of one seed's numbers, `(positions, samples)` each."""
        if self.per is None and (len(own) == 1 or self.position is not None):
            return self._at(own[self.position or 0], other[self.position or 0])
        columns = [log_ratios(own, other)] if self.paired else [own, other]
        if (
            self.paired
            and self.of.statistic == "median"
            and self.position is None
            and self.per is None
        ):
            return Estimate(
                *(float(np.exp(end)) for end in intervals.of_smallest_median(columns[0]))
            )
        if self.position is None:
            return bootstrap.of_smallest(self._ratios, columns)
        return bootstrap.of_smooth(lambda *drawn: self._ratios(*drawn)[self.position], columns)

    def _at(self, own: np.ndarray, other: np.ndarray) -> Estimate:
        """Estimate the ratio at one position."""
        if self.paired:
            return Estimate(
                *(
                    float(np.exp(end))
                    for end in of_one(self.of.statistic, log_ratios(own, other)[None])
                )
            )
        if self.of.statistic == "mean" and np.isin([own, other], (0, 1)).all():
            return intervals.of_ratio_of_shares(own, other)
        if (
            self.of.statistic == "mean"
            and own.mean() > 0
            and other.mean() > 0
            and np.isfinite([own, other]).all()
        ):
            return bootstrap.of_ratio_of_means(own, other)
        return bootstrap.of_smooth(lambda *drawn: self._ratios(*drawn)[0], [own[None], other[None]])

    def _ratios(self, *columns: np.ndarray) -> np.ndarray:
        """Return the ratio at each position, with the samples as the last axis.

        The ratio is one of both models' statistics, or the statistic of paired ratios (in
        logarithms).
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            taken = [at_each(self.of.statistic, column) for column in columns]
            ratios = np.exp(taken[0]) if self.paired else taken[0] / taken[1]
            return ratios if self.per is None else ratios / ratios[self.per]

    def _alternatives(self, grids: Sequence[Grid]) -> dict[str, float]:
        """Return the ratio by other statistics, by name."""
        if any(grid.binary for grid in grids):
            return {}
        by_median, by_mean = (
            replace(self.of, statistic="median"),
            replace(self.of, statistic="mean"),
        )
        others = {
            "ratio of medians": replace(self, paired=False, of=by_median),
            "ratio of means": replace(self, paired=False, of=by_mean),
        }
        if not any((grid.values < 0).any() for grid in grids):
            others["median of paired ratios"] = replace(self, paired=True, of=by_median)
        return {name: other._value(grids) for name, other in others.items()}

    def _value(self, grids: Sequence[Grid]) -> float:
        own, other = (grid.values.transpose(1, 0, 2) for grid in grids)
        ratios = self._ratios(*([log_ratios(own, other)] if self.paired else [own, other]))
        of_seeds = ratios.min(0) if self.position is None else ratios[self.position]
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(np.exp(np.mean(np.log(of_seeds))))
