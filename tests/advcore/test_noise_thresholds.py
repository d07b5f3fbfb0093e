"""The noise that changes a share of labels, against closed forms."""

import oracles
import pytest
import torch

from advcore import Randomness
from advcore.noise_thresholds import implied_distance, noise_level
from advcore.random_noise import flip_probability

SHAPE = (3, 8, 8)
FLAT = oracles.Affine(2, SHAPE)


def _source(count):
    return Randomness(0, torch.arange(count))


@pytest.mark.parametrize("factor", [0.01, 1.0, 30.0])
def test_a_flat_boundary_flips_a_share_at_its_quantile_from_wherever_the_search_starts(factor):
    images, share, draws = oracles.images(8, SHAPE), 0.2, 200
    exact = FLAT.margins(images) / -torch.special.ndtri(torch.tensor(share, dtype=torch.float64))
    level = noise_level(FLAT, images, factor * exact, share, draws, _source(8))
    assert ((level / exact - 1).abs() < 0.45).all()  # four standard errors
    assert (level / exact).mean().item() == pytest.approx(1, rel=0.12)  # three of their mean
    for row in range(2):
        one = torch.tensor([row])
        sigmas = (0.99 * level[row].item(), level[row].item())
        below, at = flip_probability(FLAT, images[one], sigmas, draws, _source(8).take(one))[:, 0]
        assert below < share <= at


def test_a_sample_has_the_same_level_alone_and_in_parts():
    network, images = oracles.relu(), oracles.images(5)
    start = torch.ones(5, dtype=torch.float64)
    whole = noise_level(network, images, start, 0.1, 40, _source(5))
    torch.testing.assert_close(
        noise_level(network, images, start, 0.1, 40, _source(5), rows=7), whole, rtol=1e-9, atol=0
    )
    index = torch.tensor([3, 1])
    part = noise_level(network, images[index], start[index], 0.1, 40, _source(5).take(index))
    torch.testing.assert_close(part, whole[index], rtol=1e-9, atol=0)


def test_what_never_flips_is_inf_and_what_always_flips_comes_to_an_end():
    images, start = oracles.images(3), torch.tensor([0.1, 1.0, 700.0], dtype=torch.float64)
    assert torch.isinf(noise_level(oracles.Constant(0.0, 1.0), images, start, draws=5)).all()
    restless = noise_level(oracles.Noisy(FLAT, 50.0), oracles.images(3, SHAPE), start, 0.1, 20)
    assert (restless < 1e-2).all()


def test_the_implied_distance_is_that_of_a_flat_boundary():
    sigmas = torch.tensor([0.5, 2.0], dtype=torch.float64)
    flips = torch.special.ndtr(-torch.tensor([[1.0], [3.0]], dtype=torch.float64) / sigmas)
    torch.testing.assert_close(
        implied_distance(flips, sigmas), torch.tensor([[1.0, 1.0], [3.0, 3.0]], dtype=torch.float64)
    )
    assert implied_distance(torch.tensor([[0.0, 0.75]]), torch.ones(2))[0].tolist() == [
        torch.inf,
        pytest.approx(-0.6745, abs=1e-4),
    ]


@pytest.mark.parametrize(
    ("start", "share", "match"),
    [
        (
            torch.zeros(1),
            0.1,
            "start must hold one positive, finite level per image; got \\[0.0\\]: give 1",
        ),
        (torch.ones(2), 0.1, "start must hold one positive"),
        (torch.ones(1), 1.0, "share must lie inside \\(0, 1\\); got 1.0"),
    ],
)
def test_bad_settings_are_refused(start, share, match):
    with pytest.raises(ValueError, match=match):
        noise_level(oracles.Constant(0.0, 1.0), torch.zeros(1, 1, 2, 2), start, share)
