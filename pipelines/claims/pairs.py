"""The numbers of two models on the same samples."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from advcore.pipelines.claims.grid import Grid, Numbers, Tables, check_alike, without_missing
from advcore.pipelines.claims.measuring import at_each


def pair_of(of: Numbers, to: str, tables: Tables) -> tuple[list[Grid], tuple[str, ...]]:
    """Return both models' numbers on the same samples."""
    own, other = of.grid(tables), replace(of, model=to).grid(tables)
    check_alike(own, other, (of.model, to))
    return without_missing([own, other])


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
