"""PRIME's three families in closed form."""

import math

import oracles
import pytest
import torch

from advcore.randomness import Randomness
from advcore.training import Diffeomorphism, RandomColour, RandomFilter, prime
from advcore.training.prime import cuts, displacements, filtered, temperatures, waves_at

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
    sigma = (torch.arange(1000).double() + 0.5) / 250  # uniform in 0 to 4
    tail, density = torch.special.ndtr(1 / sigma), torch.exp(-0.5 / sigma**2) / (2 * math.pi) ** 0.5
    expected = torch.full((3, 3), 2 / math.sqrt(2 * math.pi))  # of what is clipped below 0
    expected[1, 1] = (tail + sigma * density).mean()
    torch.testing.assert_close(shown.mean(0), expected, atol=0.1, rtol=0)
    around = shown.flatten(1)[:, [0, 1, 2, 3, 5, 6, 7, 8]].square()
    assert around.mean().item() == pytest.approx(4**2 / 3 / 2, rel=0.05)
    pairs = (around.sum(1).square() - around.square().sum(1)) / 56  # one sigma an image
    assert pairs.mean().item() == pytest.approx(4**4 / 5 / 4, rel=0.1)


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
    """At a grey x it is `T sum_k sin^2(pi k x)`, k to K, before the box; T and K are uniform."""
    images = torch.tensor([0.0, 1.0, 0.5, 0.3]).view(1, 1, 2, 2).expand(2000, 2, 2, 2)
    waves = torch.arange(1, 21).double()
    moved = RandomColour(20, 1e-5)(images, Randomness(0, torch.arange(2000))) - images
    assert moved[..., 0, :].abs().max() < 1e-6
    for place, grey in ((0, 0.5), (1, 0.3)):
        sums = torch.sin(math.pi * waves * grey).square().cumsum(0)  # by K
        square = moved[:, :, 1, place].square()
        assert square.mean().item() == pytest.approx(1e-5 / 2 * sums.mean().item(), rel=0.08)
        fourth = 1e-10 / 3 * sums.square().mean().item()
        both = square[:, 0] * square[:, 1]  # channels differ, T and K are theirs together
        assert both.mean().item() == pytest.approx(fourth, rel=0.15)
        assert square.square().mean().item() == pytest.approx(3 * fourth, rel=0.15)


def test_cuts_are_those_of_the_published_code():
    """Uniform largest ones, below them Beta(1/2, 1/2), whose function is `2/pi asin sqrt`."""
    uniform = torch.rand(200_000, 2, generator=torch.Generator().manual_seed(0))
    drawn = cuts(uniform, 20)
    expected = torch.zeros(21).double()
    for largest in range(3, 21):
        parts = (torch.arange(largest).double() / (largest - 1)).sqrt().asin() * 2 / math.pi
        expected[2 : largest + 1] += parts.diff() / 18
    shares = torch.bincount(drawn, minlength=21) / len(drawn)
    torch.testing.assert_close(shares.double(), expected, atol=0.004, rtol=0)
    ends = torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    assert cuts(ends, 20).tolist() == [2, 20, 3]
    assert cuts(ends, 2).tolist() == [2, 2, 2]


def test_the_strengths_of_deformations_are_those_of_their_cuts(monkeypatch):
    """On 29 pixels, cuts to 28: T lies between both temperatures as Beta(1/2, 1/2) says."""
    seen = []
    monkeypatch.setattr(
        prime, "displacements", lambda *given: seen.append(given) or displacements(*given)
    )
    Diffeomorphism()(torch.rand(2000, 1, 29, 29), Randomness(0, torch.arange(2000)))
    (normals, temperature, cut, _) = seen[0]
    assert normals.shape == (2000, 2, 28, 28)
    assert (cut.min(), cut.max()) == (2, 28)
    low, high = temperatures(29, cut)
    share = ((temperature - low) / (high - low))[high > 1.1 * low]
    for part in (0.1, 0.5, 0.8):
        expected = 2 / math.pi * math.asin(part**0.5)
        assert (share < part).double().mean().item() == pytest.approx(expected, abs=0.04)


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
