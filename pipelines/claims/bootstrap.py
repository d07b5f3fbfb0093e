"""Intervals of 95 % from bootstrap samples.

Efron and Tibshirani, *An Introduction to the Bootstrap* (1993): percentiles (chapter 13),
bootstrap-t (chapter 12).
"""

from collections.abc import Callable, Iterator

import numpy as np

from advcore.pipelines.claims.intervals import TAIL, Estimate, of_share

DRAWS = 1000
"""Bootstrap samples."""

_AT_ONCE = 4_000_000
"""Numbers that are drawn in one piece, 32 MB."""


def of_mean(values: np.ndarray) -> Estimate:
    """Estimate the mean of `values` `(samples,)`.

    Where nearly all are equal, many draws hold that value alone, and bootstrap-t has no end on the
    side of the others. Of values of 0 and more the lower end is then that of shares of the largest
    one (Clopper and Pearson, on the safe side).
    """
    value = float(np.mean(values))
    if not np.isfinite(value):
        raise LookupError(
            f"the mean is {value}: {int(np.isinf(values).sum())} of {len(values)} numbers are "
            "inf; take the median"
        )
    found = _of_means(
        lambda column: (column.mean(-1), column - column.mean(-1, keepdims=True)), [values]
    )
    largest = float(np.max(values))
    if len(values) < 2 or np.isfinite(found.low) or np.min(values) < 0 or largest == 0:
        return found
    return found._replace(low=min(value, largest * of_share(values / largest).low))


