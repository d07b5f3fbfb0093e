"""The parts that all kinds of claims share: from the numbers of all seeds to a measured claim."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from advcore.counts import counted
from advcore.pipelines.claims import bootstrap, intervals
from advcore.pipelines.claims.grid import SEED, Grid, Numbers
from advcore.pipelines.claims.intervals import Estimate
from advcore.pipelines.claims.measured import Bounded, Measured, judge
from advcore.pipelines.claims.seeds import over_seeds


@dataclass(frozen=True)
class Signs:
    """Warnings that other statistics have the other sign.

    They are shown where the interval excludes `neutral`, so that there is a sign.
    """

    neutral: float
    warnings: tuple[str, ...]


def at_each(statistic: str, values: np.ndarray) -> np.ndarray:
    """Return the statistic over the last axis; the lower median, so that inf stays inf."""
    if statistic == "mean":
        return values.mean(-1)
    middle = (values.shape[-1] - 1) // 2
    return np.partition(values, middle, axis=-1)[..., middle]


def of_one(statistic: str, values: np.ndarray, binary: bool = False) -> Estimate:
    """Estimate the statistic of `(1, samples)`.

    `binary` says that they can be 0 and 1 only, so that a mean is a share.
    """
    if statistic == "median":
        return intervals.of_median(values[0])
    return intervals.of_share(values[0]) if binary else bootstrap.of_mean(values[0])


def measure_claim(
    claim: Bounded,
    grids: Sequence[Grid],
    estimate: Callable[..., Estimate],
    warnings: tuple[str, ...],
    bounds: tuple[float, float] = (-np.inf, np.inf),
    unit: str = "",
    signs: Signs | None = None,
    in_logarithms: bool = False,
    over_networks: bool = False,
) -> Measured:
    """Measure a claim over all seeds, and clip its number to `bounds`.

    `estimate` takes the `(positions, samples)` of each grid of one seed; `over_networks` says that
    its interval is one over positions, not over samples.
    """
    found = [estimate(*own) for own in zip(*(grid.values for grid in grids), strict=True)]
    if grids[0].sampled or not over_networks:
        found = of_lone_numbers(grids[0], found, bounds)
    value, low, high = over_seeds(found, in_logarithms)
    if np.isnan(value):
        raise LookupError(
            "the statistic is not a number: too few positions, or too many rows that were not found"
        )
    low, high = float(np.clip(low, *bounds)), float(np.clip(high, *bounds))
    if signs is not None and not low <= signs.neutral <= high:
        warnings += signs.warnings
    verdict = judge(low, high, claim.at_least, claim.at_most)
    return Measured(value, low, high, verdict, unit or unit_of(grids[0], over_networks), warnings)


def of_lone_numbers(
    grid: Grid, found: Sequence[Estimate], bounds: tuple[float, float] = (-np.inf, np.inf)
) -> list[Estimate]:
    """Return the estimates of seeds; where each has one number, with the interval that this allows.

    Without samples the noise shows between seeds alone: each is a point, one seed alone anything in
    `bounds`. One sample left of many says nothing of the others: anything too.
    """
    if len(grid.samples) > 1:
        return list(found)
    if grid.sampled or len(found) == 1:
        return [Estimate(own.value, *bounds) for own in found]
    return [Estimate(own.value, own.value, own.value) for own in found]


def by_statistic(
    grids: Sequence[Grid], number: Callable[..., np.ndarray | float]
) -> dict[str, float]:
    """Return what `number` makes of the positions' means and of their medians, averaged over seeds.

    It takes the `(positions,)` of each grid. Shares have no other statistic: nothing is returned.
    """
    if any(grid.binary for grid in grids):
        return {}
    found = {}
    with np.errstate(invalid="ignore"):
        for name in ("mean", "median"):
            seeds = zip(*(at_each(name, grid.values) for grid in grids), strict=True)
            found[name] = float(np.mean([number(*own) for own in seeds]))
    return found


def unit_of(grid: Grid, over_networks: bool = False) -> str:
    """Return what was resampled, in words."""
    samples = counted(len(grid.samples), "sample") if grid.sampled else "one number"
    count, seeded = len(grid.seeds), grid.replicate == SEED
    common = f" (common ones of {' and '.join(map(str, grid.common_of))})" if grid.common_of else ""
    if count > 1:
        of = f"{count} seeds" if seeded else f"{count} values of {grid.replicate}"
        return f"{of}, {samples} in each{common}"
    one = "one seed" if seeded else f"one value of {grid.replicate}"
    networks = counted(len(grid.positions), "network")
    return (networks if over_networks else f"{samples}, {one}") + common


def one_position(kind: str, of: Numbers, grid: Grid) -> None:
    """Raise LookupError unless the column has one position."""
    if len(grid.positions) > 1:
        raise LookupError(
            f"a {kind} is one number: {of.column} has {len(grid.positions)} positions over "
            f"{of.over}"
        )
