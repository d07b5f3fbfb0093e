"""Gaussian augmentation and stability training against their formulas; the network is in training
mode.
"""

import oracles
import pytest
import torch
import torch.nn.functional as F
from losses import affine_loss
from torch import nn
from weight_slopes import check_gradient

from advcore.box import needs_box
from advcore.randomness import Randomness
from advcore.training import Gaussian, Stability
from advcore.training.gaussian import noisy

IMAGES, LABELS = oracles.images(6), torch.arange(6) % 4
SOURCE = Randomness(0, torch.arange(6))


@pytest.fixture
def network():
    module = nn.Sequential(nn.BatchNorm2d(1, momentum=0.0, dtype=torch.float64), oracles.softplus())
    return module.train()


@pytest.mark.parametrize("box", [True, False])
def test_gaussian_is_the_loss_of_noisy_images(network, box):
    moved = IMAGES + 0.5 * SOURCE.stream("gaussian").normal((1, 4, 4)).double()
    moved = moved.clamp(0, 1) if box else moved
    loss = Gaussian(0.5, box)(network, IMAGES, LABELS, SOURCE)
    check_gradient(
        network, loss, lambda: -network(moved).log_softmax(1)[torch.arange(6), LABELS].mean()
    )


def test_a_share_of_the_images_has_the_noise_that_all_would_have(network):
    images, labels = oracles.images(4000), torch.zeros(4000, dtype=torch.int64)
    source = Randomness(2, torch.arange(4000))
    seen = []
    Gaussian(0.1, share=0.25)(lambda own: seen.append(own) or network(own), images, labels, source)
    noise = (seen[0] - images).flatten(1).abs().amax(1) > 0
    assert noise.double().mean().item() == pytest.approx(0.25, abs=0.03)
    assert torch.equal(seen[0][noise], noisy(images, 0.1, False, source)[noise])


def test_stability_is_the_divergence_of_noisy_predictions(network):
    moved = noisy(IMAGES, 0.5, False, SOURCE)

    def value():
        p, q = network(IMAGES).softmax(1), network(moved).softmax(1)
        return sum(p[i, k] * (p[i, k] / q[i, k]).log() for i in range(6) for k in range(4)) / 6

    loss = Stability(0.5)(network, IMAGES, LABELS, SOURCE)
    assert loss > 0.01
    check_gradient(network, loss, value)


def test_noise_has_its_deviation_and_the_box_on_request():
    images = oracles.images(40, (1, 28, 28))
    source = Randomness(1, torch.arange(40))
    noise = noisy(images, 0.3, False, source) - images
    assert noise.std().item() == pytest.approx(0.3, rel=0.02)
    assert noise.mean().item() == pytest.approx(0, abs=0.01)
    boxed = noisy(images, 0.3, True, source)
    assert (boxed.min(), boxed.max()) == (0, 1)


def test_noise_costs_an_affine_loss_its_mean():
    """`E b^T v`, which is 0, of `l(x + v) - l(x)`."""
    images, zeros = IMAGES[:1].expand(4000, -1, -1, -1), torch.zeros(4000, dtype=torch.int64)
    gain = Gaussian(0.1)(
        affine_loss(), images, zeros, Randomness(0, torch.arange(4000))
    ) - F.cross_entropy(affine_loss()(images), zeros)
    assert abs(gain.item()) < 4 * 0.1 * sum(i**2 for i in range(17)) ** 0.5 / 4000**0.5


@pytest.mark.parametrize("share", [0, 1.5])
def test_shares_outside_of_0_to_1_are_refused(share):
    with pytest.raises(
        ValueError, match=r"share must lie in \(0, 1\], 1 for noise on every sample"
    ):
        Gaussian(share=share)


@pytest.mark.parametrize("term", [Gaussian, Stability])
def test_settings(term):
    assert [needs_box(term(box=box)) for box in (True, False)] == [True, False]
    with pytest.raises(
        ValueError, match=r"sigma must be positive, the standard deviation .* got 0"
    ):
        term(sigma=0)