def of_ratio_of_means(own: np.ndarray, other: np.ndarray) -> Estimate:
    """Estimate the ratio of two positive means of the same samples `(samples,)`.

    The interval is computed for the logarithm (delta method).
    """

    def log_ratio(own: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        means = own.mean(-1, keepdims=True), other.mean(-1, keepdims=True)
        return np.log(means[0] / means[1])[..., 0], own / means[0] - other / means[1]

    return Estimate(*(float(np.exp(end)) for end in _of_means(log_ratio, [own, other])))


def _of_means(
    statistic: Callable[..., tuple[np.ndarray, np.ndarray]], columns: list[np.ndarray]
) -> Estimate:
    """Estimate a smooth function of means; `statistic` returns it and each sample's influence.

    The ends are the wider ones of bootstrap-t, which follows skewness, and of Student's interval,
    which is longer for few samples with heavy tails.
    """
    from scipy.special import stdtrit

    count = len(columns[0])
    value, influence = statistic(*columns)
    if count < 2:
        return Estimate(float(value), -np.inf, np.inf)
    error = _error(influence)
    parts = [statistic(*(column[index] for column in columns)) for index in indices(count, count)]
    means, errors = (
        np.concatenate(own)
        for own in ([part[0] for part in parts], [_error(part[1]) for part in parts])
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = quantiles(
            np.where(means == value, 0.0, (means - value) / errors)
        )  # inf where all that was drawn is equal
    reach = stdtrit(count - 1, 1 - TAIL)
    if error == 0:
        return Estimate(float(value), float(value), float(value))
    return Estimate(
        float(value),
        float(value - max(high, reach) * error),
        float(value - min(low, -reach) * error),
    )


def _error(influence: np.ndarray) -> np.ndarray:
    return influence.std(-1, ddof=1) / np.sqrt(influence.shape[-1])


def of_smooth(statistic: Callable[..., np.ndarray], columns: list[np.ndarray]) -> Estimate:
    """Estimate a smooth function of `statistic` of columns `(positions, samples)`.

    The interval holds the middle 95 % of the bootstrap draws.

    `statistic` takes arrays `(positions, draws, samples)` and gives `(draws,)`; the same samples
    are drawn in all columns. A draw that gives NaN may be anything: it widens both ends.
    """
    value = float(statistic(*(column[:, None] for column in columns))[0])
    low, high = quantiles(draws(statistic, columns))
    return Estimate(value, low, high)


def of_smallest(statistic: Callable[..., np.ndarray], columns: list[np.ndarray]) -> Estimate:
    """Estimate the smallest of the numbers `(positions, draws)` that `statistic` returns.

    The smallest of noisy numbers lies too low, so its own draws hold no interval. Both ends come
    from simultaneous bounds of all
    positions: the truth is below every upper bound and above the lowest lower one (intersection
    bounds, Chernozhukov, Lee and Rosen 2013; balanced simultaneous bounds by the ranks of the
    draws, Beran 1988).
    """
    value = float(statistic(*(column[:, None] for column in columns))[:, 0].min())
    drawn = draws(statistic, columns)
    return Estimate(
        value, float(simultaneous_lows(drawn).min()), float(-simultaneous_lows(-drawn).max())
    )


def simultaneous_lows(draws: np.ndarray, tail: float = TAIL) -> np.ndarray:
    """Return a lower bound for each row of `draws` `(numbers, draws)`.

    All of them hold at once except in a share `tail` of the draws.
    """
    draws = np.where(np.isnan(draws), -np.inf, draws)
    ordered = np.sort(draws, axis=1)
    at_most = np.stack(
        [np.searchsorted(own, row, side="right") for own, row in zip(ordered, draws, strict=True)]
    )
    lowest = np.sort(
        at_most.min(0)
    )  # a draw lies below the k-th bound somewhere if so many of its row are at most it
    allowed = int(tail * draws.shape[1])
    place = max(int(lowest[allowed]) - 1, 0)
    return ordered[:, place]


def of_two_groups(
    statistic: Callable[[np.ndarray, np.ndarray], np.ndarray], one: np.ndarray, other: np.ndarray
) -> Estimate:
    """Estimate a smooth function of two groups of other samples, `(samples,)` each.

    The interval holds the middle 95 % of the bootstrap draws; each group is drawn from by itself.
    `statistic` takes arrays `(draws, samples)` and gives `(draws,)`.
    """
    random, left, drawn = np.random.default_rng(0), DRAWS, list[np.ndarray]()
    while left:
        piece = min(left, max(1, _AT_ONCE // (len(one) + len(other))))
        groups = (own[random.integers(0, len(own), (piece, len(own)))] for own in (one, other))
        drawn.append(statistic(*groups))
        left -= piece
    low, high = quantiles(np.concatenate(drawn))
    return Estimate(float(statistic(one[None], other[None])[0]), low, high)


def quantiles(draws: np.ndarray) -> tuple[float, float]:
    """Return the ends of the middle 95 % of draws; NaN counts as the worst at either end."""
    low = np.quantile(np.where(np.isnan(draws), -np.inf, draws), TAIL, method="nearest")
    return float(low), float(
        np.quantile(np.where(np.isnan(draws), np.inf, draws), 1 - TAIL, method="nearest")
    )


def indices(samples: int, numbers: int) -> Iterator[np.ndarray]:
    """Yield DRAWS rows of `samples` indices drawn with replacement, in pieces that fit in memory.

    `numbers` is how many numbers a column holds. The draws are the same in each call.
    """
    random, left = np.random.default_rng(0), DRAWS
    while left:
        piece = min(left, max(1, _AT_ONCE // numbers))
        yield random.integers(0, samples, (piece, samples))
        left -= piece


def _resampled(
    statistic: Callable[..., np.ndarray], columns: list[np.ndarray]
) -> Iterator[np.ndarray]:
    for index in indices(columns[0].shape[1], columns[0].size):
        yield statistic(*(column[:, index] for column in columns))


def draws(statistic: Callable[..., np.ndarray], columns: list[np.ndarray]) -> np.ndarray:
    """Apply `statistic` to resampled columns, see `of_smooth`; the draws are the last axis."""
    return np.concatenate(list(_resampled(statistic, columns)), axis=-1)
