"""The numbers of two models, or of two choices of rows, on the same samples."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from advcore.pipelines.claims import bootstrap, intervals
from advcore.pipelines.claims.grid import Grid, Numbers, without_missing
from advcore.pipelines.claims.intervals import Estimate
from advcore.pipelines.claims.measuring import at_each, of_one
from advcore.pipelines.claims.rows import Tables, lacking

Other = str | dict[str, Any]
"""Another model's name; or what is put over `where` to choose other rows of the same column."""


def pair_of(of: Numbers, to: Other, tables: Tables) -> tuple[list[Grid], tuple[str, ...]]:
    """Return both sides' numbers on the samples that have them; a warning about the others."""
    return without_missing(both_sides(of, to, tables))


def both_sides(of: Numbers, to: Other, tables: Tables) -> list[Grid]:
    """Return both sides' numbers on the same samples.

    Raises LookupError where two models differ in their samples, or two choices have none in common.
    """
    if isinstance(to, str):
        own, other = of.grid(tables), replace(of, model=to).grid(tables)
        check_alike(own, other, (of.model or "of", to))
        return [own, other]
    there = replace(of, where={**of.where, **to})
    return in_common(of.grid(tables), there.grid(tables), ("of", "to"))


def check_alike(one: Grid, other: Grid, names: tuple[str, str]) -> None:
    """Raise LookupError unless two models have the same seeds, positions and samples."""
    for part in ("seeds", "positions", "samples"):
        if not _same(getattr(one, part), getattr(other, part)):
            raise LookupError(
                f"models {names[0]} and {names[1]} do not have the same samples and positions "
                f"(they differ in {part})"
            )


def in_common(one: Grid, other: Grid, names: tuple[str, str]) -> list[Grid]:
    """Return two grids on the samples that both have.

    What lacks the axis of the seeds, or that of the positions, stands beside each of the other's
    labels. Raises LookupError where the labels differ, or no sample is in both.
    """
    grids = [one, other]
    for part, axis in (("seeds", 0), ("positions", 1)):
        labels = [getattr(grid, part) for grid in grids]
        if _same(*labels):
            continue
        lone = [len(own) == 1 and bool(lacking(own).all()) for own in labels]
        if not any(lone):
            shown = " and ".join(", ".join(map(str, own[:5])) for own in labels)
            what = one.replicate if part == "seeds" else "over"
            raise LookupError(f"{names[0]} and {names[1]} differ in {what}: {shown}")
        which = lone.index(True)
        wider = labels[1 - which]
        grids[which] = replace(
            grids[which],
            values=np.repeat(grids[which].values, len(wider), axis),
            **{part: wider},
            networks=grids[1 - which].networks if part == "positions" else grids[which].networks,
        )
    if one.sampled != other.sampled:
        raise LookupError(f"{names[0]} and {names[1]} differ in kind: one alone has samples")
    counts = tuple(grid.common_of[0] if grid.common_of else len(grid.samples) for grid in grids)
    common, *at = np.intersect1d(one.samples, other.samples, return_indices=True)
    if not len(common):
        raise LookupError(
            f"{names[0]} and {names[1]} have no sample in common ({counts[0]} and {counts[1]}): "
            "choose data of one root"
        )
    told = counts if counts != (len(common),) * 2 else ()
    return [replace(grid.at(own), common_of=told) for grid, own in zip(grids, at, strict=True)]


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    """Return whether two lists of labels are equal, lacking ones too."""
    alone = len(one) == len(other) == 1 and bool(lacking(one).all() and lacking(other).all())
    return alone or np.array_equal(one, other)


def log_ratios(own: Grid | np.ndarray, other: Grid | np.ndarray) -> np.ndarray:
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


def differences(own: Grid | np.ndarray, other: Grid | np.ndarray) -> np.ndarray:
    """Return ours - theirs, NaN where both are inf."""
    one, two = (grid.values if isinstance(grid, Grid) else grid for grid in (own, other))
    with np.errstate(invalid="ignore"):
        return one - two


def estimate_difference(
    statistic: str, own: np.ndarray, other: np.ndarray, paired: bool = True
) -> Estimate:
    """Estimate ours - theirs, `(1, samples)` each: sample by sample, or of both statistics."""
    if statistic == "mean" and np.isin([own, other], (0, 1)).all():
        return intervals.of_difference_of_shares(own[0], other[0])
    if paired or statistic == "mean":
        return of_one(statistic, differences(own, other))
    return bootstrap.of_smooth(
        lambda own, other: differences(at_each("median", own), at_each("median", other))[0],
        [own, other],
    )


def differences_by_statistic(grids: Sequence[Grid]) -> dict[str, float]:
    """Return, by statistic, the difference of two models averaged over seeds and positions."""
    if any(grid.binary for grid in grids):
        return {}
    steps = differences(*grids)
    both = {name: [at_each(name, grid.values) for grid in grids] for name in ("mean", "median")}
    parted = {
        f"difference of {name}s": float(differences(*taken).mean()) for name, taken in both.items()
    }
    return parted | {"median of differences": float(at_each("median", steps).mean())}
