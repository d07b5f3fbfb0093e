"""Claims about two columns of the same samples: how far both order the samples alike."""

from dataclasses import dataclass

import numpy as np

from advcore.pipelines.claims import bootstrap, ranks
from advcore.pipelines.claims.grid import SEED, Grid, Numbers, without_missing
from advcore.pipelines.claims.intervals import Estimate
from advcore.pipelines.claims.measured import Measured
from advcore.pipelines.claims.measuring import at_each, measure_claim, one_position
from advcore.pipelines.claims.pairs import check_alike, in_common
from advcore.pipelines.claims.rows import Tables


@dataclass(frozen=True)
class Correlation:
    """The rank correlation (Spearman) of two columns over the samples, or over an axis.

    It is 1 if one always rises with the other.

    Ties share their mean rank; inf, not found, is the largest. The interval is the bootstrap's,
    over samples. With `over` in both it is the correlation of both statistics over the labels of
    that axis, each the unit of one member (a network, say), with the interval of a trend over
    networks.

    Attributes:
        says: claim in words.
        of: numbers of the claim; their `statistic` is used with `over` alone.
        against: other numbers, of the same samples; their `statistic` is used with `over` alone.
        at_least: smallest value that is expected; -inf for no bound.
        at_most: largest value that is expected; inf for no bound.
    """

    says: str
    of: Numbers
    against: Numbers
    at_least: float = -np.inf
    at_most: float = np.inf

    def measure(self, tables: Tables) -> Measured:
        """Return the correlation. Raises LookupError where the tables lack the columns."""
        grids = [self.of.grid(tables), self.against.grid(tables)]
        if self.of.over is None or self.against.over is None:
            for of, grid in zip((self.of, self.against), grids, strict=True):
                one_position("correlation", of, grid)
        models = self.of.model, self.against.model
        if models[0] is not None and models[1] is not None:
            check_alike(grids[0], grids[1], (models[0], models[1]))
        else:
            grids = in_common(grids[0], grids[1], ("of", "against"))
        grids, told = without_missing(grids)
        if self.of.over is not None and self.against.over is not None:
            return self._over_labels(grids, told)
        if len(grids[0].samples) < 3:
            raise LookupError(
                f"a correlation needs at least 3 samples; got {len(grids[0].samples)}"
            )
        told += tuple(
            _tied(of, grid.values)
            for of, grid in zip((self.of, self.against), grids, strict=True)
            if _ties(grid.values)
        )
        return measure_claim(self, grids, _estimate, told, (-1.0, 1.0))

    def _over_labels(self, grids: list[Grid], told: tuple[str, ...]) -> Measured:
        """Return the correlation of both statistics over the labels of `over`."""
        count = len(grids[0].positions)
        if count < 3:
            raise LookupError(
                f"a correlation needs at least 3 labels of {self.of.over}; got {count}"
            )

        def estimate(own: np.ndarray, other: np.ndarray) -> Estimate:
            taken = at_each(self.of.statistic, own), at_each(self.against.statistic, other)
            value = float(rank_correlation(taken[0][None], taken[1][None])[0])
            return ranks.over_networks(value, count)

        units = f"{count} labels of {self.of.over}"
        seeds = len(grids[0].seeds)
        replicate = "seeds" if self.of.replicate == SEED else f"values of {self.of.replicate}"
        unit = units if seeds == 1 else f"{seeds} {replicate}, {units} in each"
        return measure_claim(self, grids, estimate, told, (-1.0, 1.0), unit, over_networks=True)


TIED = 0.5
"""Share of the samples with one and the same number above which a warning says that a rank
correlation rests on the others."""


def _estimate(own: np.ndarray, other: np.ndarray) -> Estimate:
    """Estimate the correlation of one seed's columns, `(1, samples)` each."""
    return bootstrap.of_smooth(
        lambda *drawn: rank_correlation(drawn[0][0], drawn[1][0]), [own, other]
    )


def rank_correlation(own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return Spearman's correlation over the last axis of `(draws, samples)`; 0 if all are equal.

    The result is `(draws,)`.
    """
    from scipy.stats import rankdata

    ranks = [rankdata(values, axis=-1) for values in (own, other)]
    one, two = (rank - rank.mean(-1, keepdims=True) for rank in ranks)
    spread = np.sqrt((one**2).sum(-1) * (two**2).sum(-1))
    return np.divide((one * two).sum(-1), spread, out=np.zeros_like(spread), where=spread > 0)


def _ties(values: np.ndarray) -> bool:
    return _most_common(values)[0] > TIED


def _tied(of: Numbers, values: np.ndarray) -> str:
    share, value = _most_common(values)
    return (
        f"ties: {share:.0%} of the samples have the same {of.column}, {value:g}: only the "
        "others are ordered"
    )


def _most_common(values: np.ndarray) -> tuple[float, float]:
    """Return the share of the most common number, and that number."""
    distinct, counts = np.unique(values, return_counts=True)
    return float(counts.max() / values.size), float(distinct[counts.argmax()])
