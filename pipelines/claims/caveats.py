"""Warnings about a claim's number: few samples carry it, or its sign depends on the statistic."""

from collections.abc import Mapping, Sequence

import numpy as np

from advcore.pipelines.claims.grid import Grid

FEW_SHARE = 0.05
"""The share of the samples that may not carry more than half of a mean."""


def few_samples(statistic: str, grids: Sequence[Grid]) -> tuple[str, ...]:
    """Return a warning if FEW_SHARE samples carry more than half of a mean of absolute values.

    Every seed and position is looked at.

    Numbers that are 0 or 1 are exempt: their mean is a share, of which each sample that counts
    carries the same.
    """
    if statistic != "mean":
        return ()
    worst, few, count = 0.0, 1, 1
    for grid in grids:
        sizes = np.sort(np.abs(grid.values), axis=-1)
        if grid.binary or not np.isfinite(sizes).all():
            continue
        count = sizes.shape[-1]
        few = max(1, round(FEW_SHARE * count))
        with np.errstate(invalid="ignore"):
            carried = sizes[..., -few:].sum(-1) / sizes.sum(-1)
        worst = max(worst, float(np.nan_to_num(carried).max()))
    if worst <= 0.5 or count <= 2 * few:
        return ()
    return (
        f"few_samples: {few} of {count} samples ({few / count:.0%}) carry {worst:.0%} of a mean: "
        "it says little of the others; look at the median, paired ratios, or the share of samples",
    )


def sign_flips(values: Mapping[str, float], neutral: float) -> tuple[str, ...]:
    """Return a warning if some of the statistics' values lie above `neutral` and some below."""
    finite = {name: value for name, value in values.items() if not np.isnan(value)}
    if not (
        any(value > neutral for value in finite.values())
        and any(value < neutral for value in finite.values())
    ):
        return ()
    told = ", ".join(f"{name} {value:.3g}" for name, value in finite.items())
    return (
        (
            f"sign_hangs_on_statistic: it is above {neutral} by one statistic and below by "
            f"another: {told}"
        ),
    )
