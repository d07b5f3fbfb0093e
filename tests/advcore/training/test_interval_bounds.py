"""Training on interval bounds: its value by hand, what it verifies, and what it refuses."""

from dataclasses import replace

import oracles
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from advcore import Randomness
from advcore.certify import bounds
from advcore.networks import perceptron
from advcore.training import IntervalBounds

LABELS = torch.tensor([0, 1, 2, 0, 1, 2])
IMAGES = oracles.images(6)
SOURCE = Randomness(0, torch.arange(6))


def _value(term, network):
    return term(network, IMAGES, LABELS, SOURCE)


def test_of_an_affine_network_the_worst_logits_are_known():
    """The largest lead of k over y is `z_k - z_y + eps ||w_k - w_y||_1`."""
    flat = oracles.Affine(3)
    logits = flat(IMAGES)
    lengths = (flat.weight - flat.weight[LABELS][:, None]).abs().sum(2)
    worst = logits - logits.gather(1, LABELS[:, None]) + 0.05 * lengths
    expected = 0.25 * F.cross_entropy(logits, LABELS) + 0.75 * F.cross_entropy(worst, LABELS)
    found = _value(IntervalBounds(eps=0.05, kappa=0.25, box=False), flat)
    assert found.item() == pytest.approx(expected.item(), rel=1e-9)


def test_without_a_ball_or_a_share_it_is_the_cross_entropy():
    torch.manual_seed(0)
    network = perceptron(num_classes=3, side=4).double()
    clean = F.cross_entropy(network(IMAGES), LABELS).item()
    assert _value(IntervalBounds(eps=0.0), network).item() == pytest.approx(clean, rel=1e-9)
    assert _value(IntervalBounds(kappa=1.0), network).item() == clean
    assert _value(IntervalBounds(eps=0.1), network).item() > clean


@pytest.mark.parametrize("build", [
    lambda: perceptron(num_classes=3, side=4, norm="batch", dropout=0.2),
    lambda: nn.Sequential(nn.Conv2d(1, 2, 2), nn.ReLU(), nn.AvgPool2d(2, ceil_mode=True),
                          nn.Flatten(), nn.Linear(8, 3)),
])  # fmt: skip
def test_the_gradient_of_the_weights_is_that_of_small_steps(build):
    torch.manual_seed(0)
    network, term = build().double(), IntervalBounds(eps=0.03, kappa=0.3)
    network(IMAGES)
    network.eval()
    slopes = torch.autograd.grad(_value(term, network), list(network.parameters()))
    for weight, slope in zip(network.parameters(), slopes, strict=True):
        step = 1e-6 * torch.randn_like(weight)
        ends = []
        for moved in (step, -2 * step):
            with torch.no_grad():
                weight += moved
                ends.append(_value(term, network).item())
        with torch.no_grad():
            weight += step
        expected = (slope * step).sum().item()
        assert (ends[0] - ends[1]) / 2 == pytest.approx(expected, rel=1e-3, abs=1e-11)


def test_a_network_that_is_trained_on_bounds_is_verified():
    torch.manual_seed(0)
    images = torch.zeros(30, 1, 12, 12)
    labels = torch.arange(30) % 3
    for digit in range(3):
        images[labels == digit, 0, 4 * digit : 4 * digit + 4] = 1
    images = (images + 0.1 * torch.randn(images.shape)).clamp(0, 1)
    shares = []
    for eps in (0.0, 0.4):
        torch.manual_seed(0)
        network, term = perceptron(side=12, num_classes=3), IntervalBounds(eps=eps, kappa=0.5)
        optimiser = torch.optim.Adam(network.parameters(), 1e-2)
        for step in range(50):
            now = replace(term, eps=eps * min(1.0, step / 30))
            value = now(network, images, labels, Randomness(0, torch.arange(30)))
            optimiser.zero_grad()
            value.backward()
            optimiser.step()
        found = bounds(network, images, 0.4, "linf", labels, method="ibp")
        shares.append(found.verified.double().mean().item())
    assert shares[1] > 0.9 > 0.1 > shares[0]


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"eps": -0.1}, "eps must"),
        ({"kappa": 1.1}, "kappa, a share, must lie in \\[0, 1\\]; got 1.1"),
        ({"weight": -1.0}, "weight must not be negative"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, match):
    with pytest.raises(ValueError, match=match):
        IntervalBounds(**settings)
