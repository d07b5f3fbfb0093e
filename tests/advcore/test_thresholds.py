"""Separation at one threshold, against scikit-learn and all thresholds there are."""

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, roc_auc_score, roc_curve

from advcore import separation
from advcore.thresholds import (
    balanced_accuracy,
    best_threshold,
    true_positive_rate,
    true_positives_at,
)


def scores(positives=80, negatives=300, shift=1.0, seed=0):
    """Scores with ties."""
    random = np.random.default_rng(seed)
    own, other = random.standard_normal(positives) + shift, random.standard_normal(negatives)
    return torch.tensor(own.round(1)), torch.tensor(other.round(1))


@pytest.mark.parametrize("seed", range(3))
def test_rates_are_those_of_scikit_learn(seed):
    own, other = scores(seed=seed)
    kinds, both = np.repeat([1, 0], [len(own), len(other)]), torch.cat([own, other]).numpy()
    false, true, _ = roc_curve(kinds, both, drop_intermediate=False)
    curve = separation.roc_curve(own, other)
    assert curve[0].numpy() == pytest.approx(false)
    assert curve[1].numpy() == pytest.approx(true)
    assert separation.auroc(own, other) == pytest.approx(roc_auc_score(kinds, both))
    for wanted in (0.0, 0.01, 0.1, 1.0):
        expected = true[false <= wanted].max()
        assert true_positive_rate(own, other, wanted) == pytest.approx(expected)


def test_the_best_threshold_is_the_best_of_all():
    own, other = scores()
    kinds, both = np.repeat([1, 0], [len(own), len(other)]), torch.cat([own, other]).numpy()
    found = balanced_accuracy_score(kinds, both >= best_threshold(own, other))
    every = [balanced_accuracy_score(kinds, both >= one) for one in np.unique(both)]
    assert found == pytest.approx(max(every))


def test_accuracy_is_told_on_the_other_half():
    own, other = scores(40, 60)
    first = torch.arange(40) < 25, torch.arange(60) < 20
    told = balanced_accuracy(own, other, first)
    one, two = (best_threshold(own[a], other[b]) for a, b in (first, (~first[0], ~first[1])))
    hits = [
        torch.where(half, kind >= two, kind >= one)
        for kind, half in ((own, first[0]), (other, first[1]))
    ]
    assert told.value == pytest.approx(
        0.5 + float(hits[0].double().mean() - hits[1].double().mean()) / 2
    )
    assert told.low < told.value < told.high


def test_noise_is_not_called_separation():
    """What a threshold fits on its own half is not told: of noise it is one half, in the mean."""
    values, rates, held = [], [], 0
    for seed in range(100):
        own, other = scores(60, 60, shift=0.0, seed=seed)
        halves = torch.arange(60) % 2 == 0, torch.arange(60) % 2 == 0
        told = balanced_accuracy(own, other, halves)
        values.append(told.value)
        held += told.low <= 0.5 <= told.high
        rates.append(true_positives_at(own, other, 0.1))
    assert np.mean(values) == pytest.approx(0.5, abs=0.015)
    assert held >= 90
    assert sum(rate.low <= 0.1 <= rate.high for rate in rates) >= 90


def test_the_interval_of_a_rate_holds_its_truth():
    """Normal scores one apart: at 5 % false positives .26 of the positives are found."""
    held = 0
    for seed in range(100):
        random = torch.Generator().manual_seed(seed)
        own, other = torch.randn(200, generator=random) + 1, torch.randn(200, generator=random)
        rate = true_positives_at(own, other, 0.05)
        held += rate.low <= 0.2595 <= rate.high
    assert held >= 90


def test_what_cannot_be_is_refused():
    own, other = scores()
    with pytest.raises(ValueError, match=r"false_positives must lie in \[0, 1\]; got 2"):
        true_positive_rate(own, other, 2)
    with pytest.raises(ValueError, match="at least one of each; got 0 and 300"):
        true_positives_at(own[:0], other, 0.01)
