"""Calibration errors and separations against scikit-learn, torchmetrics and slow formulas."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from advcore.calibration import (
    calibration_error,
    equal_mass_bins,
    equal_width_bins,
    error_by_chance,
    error_interval,
    mean_interval,
)
from advcore.separation import auroc, auroc_interval, false_positive_rate, roc_curve

RANDOM = np.random.RandomState(0)
CONFIDENCE = torch.from_numpy(RANDOM.beta(5, 1, 300))
CORRECT = torch.from_numpy(RANDOM.rand(300)) < CONFIDENCE**2
SCORES = st.lists(st.sampled_from([0.1, 0.2, 0.5, 0.9, 1.0]), min_size=1, max_size=12)


def test_the_expected_calibration_error_of_the_slow_formula():
    total = 0.0
    for k in range(15):
        held = (k / 15 <= CONFIDENCE) & ((k + 1) / 15 > CONFIDENCE)
        if held.any():
            gap = CONFIDENCE[held].mean() - CORRECT[held].double().mean()
            total += held.double().mean().item() * abs(gap.item())
    found = calibration_error(CONFIDENCE, CORRECT, equal_width_bins(CONFIDENCE))
    assert found == pytest.approx(total)


@pytest.mark.slow  # the import of the peer
def test_the_expected_calibration_error_is_that_of_torchmetrics():
    functional = pytest.importorskip("torchmetrics.functional.classification")
    expected = functional.binary_calibration_error(CONFIDENCE.float(), CORRECT.int(), n_bins=15)
    logits = torch.stack([CONFIDENCE, 1 - CONFIDENCE], 1).log()
    sure = logits.softmax(1).amax(1)
    labels = (~((CONFIDENCE > 0.5) == CORRECT)).long()
    right = logits.argmax(1) == labels
    of_many = functional.multiclass_calibration_error(logits.softmax(1), labels, 2, n_bins=15)
    found = calibration_error(CONFIDENCE, CORRECT, equal_width_bins(CONFIDENCE))
    assert found == pytest.approx(expected.item(), abs=1e-6)
    assert calibration_error(sure, right, equal_width_bins(sure)) == pytest.approx(
        of_many.item(), abs=1e-6
    )


@pytest.mark.slow
def test_the_area_and_its_rates_are_those_of_torchmetrics():
    functional = pytest.importorskip("torchmetrics.functional.classification")
    expected = functional.binary_auroc(CONFIDENCE, CORRECT.int()).item()
    assert auroc(CONFIDENCE[CORRECT], CONFIDENCE[~CORRECT]) == pytest.approx(expected, abs=1e-6)
    false, true, _ = functional.binary_roc(CONFIDENCE, CORRECT.int())
    rate = false_positive_rate(CONFIDENCE[CORRECT], CONFIDENCE[~CORRECT])
    assert rate == pytest.approx(false[true >= 0.95].min().item(), abs=1e-6)


def test_bins_of_equal_mass_use_all_samples_and_no_order():
    places = equal_mass_bins(CONFIDENCE)
    assert places.bincount().tolist() == [20] * 15
    assert places.max() == places[CONFIDENCE.argmax()] == 14
    chunks = torch.arange(300).chunk(15)
    order = CONFIDENCE.argsort()
    slow = sum(
        len(own) / 300 * abs(CONFIDENCE[order[own]].mean() - CORRECT[order[own]].double().mean())
        for own in chunks
    )
    assert calibration_error(CONFIDENCE, CORRECT, places) == pytest.approx(float(slow))
    tied = torch.tensor([1.0] * 9 + [0.5])
    assert equal_mass_bins(tied).unique().numel() == 2
    assert torch.equal(equal_mass_bins(tied.flip(0)), equal_mass_bins(tied).flip(0))
    assert equal_mass_bins(torch.tensor([0.3])).tolist() == [0]


def test_a_confidence_of_one_lies_in_the_last_bin():
    assert equal_width_bins(torch.tensor([0.0, 1 / 15, 1.0]).double()).tolist() == [0, 1, 14]


def test_intervals_of_means_are_those_of_the_normal_law_and_hold_the_error():
    values = torch.from_numpy(RANDOM.randn(400))
    low, high = mean_interval(values)
    half = 1.96 * values.std().item() / 20
    assert (high - low) / 2 == pytest.approx(half, rel=0.15)
    assert low < values.mean() < high
    places = equal_width_bins(CONFIDENCE)
    low, high = error_interval(CONFIDENCE, CORRECT, places)
    assert low < calibration_error(CONFIDENCE, CORRECT, places) < high


@pytest.mark.slow
@pytest.mark.parametrize("gap", [0.0, 0.02, 0.05, 0.15])
def test_intervals_of_the_calibration_error_hold_the_truth(gap):
    random, held = np.random.RandomState(1), []
    for _ in range(100):
        confidence = torch.from_numpy(0.15 + 0.8 * random.beta(5, 1.5, 400))
        correct = torch.from_numpy(random.rand(400)) < confidence - gap
        low, high = error_interval(confidence, correct, equal_width_bins(confidence))
        held.append(low <= gap <= high)
    assert np.mean(held) >= 0.89  # 95 % less 2.7 standard errors


def test_true_confidences_have_the_error_by_chance():
    drawn = [
        calibration_error(CONFIDENCE, torch.from_numpy(RANDOM.rand(300)) < CONFIDENCE, places)
        for places in [equal_width_bins(CONFIDENCE)] * 200
    ]
    expected = error_by_chance(CONFIDENCE, equal_width_bins(CONFIDENCE))
    assert np.mean(drawn) == pytest.approx(expected, rel=0.1)
    assert calibration_error(CONFIDENCE, CORRECT, equal_width_bins(CONFIDENCE)) > 2 * expected


@settings(max_examples=20, deadline=None)
@given(SCORES, SCORES)
def test_areas_and_false_positives_are_scikit_learns_with_ties(positive, negative):
    one, other = torch.tensor(positive).double(), torch.tensor(negative).double()
    truth = [1] * len(positive) + [0] * len(negative)
    scores = positive + negative
    assert auroc(one, other) == pytest.approx(metrics.roc_auc_score(truth, scores))
    assert auroc(-other, -one) == pytest.approx(auroc(one, other))
    false, true, _ = metrics.roc_curve(truth, scores, drop_intermediate=False)
    assert false_positive_rate(one, other) == pytest.approx(false[true >= 0.95].min())
    swapped, found, _ = metrics.roc_curve(
        [1 - own for own in truth], [-own for own in scores], drop_intermediate=False
    )
    assert false_positive_rate(-other, -one) == pytest.approx(swapped[found >= 0.95].min())
    mine = roc_curve(one, other)
    np.testing.assert_allclose(mine[0], false)
    np.testing.assert_allclose(mine[1], true)
    assert torch.trapezoid(mine[1], mine[0]).item() == pytest.approx(auroc(one, other))


def test_the_two_conventions_differ():
    """One in ten inside is unsure, and all outside are a little sure."""
    inside = torch.cat([torch.full((90,), 0.9), torch.full((10,), 0.1)])
    outside = torch.linspace(0.2, 0.8, 100)
    assert false_positive_rate(inside, outside) == 1
    assert false_positive_rate(-outside, -inside) == 0.1


def test_the_interval_of_an_area_is_that_of_a_bootstrap():
    one, other = torch.from_numpy(RANDOM.randn(120)) + 1, torch.from_numpy(RANDOM.randn(90))
    drawn = [
        auroc(one[RANDOM.randint(120, size=120)], other[RANDOM.randint(90, size=90)])
        for _ in range(400)
    ]
    low, high = auroc_interval(one, other)
    assert (high - low) / 2 == pytest.approx(1.96 * np.std(drawn), rel=0.2)
    apart = auroc_interval(one + 9, other)
    assert apart == (1.0, 1.0)
    assert auroc_interval(one[:1], other) == (0.0, 1.0)


def test_what_has_no_rate_is_refused():
    one = torch.rand(3)
    with pytest.raises(ValueError, match=r"at least one of each; got 3 and 0"):
        auroc(one, one[:0])
    with pytest.raises(ValueError, match="NaN"):
        false_positive_rate(one, torch.tensor([torch.nan]))
    with pytest.raises(ValueError, match="true_positives must lie in"):
        false_positive_rate(one, one, 0.0)
