"""Separation of two kinds of samples by a score: area under the ROC curve, false positives."""

import math

import torch
from torch import Tensor

from advcore.shares import Z


def auroc(positive: Tensor, negative: Tensor) -> float:
    """Return the probability that a positive has the larger score than a negative one.

    Ties count one half. From scores `(P,)` and `(N,)`; with the signs of the scores and the kinds
    both swapped it is the same number.
    """
    return float(_placements(positive, negative).mean())


def auroc_interval(positive: Tensor, negative: Tensor) -> tuple[float, float]:
    """Return the 95 % interval of the area over samples of both kinds, cut to [0, 1].

    By the normal approximation with the variance of DeLong et al. 1988. It has no width where the
    kinds do not overlap, which of few samples says little. [0, 1] of a single sample of a kind.
    """
    own, other = _placements(positive, negative), _placements(-negative, -positive)
    variance = sum(
        float(one.var()) / len(one) if len(one) > 1 else math.nan for one in (own, other)
    )
    if min(len(own), len(other)) < 2:
        return 0.0, 1.0
    half = Z * math.sqrt(variance)
    middle = float(own.mean())
    return max(0.0, middle - half), min(1.0, middle + half)


def false_positive_rate(positive: Tensor, negative: Tensor, true_positives: float = 0.95) -> float:
    """Return the share of the negatives at or above the threshold that finds the positives.

    It is the largest score that at least the share `true_positives` of the positives reach. Which
    kind is positive makes another number, unlike the area under the curve.
    """
    _check(positive, negative)
    if not 0 < true_positives <= 1:
        raise ValueError(f"true_positives must lie in (0, 1]; got {true_positives}")
    wanted = math.ceil(true_positives * len(positive) - 1e-9)
    threshold = positive.sort(descending=True).values[wanted - 1]
    return float((negative >= threshold).double().mean())


def roc_curve(positive: Tensor, negative: Tensor) -> tuple[Tensor, Tensor]:
    """Return false and true positive rates over all thresholds, from (0, 0) to (1, 1)."""
    _check(positive, negative)
    thresholds = torch.cat([positive, negative]).unique().flip(0)
    rates = [
        torch.searchsorted(own.sort().values, thresholds).neg().add(len(own)).double() / len(own)
        for own in (negative, positive)
    ]
    false, true = (torch.cat([one.new_zeros(1), one]) for one in rates)
    return false, true


def _placements(positive: Tensor, negative: Tensor) -> Tensor:
    """The share of the negatives below each positive, ties one half, `(P,)` float64."""
    _check(positive, negative)
    ordered = negative.sort().values
    below = torch.searchsorted(ordered, positive)
    not_above = torch.searchsorted(ordered, positive, right=True)
    return (below + not_above).double() / (2 * len(negative))


def _check(positive: Tensor, negative: Tensor) -> None:
    """Raise ValueError unless there is a sample of each kind, and none is NaN."""
    if not len(positive) or not len(negative):
        raise ValueError(
            "positives and negatives are needed, at least one of each; got "
            f"{len(positive)} and {len(negative)}"
        )
    if positive.isnan().any() or negative.isnan().any():
        raise ValueError("scores hold NaN; leave those samples out")
