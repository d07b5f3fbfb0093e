"""The claim that a bound holds at every sample."""

from dataclasses import dataclass, replace

import numpy as np

from advcore.pipelines.claims import intervals
from advcore.pipelines.claims.grid import Grid, Numbers
from advcore.pipelines.claims.measured import Measured, Verdict
from advcore.pipelines.claims.measuring import unit_of
from advcore.pipelines.claims.pairs import Other, both_sides
from advcore.pipelines.claims.rows import Tables


@dataclass(frozen=True)
class Bound:
    """The share of samples at which a number keeps a bound, at every seed and position.

    The verdict is exact, by the samples that were measured: yes where the share is as expected,
    1.0 unless said otherwise, no where it is not. The interval is that of Clopper and Pearson for
    other samples: all of 300 leave up to 1.2 % that may violate the bound. The largest violation is
    told beside it: a share, unlike a violation, is comparable between columns. A sample with a NaN
    does not hold.

    Attributes:
        says: claim in words.
        of: numbers of the claim; their `statistic` is not used.
        to: bound, as the other model's name; or values put over `of.where`, for other rows of the
            same column.
        than: constant as the bound.
        below: true for an upper bound, false for a lower one; numbers may equal it.
        tolerance: largest violation that does not count, in units of the column.
        at_least: smallest share that is expected.
        at_most: largest share that is expected; inf for no bound.
    """

    says: str
    of: Numbers
    to: Other | None = None
    than: float | None = None
    below: bool = True
    tolerance: float = 0.0
    at_least: float = 1.0
    at_most: float = np.inf

    def __post_init__(self) -> None:
        if (self.to is None) == (self.than is None):
            raise ValueError(
                "a bound is that of other rows (to) or a number (than): give one of them"
            )
        if not self.tolerance >= 0:
            raise ValueError(f"tolerance must not be negative; got {self.tolerance}")

    def measure(self, tables: Tables) -> Measured:
        """Return the share. Raises LookupError where the tables lack the numbers."""
        own, other = self._grids(tables)
        violations = _violations(own.values, other.values, self.below)
        holds = (violations <= self.tolerance).all((0, 1))
        value, low, high = intervals.of_share(holds.astype(float))
        verdict: Verdict = "yes" if self.at_least <= value <= self.at_most else "no"
        kept = f"{int(holds.sum())} hold, {unit_of(own)}"
        return Measured(
            value, low, high, verdict, kept + _largest(violations, own), _missing(violations)
        )

    def _grids(self, tables: Tables) -> list[Grid]:
        if self.to is not None:
            return both_sides(self.of, self.to, tables)
        grid = self.of.grid(tables)
        limit = self.of.as_written(float(self.than or 0), tables)
        return [grid, replace(grid, values=np.full_like(grid.values, limit))]


def _violations(own: np.ndarray, other: np.ndarray, below: bool) -> np.ndarray:
    """Return by how much each number is beyond its bound; 0 where it is not, NaN for a NaN."""
    more, less = (own, other) if below else (other, own)
    with np.errstate(invalid="ignore"):
        beyond = np.where(more > less, more - less, 0.0)
    return np.where(np.isnan(own) | np.isnan(other), np.nan, beyond)


def _largest(violations: np.ndarray, grid: Grid) -> str:
    """Return the largest violation in words, with its sample; nothing where none is positive."""
    of_samples = np.nan_to_num(violations, nan=0.0, posinf=np.inf).max((0, 1))
    worst = int(of_samples.argmax())
    if of_samples[worst] == 0:
        return ""
    return f"; largest violation {of_samples[worst]:.3g}, at sample {grid.samples[worst]:g}"


def _missing(violations: np.ndarray) -> tuple[str, ...]:
    lost = np.isnan(violations).any((0, 1))
    if not lost.any():
        return ()
    return (
        f"missing_numbers: {int(lost.sum())} of {len(lost)} samples have no number (a value is "
        "NaN) and do not hold: look why, or choose others",
    )
