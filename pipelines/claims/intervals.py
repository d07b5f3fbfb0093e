"""Intervals of 95 % over independent samples in closed form: shares, medians, a slope."""

from typing import NamedTuple

import numpy as np

LEVEL = 0.95

TAIL = (1 - LEVEL) / 2
"""The probability that is left out at either end."""

_NORMAL = 1.959964
"""The normal quantile of LEVEL on both sides."""


class Estimate(NamedTuple):
    """A number and the ends of its interval."""

    value: float
    low: float
    high: float


def of_share(values: np.ndarray) -> Estimate:
    """Estimate the mean of `values` `(samples,)` in [0, 1]; the interval is never `0 to 0`.

    Exact for 0 and 1 (Clopper and Pearson 1934); on the safe side for others in [0, 1], whose mean
    varies less.
    """
    from scipy.special import betaincinv

    count = len(values)
    hits = float(np.sum(values))
    low = betaincinv(hits, count - hits + 1, TAIL) if hits > 0 else 0.0
    high = betaincinv(hits + 1, count - hits, 1 - TAIL) if hits < count else 1.0
    return Estimate(hits / count, float(low), float(high))


def of_median(values: np.ndarray, tail: float = TAIL) -> Estimate:
    """Estimate the lower median of `values` `(samples,)` with an exact interval.

    The ends are order statistics, exact for any distribution (binomial).

    Below six samples no interval of 95 % is finite.
    """
    from scipy.special import bdtr

    count, ordered = len(values), np.sort(values)
    below = bdtr(
        np.arange(count), count, 0.5
    )  # probability that at most so many lie below the true median
    reach = int(np.sum(below <= tail))
    value = float(ordered[(count - 1) // 2])
    return (
        Estimate(value, float(ordered[reach - 1]), float(ordered[count - reach]))
        if reach
        else Estimate(value, -np.inf, np.inf)
    )


def of_smallest_median(values: np.ndarray) -> Estimate:
    """Estimate the smallest of the medians of `values` `(positions, samples)`.

    The interval is exact as in `of_median`, simultaneous by Bonferroni.
    """
    bounds = [of_median(own, TAIL / len(values)) for own in values]
    return Estimate(*(min(getattr(own, end) for own in bounds) for end in ("value", "low", "high")))


def line_weights(x: np.ndarray) -> np.ndarray:
    """Return the factors of `y` whose sum is the slope of the least-squares line over `x`."""
    centred = x - x.mean()
    return np.asarray(centred / (centred @ centred))


def of_slope(x: np.ndarray, y: np.ndarray) -> Estimate:
    """Estimate the slope of a straight line through independent points.

    Least squares, with Student's interval.
    """
    from scipy.special import stdtrit

    weights = line_weights(x)
    slope = float(weights @ y)
    if len(x) < 3:
        return Estimate(slope, -np.inf, np.inf)
    rest = y - y.mean() - slope * (x - x.mean())
    error = np.sqrt(rest @ rest / (len(x) - 2) * (weights @ weights)) * stdtrit(
        len(x) - 2, 1 - TAIL
    )
    return Estimate(slope, float(slope - error), float(slope + error))


def of_ratio_of_shares(own: np.ndarray, other: np.ndarray) -> Estimate:
    """Estimate the ratio of two shares of the same samples, also where one is 0.

    Source: Bonett and Price 2006, hybrid of Wilson intervals.
    """
    both, first, second = float(np.sum(own * other)), float(np.sum(own)), float(np.sum(other))
    apart, any_one = first + second - 2 * both, first + second - both
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(np.divide(first, second))
    spread = sum(np.sqrt((1 - (hits + 1) / (any_one + 2)) / (hits + 1)) for hits in (first, second))
    narrower = np.sqrt((apart + 2) / ((first + 1) * (second + 1))) / spread
    (low, high), (other_low, other_high) = (
        _wilson(hits, any_one, narrower * _NORMAL) for hits in (first, second)
    )
    return Estimate(
        value, low / other_high if other_high else 0.0, high / other_low if other_low else np.inf
    )


def of_difference_of_shares(own: np.ndarray, other: np.ndarray) -> Estimate:
    """Estimate the difference of two shares of the same samples of 0 and 1.

    Source: Bonett and Price 2012, adjusted Wald.
    """
    return of_bounded_mean(own - other, 1.0)


def of_bounded_mean(values: np.ndarray, reach: float) -> Estimate:
    """Estimate the mean of `values` `(samples,)` that lie in [-reach, reach], all equal or not.

    Wald's interval as if two more samples were there, one at either end: for differences of 0 and 1
    that of Bonett and Price 2012.
    """
    widened = np.append(values, [-reach, reach])
    middle, error = widened.mean(), _NORMAL * widened.std() / np.sqrt(len(widened))
    return Estimate(float(np.mean(values)), float(middle - error), float(middle + error))


def of_difference_of_groups(own: np.ndarray, other: np.ndarray) -> Estimate:
    """Estimate the difference of two shares of different samples of 0 and 1.

    Source: Agresti and Caffo 2000, adjusted Wald.
    """
    shares = [(float(np.sum(group)) + 1) / (len(group) + 2) for group in (own, other)]
    variances = [
        share * (1 - share) / (len(group) + 2)
        for share, group in zip(shares, (own, other), strict=True)
    ]
    middle, error = shares[0] - shares[1], _NORMAL * float(np.sqrt(sum(variances)))
    return Estimate(float(np.mean(own) - np.mean(other)), middle - error, middle + error)


def _wilson(hits: float, count: float, z: float) -> tuple[float, float]:
    if count == 0:
        return 0.0, 1.0
    middle, reach = hits + z**2 / 2, z * np.sqrt(hits * (count - hits) / count + z**2 / 4)
    return float((middle - reach) / (count + z**2)), float((middle + reach) / (count + z**2))
