"""Claims about two models on the same samples: a difference, a share."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from advcore.pipelines.claims import intervals
from advcore.pipelines.claims.caveats import few_samples, sign_flips
from advcore.pipelines.claims.grid import Grid, Numbers, without_missing
from advcore.pipelines.claims.intervals import Estimate
from advcore.pipelines.claims.measured import Measured
from advcore.pipelines.claims.measuring import Signs, measure_claim, one_position
from advcore.pipelines.claims.pairs import (
    Other,
    differences,
    differences_by_statistic,
    estimate_difference,
    pair_of,
)
from advcore.pipelines.claims.rows import Tables


@dataclass(frozen=True)
class Difference:
    """A statistic of some rows minus that of others (of another model, say), on the same samples.

    Attributes:
        says: claim in words.
        of: numbers of the claim.
        at_least: smallest value that is expected; -inf for no bound.
        at_most: largest value that is expected; inf for no bound.
        to: other model; or values put over `of.where`, for other rows of the same column.
        paired: take the statistic of the differences, sample by sample; otherwise the difference of
            the statistics.
        times: factor of the other side: of minus 3 times the other, at least 0, says of shares that
            one is at least 3 times as large, also where the other is 0 and a ratio has no number.
    """

    says: str
    of: Numbers
    to: Other
    at_least: float = -np.inf
    at_most: float = np.inf
    paired: bool = True
    times: float = field(default=1.0, metadata={"later": True})

    def __post_init__(self) -> None:
        if not 0 < self.times < np.inf:
            raise ValueError(f"times must be a positive number; got {self.times}")

    @property
    def range_of_shares(self) -> tuple[float, float]:
        """The differences that shares can have."""
        return -self.times, 1.0

    def measure(self, tables: Tables) -> Measured:
        """Return the difference. Raises LookupError where the tables lack the numbers."""
        (own, other), told = pair_of(self.of, self.to, tables)
        grids = [
            own,
            other if self.times == 1 else replace(other, values=self.times * other.values),
        ]
        one_position("difference", self.of, grids[0])
        if self.paired:
            grids, more = without_missing(grids, np.isnan(differences(*grids)).any((0, 1)))
            told += more
            shares = all(grid.binary for grid in grids)  # each sample that changed carries the same
            told += (
                ()
                if shares
                else few_samples(self.of.statistic, [replace(grids[0], values=differences(*grids))])
            )
        else:
            told += few_samples(self.of.statistic, grids)
        return measure_claim(
            self,
            grids,
            self._estimate,
            told,
            signs=Signs(0.0, sign_flips(differences_by_statistic(grids), 0)),
        )

    def _estimate(self, own: np.ndarray, other: np.ndarray) -> Estimate:
        return estimate_difference(self.of.statistic, own, other, self.paired)


@dataclass(frozen=True)
class Share:
    """The share of samples with a number below that of other rows, or below a constant.

    Ties count half.

    Attributes:
        says: claim in words.
        of: numbers of the claim; their `statistic` is not used.
        at_least: smallest value that is expected; -inf for no bound.
        at_most: largest value that is expected; inf for no bound.
        to: other model; or values put over `of.where`, for other rows of the same column.
        than: constant in place of other rows.
        below: count what is below, not above.
    """

    says: str
    of: Numbers
    to: Other | None = None
    than: float | None = None
    below: bool = True
    at_least: float = -np.inf
    at_most: float = np.inf

    def __post_init__(self) -> None:
        if (self.to is None) == (self.than is None):
            raise ValueError(
                "a share compares with another model (to) or with a number (than): give one of them"
            )

    def measure(self, tables: Tables) -> Measured:
        """Return the share. Raises LookupError where the tables lack the numbers."""
        flips: tuple[str, ...] = ()
        if self.to is None:
            grids, told = without_missing([self.of.grid(tables)])
            limit = self.of.as_written(float(self.than or 0), tables)
            grids.append(replace(grids[0], values=np.full_like(grids[0].values, limit)))
        else:
            grids, told = pair_of(self.of, self.to, tables)
            flips = sign_flips(self._alternatives(grids), 0)
        one_position("share", self.of, grids[0])
        return measure_claim(self, grids, self._estimate, told, (0.0, 1.0), signs=Signs(0.5, flips))

    def _estimate(self, own: np.ndarray, other: np.ndarray) -> Estimate:
        return intervals.of_share(self._counted(own, other)[0])

    def _counted(self, own: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Return 1 where the sample counts, 0.5 at a tie, else 0."""
        return np.where(own == other, 0.5, (own < other) == self.below)

    def _alternatives(self, grids: Sequence[Grid]) -> dict[str, float]:
        share = float(self._counted(*(grid.values for grid in grids)).mean())
        more = (
            {"half less the share below": 0.5 - share}
            if self.below
            else {"the share above less half": share - 0.5}
        )
        return more | differences_by_statistic(grids)
