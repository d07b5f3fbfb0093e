"""Fits of protected attributes: what a representation tells, what features say, random ones."""

import numpy as np
import pytest
import torch
from learning import assert_resumes, learn, shards
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import nn

from advcore import Randomness
from advcore.fits import (
    AttributeClassifier,
    EntryDirections,
    FitSamples,
    RandomDirections,
    SensitiveDirections,
)
from advcore.fits.logistic_regression import PENALTY
from advcore.learnt import Learnt
from advcore.probes import AttributeScores, Batch
from advcore.threats import Along

COUNT, FEATURES = 120, 6
GENERATOR = torch.Generator().manual_seed(0)
INPUTS = torch.randn(COUNT, FEATURES, generator=GENERATOR)
SEX = (INPUTS[:, 2] - INPUTS[:, 3] + torch.randn(COUNT, generator=GENERATOR) > 0).float()
INPUTS[:, 0], INPUTS[:, 1] = SEX, 1 - SEX  # a one-hot column; others tell something of it
BATCHES = shards(INPUTS, [50, 70], SEX.long())


def scikit_learns(features: torch.Tensor) -> np.ndarray:
    """Coefficients with intercept, which is penalised like the others."""
    peer = LogisticRegression(C=1 / (PENALTY * COUNT), fit_intercept=False, tol=1e-10)
    return peer.fit(features.double().numpy(), SEX.numpy()).coef_[0]


def test_directions_are_the_entries_and_scikit_learns_coefficients():
    fit = SensitiveDirections((0, 1), predicted=(0,))
    state = assert_resumes(fit, nn.Linear(FEATURES, 2), BATCHES, 2)
    free = torch.cat([torch.zeros(COUNT, 2), INPUTS[:, 2:], torch.ones(COUNT, 1)], 1)
    expected = torch.from_numpy(scikit_learns(free)[:FEATURES]).float()
    torch.testing.assert_close(state.tensors["coefficients"][0], expected, atol=1e-4, rtol=1e-4)
    directions = state.tensors["directions"]
    torch.testing.assert_close(directions @ directions.mT, torch.eye(3), atol=1e-6, rtol=0)
    for inside in [*torch.eye(FEATURES)[:2], expected]:
        torch.testing.assert_close(directions.mT @ directions @ inside, inside)
    assert state.history["loss"][-1] < state.history["loss"][0]


def test_directions_that_nothing_tells_are_refused():
    fit = SensitiveDirections((0, 1), predicted=(0,))
    silent = torch.cat([INPUTS[:, :2], torch.zeros(COUNT, FEATURES - 2)], 1)
    with pytest.raises(ValueError, match="no feature that varies but the protected ones"):
        learn(fit, nn.Linear(FEATURES, 2), shards(silent, [COUNT], SEX.long()), 2)
    women = INPUTS[SEX == 0]
    labels = torch.zeros(len(women), dtype=torch.int64)
    with pytest.raises(ValueError, match=rf"0 of {len(women)} samples have the category of entry"):
        learn(fit, nn.Linear(FEATURES, 2), shards(women, [len(women)], labels), 2)


def test_both_entries_of_a_column_of_two_are_one_regression():
    with pytest.raises(ValueError, match="name one of them in predicted"):
        learn(SensitiveDirections((0, 1)), nn.Linear(FEATURES, 2), BATCHES, 2)
    with pytest.raises(ValueError, match=r"predicted must be among entries, \[0, 1\]; got \[2\]"):
        SensitiveDirections((0, 1), predicted=(2,))
    with pytest.raises(ValueError, match="below 6 for inputs"):
        SensitiveDirections((6,)).validate(FitSamples((6,), 2, 9))


