"""The scores of anomalies on a linear classifier, whose boundary is known, and refusals."""

import oracles
import pytest
import torch

from advcore import Randomness, probes
from advcore.attacks import PGD, DeepFool
from advcore.learnt import Learnt

BATCH = probes.Batch(oracles.images(6), torch.arange(6) % 4, torch.arange(6))
MEAN = Learnt("mean", "key", {"mean": oracles.images(1)[0]})


def measured(probe, network):
    return probe.measure(network, BATCH, Randomness(0, BATCH.indices))


def test_scores_are_what_they_say():
    network = oracles.relu(width=6, depth=1)
    rows = measured(probes.Anomaly(MEAN, 2.0, 0.01), network)
    logits = network(BATCH.inputs).double()
    assert torch.allclose(rows["confidence"], logits.softmax(1).amax(1))
    assert torch.allclose(rows["inside"], logits.softmax(1)[:, 0].logit())
    away = (BATCH.inputs - MEAN["mean"]).flatten(1).double().norm(dim=1)
    assert torch.allclose(rows["near"], -away)
    inputs = BATCH.inputs.clone().requires_grad_()
    (network(inputs) / 2).log_softmax(1).amax(1).sum().backward()
    moved = network(BATCH.inputs + 0.01 * inputs.grad.sign()).double()
    assert torch.allclose(rows["odin"], (moved / 2).softmax(1).amax(1))
    still = measured(probes.Anomaly(temperature=2.0, eps=0.0), network)
    assert torch.allclose(still["odin"], (logits / 2).softmax(1).amax(1))
    assert "near" not in still


def test_steps_count_the_way_to_the_boundary():
    """Steps of a tenth of a small margin: as many as the margin is long, one more if none."""
    network = oracles.relu(width=6, depth=1)
    rows = measured(
        probes.Anomaly(attack=PGD(1.0, "l2", 40, 1 / 40, random_start=False, box=False)), network
    )
    margin, steps = rows["margin"], rows["steps"]
    found = steps <= 40
    assert found.any()
    assert (40 * margin[found] <= steps[found] + 1).all()  # no way is shorter than the shortest
    far = measured(
        probes.Anomaly(attack=PGD(1e-6, "l2", 3, 0.5, random_start=False), margin=None), network
    )
    assert far["steps"].tolist() == [4] * 6
    assert "margin" not in far


def test_settings_that_cannot_be():
    for changes, match in (
        ({"temperature": 0}, "temperature must be a positive number; got 0"),
        ({"eps": -1}, "eps must not be negative, in pixel units; got -1"),
        ({"attack": DeepFool()}, "attack must have a budget, as pgd has"),
        ({"margin": PGD(0.1)}, "margin must be a minimal-norm attack, as deepfool is"),
    ):
        with pytest.raises(ValueError, match=match):
            probes.Anomaly(**changes)
    with pytest.raises(ValueError, match="anomaly needs at least two classes; got 1"):
        probes.Anomaly().validate((1, 4, 4), 1)
    with pytest.raises(ValueError, match=r"the mean of the fit must have the inputs' shape"):
        probes.Anomaly(MEAN).validate((1, 8, 8), 4)
