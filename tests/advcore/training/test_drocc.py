"""DROCC on a linear detector, whose adversary is known, and its refusals."""

import oracles
import pytest
import torch
from torch import nn

from advcore import Randomness
from advcore.classifier import evaluating
from advcore.training.drocc import DROCC

IMAGES = oracles.images(6)
LABELS = torch.zeros(6, dtype=torch.long)
NOISE = Randomness(0, torch.arange(6))


def linear(seed=0, logits=2):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(IMAGES[0].numel(), logits)).double()


@pytest.mark.parametrize("steps", [0, 7, 25])
def test_anomalies_lie_in_the_shell(steps):
    h = DROCC(0.5, 1.5, steps, 0.2).perturbations(linear(), IMAGES, NOISE)
    sizes = h.flatten(1).norm(dim=1)
    assert (sizes >= 0.5 - 1e-6).all()
    assert (sizes <= 0.75 + 1e-6).all()


def test_the_search_goes_where_a_linear_detector_sees_the_inside():
    """Its loss climbs along the first class's weights less the second's, at every point."""
    network = linear()
    way = network[1].weight[0] - network[1].weight[1]
    start = DROCC(1.0, 1.0, 0).perturbations(network, IMAGES, NOISE).flatten(1)
    h = DROCC(1.0, 1.0, 200, 0.5).perturbations(network, IMAGES, NOISE).flatten(1)
    cosine = nn.functional.cosine_similarity(h, way[None])
    assert (cosine > 0.99).all()
    assert (nn.functional.cosine_similarity(start, way[None]).abs() < 0.9).all()


def test_its_value_is_the_loss_of_anomalies_as_outside():
    network, term = linear(), DROCC(0.5, steps=3)
    moved = IMAGES + term.perturbations(network, IMAGES, NOISE)
    logits = network(moved)
    one_logit = logits[:, 0] - logits[:, 1]
    expected = nn.functional.binary_cross_entropy_with_logits(one_logit, torch.zeros(6).double())
    value = term(network, IMAGES, LABELS, NOISE)
    assert value.item() == pytest.approx(expected.item(), rel=1e-5)
    value.backward()
    assert network[1].weight.grad.abs().sum() > 0
    assert network.training


@pytest.mark.parametrize("steps", [0, 1])
def test_a_network_of_one_logit_is_refused(steps):
    with pytest.raises(ValueError, match="at least two logits, inside and outside; got 1: give it"):
        DROCC(0.5, steps=steps)(linear(logits=1), IMAGES, LABELS, NOISE)


@pytest.mark.slow
def test_a_detector_learns_to_enclose_its_samples():
    """Points about 0 in the plane are inside, anomalies at 1 to 2 outside."""
    torch.manual_seed(0)
    inputs = 0.05 * torch.randn(64, 1, 1, 2)
    network = nn.Sequential(nn.Flatten(), nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 2))
    optimiser, term = torch.optim.Adam(network.parameters(), 1e-2), DROCC(1.0, 2.0, 10, 0.1)
    labels = torch.zeros(64, dtype=torch.long)
    for step in range(100):
        noise = Randomness(0, torch.arange(64)).stream("step", step)
        loss = nn.functional.cross_entropy(network(inputs), labels)
        optimiser.zero_grad()
        (loss + term(network, inputs, labels, noise)).backward()
        optimiser.step()
    angles = torch.linspace(0, 6.28, 50)
    ring = 1.5 * torch.stack([angles.cos(), angles.sin()], 1)[:, None, None]
    with evaluating(network), torch.no_grad():
        assert (network(inputs).argmax(1) == 0).float().mean() > 0.95
        assert (network(ring).argmax(1) == 1).float().mean() > 0.95


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"radius": 0}, "step must be positive and finite, in pixel units; got 0 and 0.001"),
        ({"radius": float("inf")}, "step must be positive and finite, in pixel units; got inf"),
        ({"radius": 1, "step": float("inf")}, "positive and finite, in pixel units; got 1 and inf"),
        ({"radius": 1, "gamma": 0.5}, "gamma must be finite and at least 1; got 0.5"),
        ({"radius": 1, "gamma": float("inf")}, "gamma must be finite and at least 1; got inf"),
        ({"radius": 1, "steps": -1}, "steps must not be negative; got -1"),
        ({"radius": 1, "weight": -1}, "weight must not be negative"),
    ],
)
def test_settings_that_cannot_be(changes, match):
    with pytest.raises(ValueError, match=match):
        DROCC(**changes)
