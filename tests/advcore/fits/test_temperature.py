"""Temperature and threshold against scipy's minimum and numpy's order statistic."""

import math

import numpy as np
import oracles
import pytest
import torch
from learning import assert_resumes, learn, shards
from scipy.optimize import minimize_scalar

from advcore.fits import ConfidenceThreshold, Temperature

COUNT = 120
IMAGES, LABELS = oracles.images(COUNT), torch.arange(COUNT) % 4
NETWORK = oracles.relu()
LOGITS = NETWORK(IMAGES).detach()
LIKELY = LOGITS.softmax(1).cumsum(1)
DRAWN = (
    (torch.rand(COUNT, 1, generator=torch.Generator().manual_seed(0)) > LIKELY).sum(1).clamp(max=3)
)
"""Labels drawn of the network's own softmax: about calibrated."""


def scaled(factor):
    return lambda images: factor * NETWORK(images)


@pytest.mark.parametrize("factor", [0.2, 1.0, 30.0])
def test_it_is_the_minimum_of_the_likelihood(factor):
    state = learn(Temperature(), scaled(factor), shards(IMAGES, [50, 70], DRAWN), 4)

    def likelihood(log_t):
        log_p = (factor * LOGITS / math.exp(log_t)).log_softmax(1)
        return -log_p.gather(1, DRAWN[:, None]).mean().item()

    best = minimize_scalar(likelihood, bounds=(-6.5, 6.5), options={"xatol": 1e-10})
    assert state.tensors["found"] == 1
    assert state.tensors["temperature"].log().item() == pytest.approx(best.x, abs=1e-6)
    found = state.tensors["likelihood"].tolist()
    assert found == pytest.approx([likelihood(0), best.fun], abs=1e-9)
    assert state.history["width"][-1] < 1e-7


def test_temperatures_of_scaled_logits_scale():
    one, other = (
        learn(Temperature(), scaled(factor), shards(IMAGES, [COUNT], DRAWN), 4).tensors
        for factor in (1.0, 7.0)
    )
    assert other["temperature"] == pytest.approx(7 * one["temperature"].item(), rel=1e-6)
    assert one["temperature"] == pytest.approx(1, abs=0.5)


def test_where_there_is_no_minimum_it_is_the_end_of_the_range():
    right = learn(Temperature(), NETWORK, shards(IMAGES, [COUNT], LOGITS.argmax(1)), 4)
    wrong = learn(Temperature(), NETWORK, shards(IMAGES, [COUNT], LOGITS.argmin(1)), 4)
    assert [state.tensors["temperature"].item() for state in (right, wrong)] == pytest.approx(
        [1e-3, 1e3]
    )
    assert right.tensors["found"] == wrong.tensors["found"] == 0
    (low,), (high,) = (Temperature().warnings(own.tensors).values() for own in (right, wrong))
    assert "temperature 0.001 is an end of its range, no minimum: each sample is labelled" in low
    assert "temperature 1000 is an end of its range, no minimum: the network knows less" in high
    inside = learn(Temperature(), NETWORK, shards(IMAGES, [COUNT], DRAWN), 4)
    assert not Temperature().warnings(inside.tensors)
    assert wrong.tensors["likelihood"][1] == pytest.approx(math.log(4), abs=1e-2)
    assert right.tensors["likelihood"][1] < right.tensors["likelihood"][0]


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99, 1.0])
def test_the_threshold_is_an_order_statistic_of_the_right_ones(share):
    state = learn(ConfidenceThreshold(share), NETWORK, shards(IMAGES, [50, 70], DRAWN), 4)
    confidence = LOGITS.softmax(1).amax(1)[LOGITS.argmax(1) == DRAWN].numpy()
    wanted = math.ceil(share * len(confidence) - 1e-9)
    threshold = state.tensors["threshold"].item()
    assert threshold == pytest.approx(np.sort(confidence)[::-1][wanted - 1], abs=1e-9)
    assert state.tensors["asked"] == share
    assert state.tensors["kept"] == np.mean(confidence >= threshold) >= share
    assert state.tensors["right"] == len(confidence)


def test_sure_networks_have_a_threshold_of_one_and_useless_ones_none():
    sure = learn(ConfidenceThreshold(), scaled(1e6), shards(IMAGES, [COUNT], LOGITS.argmax(1)), 4)
    assert sure.tensors["threshold"] == 1
    with pytest.raises(ValueError, match="none of 120 samples is labelled right"):
        learn(ConfidenceThreshold(), NETWORK, shards(IMAGES, [COUNT], LOGITS.argmin(1)), 4)


def test_labels_that_are_no_classes_are_refused():
    for fit in (Temperature(), ConfidenceThreshold()):
        with pytest.raises(ValueError, match="labels"):
            learn(fit, NETWORK, shards(IMAGES, [COUNT], LABELS + 1), 4)
    with pytest.raises(ValueError, match=r"true_positives must lie in \(0, 1\]"):
        ConfidenceThreshold(0.0)
    with pytest.raises(ValueError, match="rounds must be at least 1"):
        Temperature(rounds=0)


@pytest.mark.parametrize("fit", [Temperature(3), ConfidenceThreshold(0.9)], ids=repr)
def test_a_fit_goes_on_from_any_round(fit):
    assert_resumes(fit, NETWORK, shards(IMAGES, [50, 70], DRAWN), 4)