def test_a_linear_classifier_of_a_layer_is_scikit_learns():
    torch.manual_seed(0)  # a network drawn anew may lose what tells the attribute
    network = nn.Sequential(nn.Linear(FEATURES, 4), nn.ReLU(), nn.Linear(4, 2))
    state = assert_resumes(AttributeClassifier(hidden=0), network, BATCHES, 2)
    units = network[:2](INPUTS).detach()
    own = (units - units.mean(0)) / units.std(0, correction=0)
    expected = scikit_learns(torch.cat([own, torch.ones(COUNT, 1)], 1))
    found = state.tensors["weights"].double().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-3)
    probe = AttributeScores(Learnt("fit", "key", dict(state.tensors)))
    batch = Batch(INPUTS, SEX.long(), torch.arange(COUNT))
    table = probe.measure(network, batch, Randomness(0, batch.indices))
    scores = torch.cat([own, torch.ones(COUNT, 1)], 1).double() @ torch.from_numpy(expected)
    torch.testing.assert_close(table["score"], scores, atol=2e-2, rtol=2e-2)
    assert probe.summarise(table).scalars["auroc"] > 0.7
    other = AttributeScores(probe.fit, layer="input")
    with pytest.raises(ValueError, match="has 4 units; this layer has 6"):
        other.measure(network, batch, Randomness(0, batch.indices))


def test_a_unit_that_was_constant_is_centred_alone():
    """As in scikit-learn's StandardScaler: what it does later does not drown the others."""
    inputs = torch.cat([INPUTS[:, 2:], torch.full((COUNT, 1), 0.3), torch.zeros(COUNT, 1)], 1)
    batches = shards(inputs, [50, 70], SEX.long())
    state = learn(AttributeClassifier(layer="input", hidden=0), nn.Linear(6, 2), batches, 2)
    spread = StandardScaler().fit(inputs.double().numpy()).scale_
    torch.testing.assert_close(state.tensors["spread"], torch.from_numpy(spread).float())
    assert state.tensors["spread"][4:].tolist() == [1, 1]
    alive = inputs + torch.tensor([0, 0, 0, 0, 0.01, 0.01])
    probe = AttributeScores(Learnt("fit", "key", dict(state.tensors)), layer="input")
    before, after = (
        probe.measure(nn.Linear(6, 2), batch, Randomness(0, batch.indices))["score"]
        for batch in (Batch(own, SEX.long(), torch.arange(COUNT)) for own in (inputs, alive))
    )
    torch.testing.assert_close(before, after, atol=1e-3, rtol=0)


def test_random_features_tell_what_no_linear_function_does():
    """The attribute is whether both inputs have one sign."""
    inputs = torch.randn(400, 2, generator=torch.Generator().manual_seed(1))
    sex = (inputs.prod(1) > 0).long()
    batches, whole = shards(inputs, [400], sex), Batch(inputs, sex, torch.arange(400))
    network = nn.Linear(2, 2)
    area = {}
    for hidden in (0, 64):
        state = learn(AttributeClassifier(layer="input", hidden=hidden), network, batches, 2)
        probe = AttributeScores(Learnt("fit", "key", dict(state.tensors)), layer="input")
        table = probe.measure(network, whole, Randomness(0, whole.indices))
        area[hidden] = probe.summarise(table).scalars["auroc"]
    assert area[0] < 0.6
    assert area[64] > 0.9
    with pytest.raises(ValueError, match="positive must be the number of a class, below 2; got 2"):
        AttributeClassifier(positive=2).validate(FitSamples((2,), 2, 9))


def test_random_directions_are_another_span_for_another_seed_and_move_tables_without_a_box():
    fits = [learn(RandomDirections(2), nn.Linear(6, 2), BATCHES, 2, seed) for seed in (0, 0, 1)]
    one, same, other = (fit.tensors["directions"] for fit in fits)
    assert torch.equal(one, same)
    assert torch.linalg.svdvals(one @ other.mT).max() < 0.99
    threat = Along(Learnt("fit", "key", {"directions": one}), 2, box=False)
    region = threat.around(INPUTS, torch.full((COUNT,), 9.0), nn.Linear(6, 2))
    moved = region.apply(torch.tensor([[3.0, 4.0]]).expand(COUNT, 2))
    torch.testing.assert_close(moved - INPUTS, (3 * one[0] + 4 * one[1]).expand(COUNT, -1))
    with pytest.raises(ValueError, match="directions must not exceed the inputs' dimension, 6"):
        RandomDirections(7).validate(FitSamples((6,), 2, 9))


def test_entries_are_directions():
    state = learn(EntryDirections((4, 0)), nn.Linear(6, 2), BATCHES, 2)
    assert torch.equal(state.tensors["directions"], torch.eye(6)[[4, 0]])
    with pytest.raises(ValueError, match="below 6 for inputs"):
        EntryDirections((6,)).validate(FitSamples((6,), 2, 9))
