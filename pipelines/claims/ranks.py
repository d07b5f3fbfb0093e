"""The rank correlation (Spearman) of numbers with their position.

Its interval is over samples or over networks.
"""

from collections.abc import Callable
from functools import cache

import numpy as np

from advcore.pipelines.claims.bootstrap import simultaneous_lows
from advcore.pipelines.claims.intervals import LEVEL, TAIL, Estimate

_SWEEPS = 10_000


def spearman(values: np.ndarray) -> float:
    """Return the rank correlation of `values` `(positions,)` with their order.

    Ties share their mean rank; the result is 0 where all are equal.
    """
    ranks = (
        np.sum(values[:, None] > values, axis=1) + np.sum(values[:, None] >= values, axis=1) - 1
    ) / 2
    return 0.0 if np.ptp(ranks) == 0 else float(np.corrcoef(ranks, np.arange(len(values)))[0, 1])


def rank_interval(value: float, draws: np.ndarray) -> Estimate:
    """Estimate the rank correlation `value` from bootstrap draws `(positions, draws)`.

    It is a sum over pairs of positions, each weighted by its distance. A pair counts where the
    samples settle its order, all pairs at once (simultaneous bounds of their differences); the
    others may stand either way, so that noise does not draw it towards 0.
    """
    first, second = np.triu_indices(len(draws), 1)
    with np.errstate(invalid="ignore"):
        steps = draws[second] - draws[first]
    settled = simultaneous_lows(np.concatenate([steps, -steps]), 1 - LEVEL) > 0
    rising, falling = np.split(settled, 2)
    weights = (second - first) / np.sum(second - first)
    known, open_ones = weights @ (rising * 1.0 - falling), weights @ ~(rising | falling)
    return Estimate(
        value, min(value, float(known - open_ones)), max(value, float(known + open_ones))
    )


def over_networks(value: float, networks: int) -> Estimate:
    """Estimate the rank correlation `value` of `count` networks, each at its own position.

    The networks are seen as a sample of all such networks.

    The ends are those correlations at which a value as large, or as small, comes in 2.5 % of
    samples of normally distributed ranks (Gaussian copula), found by drawing: at correlation 0 it
    is the permutation test. Six networks in perfect order leave about .6.
    """
    return (
        Estimate(value, *_network_ends(round(value, 9), networks))
        if networks > 2
        else Estimate(value, -1.0, 1.0)
    )


def kendall_over_networks(value: float, networks: int) -> Estimate:
    """Estimate Kendall's rank correlation `value` of networks, in the way of `over_networks`."""
    return (
        Estimate(value, *_kendall_ends(round(value, 9), networks))
        if networks > 2
        else Estimate(value, -1.0, 1.0)
    )


@cache
def _kendall_ends(value: float, networks: int) -> tuple[float, float]:
    first, noise = _sorted_normals(networks)
    before, behind = np.triu_indices(networks, 1)

    def drawn(correlation: float) -> np.ndarray:
        own = correlation * first + np.sqrt(1 - correlation**2) * noise
        return np.asarray(2 * np.mean(own[:, behind] > own[:, before], axis=1) - 1)

    low, high = _ends(drawn, value)
    return min(value, 2 / np.pi * np.arcsin(low)), max(value, 2 / np.pi * np.arcsin(high))


def _sorted_normals(networks: int) -> tuple[np.ndarray, np.ndarray]:
    """Return two independent normal variables of many sweeps, by the order of the first."""
    random = np.random.default_rng(0)
    first, noise = random.standard_normal((2, _SWEEPS, networks))
    order = np.argsort(first, axis=1)
    return np.take_along_axis(first, order, 1), np.take_along_axis(noise, order, 1)


def _ends(drawn: Callable[[float], np.ndarray], value: float) -> tuple[float, float]:
    """Return the correlations at which a value as large, or as small, is just not rare."""
    low = _first_where(lambda own: bool(np.mean(drawn(own) >= value - 1e-9) > TAIL))
    high = -_first_where(lambda own: bool(np.mean(drawn(-own) <= value + 1e-9) > TAIL))
    return low, high


@cache
def _network_ends(value: float, networks: int) -> tuple[float, float]:
    first, noise = _sorted_normals(networks)
    places = np.arange(networks) - (networks - 1) / 2

    def drawn(correlation: float) -> np.ndarray:
        ranks = np.argsort(
            np.argsort(correlation * first + np.sqrt(1 - correlation**2) * noise, axis=1), axis=1
        )
        return ranks @ places / (places @ places)

    low, high = _ends(drawn, value)
    return min(value, _rank_correlation(low)), max(value, _rank_correlation(high))


def _first_where(common: Callable[[float], bool]) -> float:
    """Find the smallest correlation in [-1, 1] from which on `common` is true, by bisection."""
    low, high = -1.0, 1.0
    if common(low):
        return low
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (low, middle) if common(middle) else (middle, high)
    return low


def _rank_correlation(correlation: float) -> float:
    """Return Spearman's correlation of normal variables with this Pearson correlation."""
    return float(6 / np.pi * np.arcsin(correlation / 2))
