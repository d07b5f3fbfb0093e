"""Claims about two models on the same samples: a ratio, a difference, a share."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from advcore.pipelines.claims import intervals
from advcore.pipelines.claims.caveats import few_samples, sign_flips
from advcore.pipelines.claims.grid import Grid, Numbers, Tables, check_alike, without_missing
from advcore.pipelines.claims.intervals import Estimate
from advcore.pipelines.claims.measured import Measured
from advcore.pipelines.claims.measuring import Signs, at_each, measure_claim, of_one, one_position


@dataclass(frozen=True)
class Ratio:
    """A statistic of one model divided by that of another, on the same samples.

    Attributes:
        says: claim in words.
        of: numbers of the claim.
        at_least: smallest value that the article reports; -inf for no bound.
        at_most: largest value that the article reports; inf for no bound.
        to: other model.
        position: index of the ratio that counts, -1 for the last; the smallest of all when None.
        per: index of the ratio that the result is divided by.
        paired: take the statistic of the logarithm of own over other, sample by sample, and back:
            the typical sample's ratio, which no few samples carry.
    """

    says: str
    of: Numbers
    to: str
    at_least: float = -np.inf
    at_most: float = np.inf
    position: int | None = None
    per: int | None = None
    paired: bool = False

    def measure(self, tables: Tables) -> Measured:
        """Return the ratio. Raises LookupError where the tables lack the numbers."""
        grids, told = _pair(self.of, self.to, tables)
        if self.paired:
            grids, more = without_missing(grids, np.isnan(_log_ratios(*grids)).any((0, 1)))
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
        columns = [_log_ratios(own, other)] if self.paired else [own, other]
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
            return intervals.of_smallest(self._ratios, columns)
        return intervals.of_smooth(lambda *drawn: self._ratios(*drawn)[self.position], columns)

    def _at(self, own: np.ndarray, other: np.ndarray) -> Estimate:
        """Estimate the ratio at one position."""
        if self.paired:
            return Estimate(
                *(
                    float(np.exp(end))
                    for end in of_one(self.of.statistic, _log_ratios(own, other)[None])
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
            return intervals.of_ratio_of_means(own, other)
        return intervals.of_smooth(lambda *drawn: self._ratios(*drawn)[0], [own[None], other[None]])

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
        ratios = self._ratios(*([_log_ratios(own, other)] if self.paired else [own, other]))
        of_seeds = ratios.min(0) if self.position is None else ratios[self.position]
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(np.exp(np.mean(np.log(of_seeds))))


@dataclass(frozen=True)
class Difference:
    """A statistic of one model minus that of another, on the same samples.

    Attributes:
        says: claim in words.
        of: numbers of the claim.
        at_least: smallest value that the article reports; -inf for no bound.
        at_most: largest value that the article reports; inf for no bound.
        to: other model.
        paired: take the statistic of the differences, sample by sample; otherwise the difference of
            the statistics.
    """

    says: str
    of: Numbers
    to: str
    at_least: float = -np.inf
    at_most: float = np.inf
    paired: bool = True

    def measure(self, tables: Tables) -> Measured:
        """Return the difference. Raises LookupError where the tables lack the numbers."""
        grids, told = _pair(self.of, self.to, tables)
        one_position("difference", self.of, grids[0])
        if self.paired:
            grids, more = without_missing(grids, np.isnan(_differences(*grids)).any((0, 1)))
            told += more
            shares = all(grid.binary for grid in grids)  # each sample that changed carries the same
            told += (
                ()
                if shares
                else few_samples(
                    self.of.statistic, [replace(grids[0], values=_differences(*grids))]
                )
            )
        else:
            told += few_samples(self.of.statistic, grids)
        return measure_claim(
            self,
            grids,
            self._estimate,
            told,
            signs=Signs(0.0, sign_flips(_differences_by_statistic(grids), 0)),
        )

    def _estimate(self, own: np.ndarray, other: np.ndarray) -> Estimate:
        binary = np.isin([own, other], (0, 1)).all()
        if self.of.statistic == "mean" and binary:
            return intervals.of_difference_of_shares(own[0], other[0])
        if self.paired or self.of.statistic == "mean":
            return of_one(self.of.statistic, _differences(own, other))
        return intervals.of_smooth(self._of_medians, [own, other])

    def _of_medians(self, own: np.ndarray, other: np.ndarray) -> np.ndarray:
        return _differences(at_each("median", own), at_each("median", other))[0]


@dataclass(frozen=True)
class Share:
    """The share of samples with a number below another model's, or below a constant.

    Ties count half.

    Ties count half.

    Attributes:
        says: claim in words.
        of: numbers of the claim; their `statistic` is not used.
        at_least: smallest value that the article reports; -inf for no bound.
        at_most: largest value that the article reports; inf for no bound.
        to: other model.
        than: constant in place of another model.
        below: count what is below, not above.
    """

    says: str
    of: Numbers
    to: str | None = None
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
            grids, told = _pair(self.of, self.to, tables)
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
        return more | _differences_by_statistic(grids)


def _pair(of: Numbers, to: str, tables: Tables) -> tuple[list[Grid], tuple[str, ...]]:
    """Return both models' numbers on the same samples."""
    own, other = of.grid(tables), replace(of, model=to).grid(tables)
    check_alike(own, other, (of.model, to))
    return without_missing([own, other])


def _log_ratios(own: Grid | np.ndarray, other: Grid | np.ndarray) -> np.ndarray:
    """Return log(ours / theirs), NaN where both are 0 or both inf.

    Raises LookupError where numbers are negative.
    """
    one, two = (grid.values if isinstance(grid, Grid) else grid for grid in (own, other))
    if (one < 0).any() or (two < 0).any():
        raise LookupError(
            "paired ratios are of numbers that are not negative; take a difference or a share"
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(one) - np.log(two)


def _differences(own: Grid | np.ndarray, other: Grid | np.ndarray) -> np.ndarray:
    """Return ours - theirs, NaN where both are inf."""
    one, two = (grid.values if isinstance(grid, Grid) else grid for grid in (own, other))
    with np.errstate(invalid="ignore"):
        return one - two


def _differences_by_statistic(grids: Sequence[Grid]) -> dict[str, float]:
    """Return, by statistic, the difference of two models averaged over seeds and positions."""
    if any(grid.binary for grid in grids):
        return {}
    steps = _differences(*grids)
    both = {name: [at_each(name, grid.values) for grid in grids] for name in ("mean", "median")}
    parted = {
        f"difference of {name}s": float(_differences(*taken).mean()) for name, taken in both.items()
    }
    return parted | {"median of differences": float(at_each("median", steps).mean())}
