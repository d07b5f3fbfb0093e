"""PRIME's three families in closed form."""

import math

import oracles
import pytest
import torch

from advcore.randomness import Randomness
from advcore.training import Diffeomorphism, RandomColour, RandomFilter
from advcore.training.prime import displacements, filtered, temperatures, waves_at

SOURCE = Randomness(3, torch.arange(50))


def test_a_filter_shows_its_kernel_on_a_point():
    """Turned by half a turn; the delta of a filter without noise is in its middle."""
    point = torch.zeros(2, 3, 7, 7)
    point[:, :, 3, 3] = 1
    kernels = torch.arange(18.0).view(2, 3, 3)
    shown = filtered(point, kernels)
    assert torch.equal(shown[:, 0, 2:5, 2:5], kernels.flip(1, 2))
    assert torch.equal(shown[:, 0], shown[:, 2])
    assert shown.sum() == 3 * kernels.sum()
    images = oracles.images(4, (1, 6, 9), torch.float32)
    assert torch.equal(RandomFilter(5, 0.0)(images, SOURCE.take(torch.arange(4))), images)


def test_the_kernels_have_their_mean_and_deviation():
    point = torch.zeros(4000, 1, 3, 3)
    point[:, :, 1, 1] = 1 / 64  # nothing is clipped above
    shown = 64 * RandomFilter(3, 4.0)(point, Randomness(0, torch.arange(4000)))[:, 0]
    z = 0.25  # the middle is N(1, 16): the others, clipped below 0, have mean 4 / sqrt(2 pi)
    tail, density = (1 + math.erf(z / 2**0.5)) / 2, math.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    expected = torch.full((3, 3), 4 / math.sqrt(2 * math.pi))
    expected[1, 1] = tail + 4 * density
    torch.testing.assert_close(shown.mean(0), expected, atol=0.2, rtol=0)


def test_a_curve_is_its_sum_of_waves():
    greys = (torch.arange(256) / 255).view(1, 1, 16, 16).repeat(2, 3, 1, 1)
    amplitudes = torch.randn(2, 3, 100, generator=torch.Generator().manual_seed(0))
    wave = torch.sin(math.pi * torch.arange(1, 101) * greys.double()[..., None])
    exact = torch.einsum("bck,bchwk->bchw", amplitudes.double(), wave)
    torch.testing.assert_close(waves_at(greys, amplitudes).double(), exact, atol=1e-3, rtol=0)
    between = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    for number in (1, 50, 100):
        single = torch.zeros(2, 3, 100)
        single[..., number - 1] = 1
        exact = torch.sin(math.pi * number * between)
        assert (waves_at(between, single) - exact).abs().max() < 0.013


def test_a_random_curve_keeps_its_ends_and_has_its_variance():
    """At a grey x it is `T sum_k sin^2(pi k x)`, .5 for most, before the box."""
    images = torch.tensor([0.0, 1.0, 0.5, 0.3]).view(1, 1, 2, 2).expand(2000, 2, 2, 2)
    waves = torch.arange(1, 21)
    moved = RandomColour(20, 1e-5)(images, Randomness(0, torch.arange(2000))) - images
    assert moved[..., 0, :].abs().max() < 1e-6
    for place, grey in ((0, 0.5), (1, 0.3)):
        expected = (1e-5 * torch.sin(math.pi * waves * grey).square().sum()).sqrt().item()
        assert moved[:, :, 1, place].std().item() == pytest.approx(expected, rel=0.05)


def test_a_deformation_moves_pixels_as_far_as_its_temperature_says():
    """The root mean square is `n sqrt(T sum_ij 2 sin^2 sin^2 / (i^2 + j^2))`; in the middle it is
    about `n sqrt(pi T log cut) / 2`, at the lowest T half a pixel.
    """
    side, cut = 33, torch.full((1500,), 6)
    low, high = temperatures(side, cut)
    assert (high > low).all()
    normals = torch.randn(1500, 2, 10, 10, generator=torch.Generator().manual_seed(0))
    moves = displacements(normals, low, cut, torch.zeros(1, 1, side, side))
    measured = moves.square().sum(1).mean(0).sqrt()
    number = torch.arange(1.0, 11)
    square = number[:, None] ** 2 + number**2
    wave = torch.sin(math.pi * torch.linspace(0, 1, side)[:, None] * number).square()
    variance = 2 * wave @ ((square <= 36) / square) @ wave.mT
    exact = side * (low[0] * variance).sqrt()
    torch.testing.assert_close(measured, exact, rtol=0.08, atol=1e-5)
    assert measured[8:25, 8:25].mean().item() == pytest.approx(0.5, rel=0.15)
    assert measured[0].max() < 1e-5
    further = displacements(normals, 4 * low, cut, torch.zeros(1, 1, side, side))
    torch.testing.assert_close(further, 2 * moves)


def test_a_deformation_takes_pixels_from_where_they_are_less_the_displacement():
    """A ramp shows it: its values are places."""
    ramp = (torch.arange(30.0) / 30).expand(50, 1, 24, 30).clone()
    deformed = Diffeomorphism(3)(ramp, SOURCE)
    moved = 30 * (ramp - deformed)
    assert 0.2 < moved.std() < 3
    torch.testing.assert_close(deformed[..., (0, -1), 1:-1], ramp[..., (0, -1), 1:-1])
    torch.testing.assert_close(Diffeomorphism(3)(0 * ramp + 0.25, SOURCE), 0 * ramp + 0.25)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomFilter(4), r"size must be odd, in pixels, for a middle; got 4"),
        (lambda: RandomFilter(sigma=-1), r"sigma must be finite and not negative; got -1"),
        (lambda: RandomColour(0), r"waves must be at least 1; got 0"),
        (
            lambda: RandomColour(temperature=float("nan")),
            r"temperature must be finite and not negative; got nan",
        ),
        (lambda: Diffeomorphism(1), r"waves must be at least 2; got 1"),
    ],
)
def test_settings(make, message):
    with pytest.raises(ValueError, match=message):
        make()
