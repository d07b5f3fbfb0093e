"""Calibration errors: the distance of confidences from shares of right answers."""

from collections.abc import Callable

import torch
from torch import Tensor

BINS = 15
"""Bins of a calibration error, as in Guo et al. 2017, On calibration of modern networks."""
DRAWS = 1000
"""Draws of a bootstrap."""
SHARES = torch.linspace(0, 4, 81, dtype=torch.float64)
"""Multiples of the measured gaps among which an interval of the calibration error is sought."""
AT_A_TIME = 2**22
"""Largest count of numbers that a bootstrap holds."""


def equal_width_bins(confidence: Tensor, bins: int = BINS) -> Tensor:
    """Return the bin of each confidence `(N,)`, of `bins` equal parts of [0, 1].

    A bin holds its lower end, the last one both.
    """
    return (confidence * bins).long().clamp(0, bins - 1)


def equal_mass_bins(confidence: Tensor, bins: int = BINS) -> Tensor:
    """Return the bin of each confidence `(N,)`, of `bins` with as many samples, but for one.

    Equal confidences share a bin, that of the middle of their ranks, so that no order of samples
    counts. All bins are used, the most confident one too. (Nguyen and O'Connor 2015.)
    """
    ordered = confidence.sort().values
    first = torch.searchsorted(ordered, confidence)
    behind = torch.searchsorted(ordered, confidence, right=True)
    return (first + behind - 1) * bins // (2 * len(confidence))


def calibration_error(confidence: Tensor, correct: Tensor, places: Tensor) -> float:
    """Return the expected calibration error, in bins `places` `(N,)`.

    `sum_b n_b / N |mean confidence in b - accuracy in b|`, from confidences `(N,)` and whether the
    samples are labelled right `(N,)`. It is biased upwards: see `error_by_chance`.
    """
    gaps = (confidence.double() - correct.double())[None]
    return float(_errors(gaps, places)[0])


def error_by_chance(confidence: Tensor, places: Tensor) -> float:
    """Return the calibration error that these confidences have on average where they are true.

    Mean over draws in which each sample is right with its own confidence.
    """
    generator = torch.Generator().manual_seed(0)

    def draw(count: int) -> Tensor:
        drawn = torch.rand(count, len(confidence), generator=generator, dtype=torch.float64)
        return _errors(confidence - (drawn < confidence).double(), places)

    return float(_all_draws(draw, len(confidence)).mean())


def resampled(statistic: Callable[[Tensor], Tensor], count: int) -> tuple[float, float]:
    """Return the 95 % interval of a statistic over samples, by percentiles of a bootstrap.

    `statistic` takes how often each sample is drawn `(draws, count)` to `(draws,)`. Of few samples
    it is somewhat too narrow. The draws are the same for equal counts.
    """
    generator = torch.Generator().manual_seed(0)

    def draw(draws: int) -> Tensor:
        chosen = torch.randint(count, (draws, count), generator=generator)
        once = torch.ones(draws, count, dtype=torch.float64)
        return statistic(torch.zeros_like(once).scatter_add_(1, chosen, once))

    low, high = _all_draws(draw, count).quantile(torch.tensor([0.025, 0.975]).double()).tolist()
    return low, high


def error_interval(confidence: Tensor, correct: Tensor, places: Tensor) -> tuple[float, float]:
    """Return the 95 % interval of the calibration error over samples, its bias taken out.

    It holds each error `t E` whose law holds the measured E between its quantiles of 2.5 and 97.5
    %, where the gaps of the bins are t times the measured ones, t in [0, 4], and each accuracy has
    normal noise of its own binomial variance. So it may lie below E, which is biased upwards, and
    begins at 0 where true confidences would do as badly. Of 100 samples it is somewhat too narrow:
    it held .88 to 1 of the truths that were tried, of 400 .93 to .99.
    """
    hits, count = correct.double(), len(correct)
    own = confidence.new_zeros(int(places.max()) + 1, dtype=torch.float64)
    held = own.index_add(0, places, torch.ones_like(hits))
    gaps = own.index_add(0, places, confidence.double() - hits) / count
    accuracy = (own.index_add(0, places, hits) + 0.5) / (held + 1)
    spread = (held * accuracy * (1 - accuracy)).sqrt() / count
    generator = torch.Generator().manual_seed(0)
    noise = spread * torch.randn(DRAWS, len(own), generator=generator, dtype=torch.float64)
    ends = torch.tensor([0.025, 0.975], dtype=torch.float64)
    laws = [(share * gaps + noise).abs().sum(1).quantile(ends) for share in SHARES]
    low, high = torch.stack(laws).T
    error = gaps.abs().sum()
    above, below = SHARES[high >= error], SHARES[low <= error]
    least = float(above[0] * error) if len(above) else float(error)
    return min(least, 1.0), min(float(below[-1] * error) if len(below) else 0.0, 1.0)


def mean_interval(values: Tensor) -> tuple[float, float]:
    """Return the 95 % interval of the mean of values `(N,)` over samples."""
    return resampled(lambda times: times @ values.double() / len(values), len(values))


def _errors(gaps: Tensor, places: Tensor) -> Tensor:
    """The calibration error of gaps between confidence and truth `(draws, N)`, `(draws,)`."""
    sums = gaps.new_zeros(len(gaps), int(places.max()) + 1)
    return sums.index_add_(1, places, gaps).abs().sum(1) / gaps.shape[1]


def _all_draws(draw: Callable[[int], Tensor], count: int) -> Tensor:
    """The results of `DRAWS` draws of `count` numbers, some at a time."""
    size = max(1, min(DRAWS, AT_A_TIME // count))
    return torch.cat([draw(min(size, DRAWS - done)) for done in range(0, DRAWS, size)])
