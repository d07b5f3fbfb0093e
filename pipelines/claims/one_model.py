"""Claims about one model, or about all networks of a sweep: a level, a trend, a power."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from advcore.pipelines.claims import bootstrap, intervals, ranks
from advcore.pipelines.claims.caveats import few_samples, sign_flips
from advcore.pipelines.claims.grid import Grid, Numbers, without_missing
from advcore.pipelines.claims.intervals import Estimate
from advcore.pipelines.claims.measured import Bounded, Measured
from advcore.pipelines.claims.measuring import (
    Signs,
    at_each,
    by_statistic,
    measure_claim,
    of_one,
    one_position,
)
from advcore.pipelines.claims.rows import Tables

MOST_POSITIONS = 128
"""A trend compares each pair of its positions."""


@dataclass(frozen=True)
class Level:
    """A statistic over the samples: the median of a ratio, the share that holds at an eps.

    Attributes:
        says: claim in words.
        of: numbers of the claim.
        at_least: smallest value that is expected; -inf for no bound.
        at_most: largest value that is expected; inf for no bound.
    """

    says: str
    of: Numbers
    at_least: float = -np.inf
    at_most: float = np.inf

    range_of_shares: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def measure(self, tables: Tables) -> Measured:
        """Return the level. Raises LookupError where the tables lack the numbers."""
        grid = self.of.grid(tables)
        one_position("level", self.of, grid)
        (whole,), told = without_missing([grid])
        return measure_level(self, self.of.statistic, whole, told)


def measure_level(
    claim: Bounded, statistic: str, grid: Grid, told: tuple[str, ...] = ()
) -> Measured:
    """Return the statistic of a grid of one position, with its interval over samples and seeds.

    Raises LookupError where it is not a number.
    """
    bounds = (0.0, 1.0) if grid.binary else (-np.inf, np.inf)
    return measure_claim(
        claim,
        [grid],
        lambda own: of_one(statistic, own, grid.binary),
        told + few_samples(statistic, [grid]),
        bounds,
    )


@dataclass(frozen=True)
class Trend:
    """The rank correlation (Spearman) of a statistic with the position.

    It is 1 if the statistic always rises, -1 if it always falls.

    Attributes:
        says: claim in words.
        of: numbers of the claim.
        at_least: smallest value that is expected; -inf for no bound.
        at_most: largest value that is expected; inf for no bound.
    """

    says: str
    of: Numbers
    at_least: float = -np.inf
    at_most: float = np.inf

    def measure(self, tables: Tables) -> Measured:
        """Return the rank correlation. Raises LookupError where the tables lack the numbers."""
        (grid,), told = without_missing([self.of.grid(tables)])
        if len(grid.positions) < 2:
            raise LookupError(
                f"a trend needs several positions: {self.of.column} has {len(grid.positions)} "
                f"over {self.of.over}"
            )
        if len(grid.positions) > MOST_POSITIONS:
            count = f"{self.of.column} has {len(grid.positions)} over {self.of.over}"
            raise LookupError(f"a trend is over at most {MOST_POSITIONS} positions: {count}")
        told += few_samples(self.of.statistic, [grid])
        signs = Signs(0.0, sign_flips(by_statistic([grid], ranks.spearman), 0))

        def estimate(own: np.ndarray) -> Estimate:
            value = ranks.spearman(at_each(self.of.statistic, own))
            if grid.over_networks:
                return ranks.over_networks(value, len(own))
            return ranks.rank_interval(
                value, bootstrap.draws(lambda drawn: at_each(self.of.statistic, drawn), [own])
            )

        return measure_claim(
            self,
            [grid],
            estimate,
            told,
            (-1.0, 1.0),
            signs=signs,
            over_networks=grid.over_networks,
        )


@dataclass(frozen=True)
class Power:
    """The exponent p of a statistic proportional to `over^p`, fitted as a line in logarithms.

    Attributes:
        says: claim in words.
        of: numbers of the claim; `of.over` holds positive numbers.
        at_least: smallest value that is expected; -inf for no bound.
        at_most: largest value that is expected; inf for no bound.
    """

    says: str
    of: Numbers
    at_least: float = -np.inf
    at_most: float = np.inf

    def measure(self, tables: Tables) -> Measured:
        """Return the exponent. Raises LookupError where the tables lack the numbers."""
        (grid,), told = without_missing([self.of.grid(tables)])
        if len(grid.positions) < 2 or not (grid.positions > 0).all():
            came = (
                f"{self.of.column} has {', '.join(map(str, grid.positions[:3]))} over "
                f"{self.of.over}"
            )
            raise LookupError(f"a power needs several positive positions: {came}")
        positions = np.log(grid.positions.astype(float))
        told += few_samples(self.of.statistic, [grid])
        weights = intervals.line_weights(positions)

        def exponent(values: np.ndarray) -> np.ndarray:
            return np.asarray(weights @ _logarithms(values))

        def estimate(own: np.ndarray) -> Estimate:
            if grid.over_networks:
                return intervals.of_slope(positions, _logarithms(at_each(self.of.statistic, own)))
            return bootstrap.of_smooth(
                lambda drawn: exponent(at_each(self.of.statistic, drawn)), [own]
            )

        return measure_claim(
            self,
            [grid],
            estimate,
            told,
            signs=Signs(0.0, sign_flips(by_statistic([grid], exponent), 0)),
            over_networks=grid.over_networks,
        )


def _logarithms(values: np.ndarray) -> np.ndarray:
    """Return log(values), NaN where a value is not finite and positive."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.isfinite(values) & (values > 0), np.log(values), np.nan)
