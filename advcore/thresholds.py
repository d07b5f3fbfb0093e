"""Separation of two kinds of samples at one threshold of a score."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from advcore.separation import roc_curve
from advcore.shares import Z, wilson


class Rate(NamedTuple):
    """A share, with the ends of its 95 % interval over samples of both kinds."""

    value: float
    low: float
    high: float


def true_positive_rate(positive: Tensor, negative: Tensor, false_positives: float) -> float:
    """Return the largest share of the positives `(P,)` that a threshold finds.

    At most the share `false_positives` of the negatives `(N,)` reach that threshold. Raises
    ValueError for NaN, no samples of a kind, or a share outside [0, 1].
    """
    if not 0 <= false_positives <= 1:
        raise ValueError(f"false_positives must lie in [0, 1]; got {false_positives}")
    false, true = roc_curve(positive.double(), negative.double())
    return float(true[false <= false_positives + 1e-9].max())


def true_positives_at(positive: Tensor, negative: Tensor, false_positives: float) -> Rate:
    """Return that share, with an interval over the samples of both kinds.

    How many of the negatives lie above the true threshold is binomial; its middle 95 % move the
    threshold, Wilson's interval is that of the share at a given one, and the reaches of both are
    added as squares, end by end (Zou and Donner 2008).
    """
    from scipy.stats import binom

    value = true_positive_rate(positive, negative, false_positives)
    count = len(negative)
    fewest, most = binom.ppf([0.025, 0.975], count, false_positives)
    moved = [true_positive_rate(positive, negative, own / count) for own in (fewest, most)]
    low, high = wilson(value * len(positive), len(positive))
    return Rate(
        value,
        max(0.0, value - math.hypot(value - low, value - moved[0])),
        min(1.0, value + math.hypot(high - value, moved[1] - value)),
    )


def best_threshold(positive: Tensor, negative: Tensor) -> float:
    """Return the smallest score that counts as positive at the largest balanced accuracy.

    The balanced accuracy is the mean of the share of the positives that reach the threshold and of
    that of the negatives that do not. Of equally good ones it is the highest.
    """
    false, true = roc_curve(positive.double(), negative.double())
    thresholds = torch.cat([positive, negative]).double().unique().flip(0)
    return float(thresholds[int((true - false)[1:].argmax())])


def balanced_accuracy(positive: Tensor, negative: Tensor, first: tuple[Tensor, Tensor]) -> Rate:
    """Return the balanced accuracy of thresholds that are chosen on other samples.

    `first` are which of the positives `(P,)` and of the negatives `(N,)` make one half: each half
    has the threshold that is best on the other one. The interval, given the thresholds, is half
    that of the difference of two shares (Agresti and Caffo 2000).
    """
    halves = [(positive[own], negative[other]) for own, other in (first, (~first[0], ~first[1]))]
    (one, other), (its, others) = halves
    hits = [(own >= best_threshold(its, others)) for own in (one, other)]
    hits_there = [(own >= best_threshold(one, other)) for own in (its, others)]
    found, wrong = (
        torch.cat([here, there]).double() for here, there in zip(hits, hits_there, strict=True)
    )
    shares = [(float(own.sum()) + 1) / (len(own) + 2) for own in (found, wrong)]
    error = math.sqrt(
        sum(
            share * (1 - share) / (len(own) + 2)
            for share, own in zip(shares, (found, wrong), strict=True)
        )
    )
    middle = 0.5 + (shares[0] - shares[1]) / 2
    return Rate(
        0.5 + float(found.mean() - wrong.mean()) / 2,
        max(0.0, middle - Z * error / 2),
        min(1.0, middle + Z * error / 2),
    )
