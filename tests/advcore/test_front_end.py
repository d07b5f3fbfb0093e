"""The front end: its filters, its rates in closed form, and its noise."""

import math

import pytest
import torch

from advcore.networks import front_end
from advcore.networks.front_end_network import FLOOR, gabor_bank

IMAGES = torch.rand(3, 1, 12, 12, generator=torch.Generator().manual_seed(0))


def small(**arguments):
    torch.manual_seed(0)
    return front_end(side=12, pairs=2, **arguments)


@pytest.mark.parametrize("channels", [1, 3])
def test_filters_have_mean_0_and_norm_1(channels):
    filters = gabor_bank(8, channels, 7)
    assert filters.shape == (16, channels, 7, 7)
    torch.testing.assert_close(filters.flatten(1).norm(dim=1), torch.ones(16))
    assert filters.mean((2, 3)).abs().max() < 1e-6
    turned = filters[0].mT, filters[4]  # a quarter turn: pair 4 is upright where pair 0 lies
    torch.testing.assert_close(*turned)


def test_complex_cells_do_not_see_the_phase_of_a_wave_and_simple_ones_do():
    """Of the first pair's wave, far from the border: the same rate at each place."""
    wave = torch.cos(math.pi / 2 * torch.arange(28.0)).expand(1, 1, 28, 28) / 2 + 0.5
    network = front_end(pairs=2)
    simple, complex_ = network.rates(wave)[0, [0, 2], 10:18, 10:18]
    assert complex_.std() < 0.05 * complex_.mean()
    assert simple.std() > 0.5 * simple.mean()
    assert (network.rates(torch.zeros(1, 1, 28, 28)) <= FLOOR + 1e-6).all()  # nothing, no rate


def test_without_noise_both_modes_agree():
    network = small(noise=0.0)
    torch.testing.assert_close(network.train()(IMAGES), network.eval()(IMAGES))


def test_noise_in_evaluation_is_one_function_of_the_image():
    """The mean probabilities over the fixed draws, whatever lies beside the image."""
    network = small(noise=0.5, draws=3).eval()
    rates = network.rates(IMAGES)
    noisy = [rates + 0.5 * (rates + FLOOR).sqrt() * own for own in network.fixed]
    expected = torch.stack([network.body(own).softmax(1) for own in noisy]).mean(0)
    torch.testing.assert_close(network(IMAGES).exp(), expected)
    torch.testing.assert_close(network(IMAGES[1:2]), network(IMAGES)[1:2])
    assert not torch.allclose(network(IMAGES), small(noise=0.5, draws=3, seed=1).eval()(IMAGES))


def test_noise_in_training_is_new_each_time_and_comes_from_torchs_generators():
    network = small(noise=0.5).train()
    torch.manual_seed(3)
    first, second = network(IMAGES), network(IMAGES)
    torch.manual_seed(3)
    torch.testing.assert_close(network(IMAGES), first)
    assert not torch.allclose(first, second)


@pytest.mark.parametrize(("bank", "learned"), [("gabor", 0), ("random", 0), ("learned", 1)])
def test_filters_are_parameters_only_where_they_are_learned(bank, learned):
    network = small(bank=bank)
    assert sum(name == "filters" for name, _ in network.named_parameters()) == learned
    assert "filters" in network.state_dict()
    assert "fixed" not in network.state_dict()  # the seed makes it again


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bank": "sobel"}, "bank must be one of gabor, random, learned; got 'sobel'"),
        ({"kernel": 4}, "kernel must be odd and at least 3, in pixels; got 4"),
        ({"draws": 0}, "draws must be at least 1; got 0"),
        ({"noise": -1.0}, "noise must be finite and not negative; got -1.0"),
    ],
)
def test_settings_that_make_no_front_end_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        small(**arguments)


@pytest.mark.parametrize("shape", [(2, 1, 14, 14), (2, 3, 12, 12), (1, 12, 12)])
@pytest.mark.parametrize("noise", [0.0, 0.35])
def test_images_of_another_shape_are_refused(shape, noise):
    with pytest.raises(ValueError, match=r"made for images \(B, 1, 12, 12\); got \("):
        small(noise=noise)(torch.zeros(shape))
