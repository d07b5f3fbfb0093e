"""Fairness of predictions between groups: demographic parity, equalised odds."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from advcore.pipelines.claims.bootstrap import DRAWS, quantiles
from advcore.pipelines.claims.grid import SEED
from advcore.pipelines.claims.intervals import Estimate
from advcore.pipelines.claims.rows import check_columns, check_groups, lacking
from advcore.pipelines.claims.seeds import over_seeds
from advcore.pipelines.tables.kinds import Part
from advcore.probes import Columns

MEASURES = (
    "demographic_parity_difference",
    "demographic_parity_ratio",
    "equalised_odds_difference",
    "equalised_odds_ratio",
)


@dataclass(frozen=True)
class Disparity:
    """The distance of the predictions of groups from each other, of a probe `accuracy`.

    With r_g the share of group g that is predicted the positive class, the demographic parity
    difference is `max_g r_g - min_g r_g` and the ratio `min_g r_g / max_g r_g`. Equalised odds are
    those of the true positive rates and of the false positive rates, whichever is worse: the larger
    difference, the smaller ratio (Hardt et al. 2016; as in fairlearn). 0 and 1 are fair.

    Columns: the axes that are left; `demographic_parity_difference`, `demographic_parity_ratio`,
    `equalised_odds_difference`, `equalised_odds_ratio`, each with `_low` and `_high`: percentiles
    of 1,000 bootstrap draws of the samples, then over seeds, where their axis is in `reduce`, cut
    to [0, 1]; `groups`, `samples`. A ratio of rates that are all 0 is NaN, and so is its mean over
    seeds if it is in one; draws in which a number is NaN are left out of its interval. A difference
    of the extremes is never negative, and in few samples it is above 0 by chance.

    Attributes:
        by: column that names the group of each sample.
        positive: number of the positive class.
        groups: groups that count; every one that there is when not given.
    """

    by: str
    positive: int = 1
    groups: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_groups(self.groups)

    def shares(self, known: Collection[str]) -> tuple[str, ...]:
        """Return the names of the columns in [0, 1]: all measures."""
        return MEASURES

    def rows(self, parts: Sequence[Part]) -> Columns:
        """Return one row.

        Raises LookupError for fewer than two groups, one without a label, and others in each seed.
        """
        seeds = [part.at.get(SEED) for part in parts]
        if len(set(seeds)) < len(seeds):
            raise LookupError(
                "disparity takes one member a seed; several have the same: choose one in of by "
                "where, or leave their axis out of reduce"
            )
        groups = [self._groups(part) for part in parts]
        if len(set(groups)) > 1:
            found = "; ".join(dict.fromkeys(map(", ".join, groups)))
            raise LookupError(f"seeds have different groups of {self.by}, give groups: {found}")
        counts = [self._counts(part, groups[0]) for part in parts]
        numbers = {
            "groups": float(len(groups[0])),
            "samples": float(np.mean([own.sum() for own in counts])),
        }
        estimates = [_estimates(own) for own in counts]
        result: dict[str, float] = {}
        for place, name in enumerate(MEASURES):
            own = _over_seeds([seed[place] for seed in estimates])
            result |= dict(zip((name, f"{name}_low", f"{name}_high"), own, strict=True))
        return {
            name: torch.tensor([number], dtype=torch.float64)
            for name, number in (result | numbers).items()
        }

    def _groups(self, part: Part) -> tuple[str, ...]:
        """Return the names of the groups that count."""
        check_columns(part.rows, f"probe {part.probe}", [self.by, "label", "prediction"])
        column = np.asarray(part.rows[self.by])
        return self.groups or tuple(map(str, np.unique(column[~lacking(column)].astype(str))))

    def _counts(self, part: Part, names: Sequence[str]) -> np.ndarray:
        """Return how many samples there are by group, label and prediction, `(groups, 2, 2)`."""
        column = np.asarray(part.rows[self.by])
        known, group = ~lacking(column), column.astype(str)
        label, prediction = (
            (np.asarray(part.rows[name]) == self.positive) for name in ("label", "prediction")
        )
        counts = np.array(
            [
                [
                    [
                        np.sum(known & (group == own) & (label == y) & (prediction == said))
                        for said in (0, 1)
                    ]
                    for y in (0, 1)
                ]
                for own in names
            ]
        )
        if len(names) < 2 or (counts.sum(2) == 0).any():
            raise LookupError(
                f"disparity needs two groups of {self.by} at least, each with samples of class "
                f"{self.positive} and others; got {', '.join(names) or 'none'} with "
                f"{counts.sum(2).tolist()} (others, of the class)"
            )
        return counts


def _estimates(counts: np.ndarray) -> list[Estimate]:
    """Return each measure of counts `(groups, 2, 2)`, with its interval over samples.

    A draw of samples with replacement is a multinomial draw of the counts.
    """
    samples, share = int(counts.sum()), counts.ravel() / counts.sum()
    drawn = np.random.default_rng(0).multinomial(samples, share, size=DRAWS)
    values = _measures(counts[None])[:, 0]
    return [
        Estimate(float(value), *quantiles(own[np.isfinite(own)]))
        if np.isfinite(value) and np.isfinite(own).any()
        else Estimate(float(value), np.nan, np.nan)
        for value, own in zip(values, _measures(drawn.reshape(-1, *counts.shape)), strict=True)
    ]


def _over_seeds(found: Sequence[Estimate]) -> Estimate:
    """Return the mean of seeds with its interval in [0, 1]; NaN where a seed has no number."""
    if not np.isfinite(found).all():
        return Estimate(np.nan, np.nan, np.nan)
    value, low, high = over_seeds(found)
    return Estimate(value, max(low, 0.0), min(high, 1.0))


def _measures(counts: np.ndarray) -> np.ndarray:
    """Return the measures `(4, draws)` of counts `(draws, groups, 2, 2)`."""
    with np.errstate(divide="ignore", invalid="ignore"):
        selected = counts[..., 1].sum(2) / counts.sum((2, 3))
        odds = counts[..., 1] / counts.sum(3)
        gaps = odds.max(1) - odds.min(1)
        ratios = odds.min(1) / odds.max(1)
        return np.stack(
            [
                selected.max(1) - selected.min(1),
                selected.min(1) / selected.max(1),
                gaps.max(1),
                ratios.min(1),
            ]
        )
