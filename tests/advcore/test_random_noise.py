"""Random noise against closed forms of flat and round boundaries."""

import math

import oracles
import pytest
import torch

from advcore import Randomness, random_noise
from advcore.norms import L2

SHAPE = (3, 8, 8)
FLAT = oracles.Affine(2, SHAPE)


def _source(count, seed=0):
    return Randomness(seed, torch.arange(count))


class Slab(torch.nn.Module):
    """The label is 1 where the first pixel lies in [low, high], else 0."""

    def __init__(self, low, high):
        super().__init__()
        self.low, self.high = low, high

    def forward(self, images):
        inside = torch.minimum(images[:, 0, 0, 0] - self.low, self.high - images[:, 0, 0, 0])
        return torch.stack([torch.zeros_like(inside), inside], 1)


def _line(count):
    """Images at 0 and the direction of the first pixel."""
    directions = torch.zeros(count, 1, 2, 2, dtype=torch.float64)
    directions[:, 0, 0, 0] = 1
    return torch.zeros_like(directions), directions


def test_flips_at_a_flat_boundary_are_gaussian():
    images, draws, sigmas = oracles.images(6, SHAPE), 4000, (0.2, 1.0)
    shares = random_noise.flip_probability(FLAT, images, sigmas, draws, _source(6))
    expected = torch.special.ndtr(-FLAT.margins(images) / torch.tensor(sigmas)[:, None])
    errors = (expected * (1 - expected) / draws).sqrt()
    assert ((shares - expected).abs() < 4.5 * errors + 1e-9).all()
    assert (expected[1] > 0.01).all()
    assert (expected[0] < expected[1]).all()


@pytest.mark.parametrize("rows", [1, 5, 64])
def test_a_sample_flips_as_often_alone_and_in_parts(rows):
    network, images = oracles.relu(), oracles.images(5)
    whole = random_noise.flip_probability(network, images, (0.1, 0.5), 40, _source(5))
    assert torch.equal(
        random_noise.flip_probability(network, images, (0.1, 0.5), 40, _source(5), rows=rows), whole
    )
    alone = random_noise.flip_probability(
        network, images[3:4], (0.5,), 40, _source(5).take(torch.tensor([3]))
    )
    assert torch.equal(alone, whole[1:, 3:4])
    assert torch.equal(
        random_noise.flip_probability(network, images, (0.0,), 2),
        torch.zeros(1, 5, dtype=torch.float64),
    )


@pytest.mark.parametrize("box", [True, False])
def test_noise_is_clipped_on_request(box):
    seen = []

    def spy(images):
        seen.append((images.min().item(), images.max().item()))
        return FLAT(images)

    random_noise.flip_probability(spy, oracles.images(3, SHAPE), (0.5,), 3, box=box)
    assert (seen[-1] == (0.0, 1.0)) is box
    assert (seen[-1][0] < -0.5) is not box


def test_along_a_line_to_a_flat_boundary():
    images = oracles.images(20, SHAPE)
    directions, minimal = random_noise.random_directions(images, _source(20)), FLAT.margins(images)
    normal = (FLAT.weight[1] - FLAT.weight[0]).detach()
    gaps = -FLAT(images).detach().diff(dim=1)[:, 0]
    exact = gaps / (directions.flatten(1) @ normal)
    found = random_noise.distance_along(FLAT, images, directions, minimal)
    assert (found.sign() == exact.sign()).all()
    ratios = found / exact
    assert (ratios >= 1 - 1e-9).all()
    assert (ratios < 1 + 1e-3).all()
    index = torch.tensor([7, 2])
    part = random_noise.distance_along(FLAT, images[index], directions[index], minimal[index])
    torch.testing.assert_close(part, found[index])
    near = random_noise.distance_along(
        FLAT, images, directions, minimal, farthest=exact.abs().median().item()
    )
    assert (near.isinf() == (exact.abs() > exact.abs().median())).all()


def test_along_a_line_out_of_a_ball():
    """From a point off the centre the nearer of both sides is taken."""
    images = 0.5 + 0.1 * (oracles.images(9, SHAPE) - 0.5)
    sphere = oracles.Sphere(1.0, torch.full(SHAPE, 0.5, dtype=torch.float64))
    directions = random_noise.random_directions(images, _source(9))
    offset = ((images - 0.5) * directions).flatten(1).sum(1)
    root = (offset.square() + 1 - (images - 0.5).flatten(1).square().sum(1)).sqrt()
    exact = torch.where(offset < 0, -offset - root, -offset + root)
    found = random_noise.distance_along(
        sphere, images, directions, sphere.margins(images), tolerance=1e-6
    )
    torch.testing.assert_close(found, exact, rtol=1e-6, atol=0)


@pytest.mark.parametrize(("inner", "expected"), [(4, 3.1), (0, math.inf)])
def test_points_between_the_doublings_find_thin_slices(inner, expected):
    found = random_noise.distance_along(
        Slab(3.1, 3.4), *_line(1), torch.ones(1, dtype=torch.float64), farthest=20, inner=inner
    )
    assert found.item() == pytest.approx(expected, rel=1e-3)


def test_both_sides_and_different_starts():
    images, directions = _line(3)
    start = torch.tensor([0.1, 1.0, 70.0], dtype=torch.float64)
    found = random_noise.distance_along(Slab(-60.0, -5.0), images, directions, start)
    torch.testing.assert_close(found, torch.full_like(start, -5), rtol=1e-2, atol=0)
    assert torch.isinf(
        random_noise.distance_along(oracles.Constant(0.0, 1.0), images, directions, start)
    ).all()


def test_the_ratio_at_a_flat_boundary_has_the_median_of_theory():
    """So many of n ratios lie below it: half, within four standard deviations of a fair coin."""
    assert (
        pytest.approx(1 / torch.special.ndtri(torch.tensor(0.75, dtype=torch.float64)).item())
        == random_noise.MEDIAN_RATIO
    )
    count, images = 4000, oracles.images(4000, SHAPE, torch.float32)
    flat = oracles.Affine(2, SHAPE, torch.float32)
    minimal = flat.margins(images)
    found = random_noise.distance_along(
        flat, images, random_noise.random_directions(images, _source(count)), minimal
    )
    ratios = random_noise.noise_ratio(found, minimal, 192)
    assert abs((ratios < random_noise.MEDIAN_RATIO).sum().item() - count / 2) < 4 * count**0.5 / 2


def test_random_directions_are_uniform_and_follow_the_sample():
    images = torch.zeros(2000, 1, 2, 2)
    directions = random_noise.random_directions(images, _source(2000))
    torch.testing.assert_close(L2.size(directions), torch.ones(2000))
    second = directions.flatten(1).mT @ directions.flatten(1) / 2000
    torch.testing.assert_close(second, torch.eye(4) / 4, rtol=0, atol=0.03)
    index = torch.tensor([1999, 3])
    assert torch.equal(
        random_noise.random_directions(images[index], _source(2000).take(index)), directions[index]
    )
    other = random_noise.random_directions(images, _source(2000).stream(1))
    assert (other * directions).flatten(1).sum(1).mean().abs() < 0.05


LINE = (*_line(2), torch.ones(2, dtype=torch.float64))


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (
            lambda: random_noise.flip_probability(FLAT, LINE[0], (), 3),
            r"sigmas must be one or more finite numbers >= 0 .*; got \[\]",
        ),
        (lambda: random_noise.flip_probability(FLAT, LINE[0], (-1.0,), 3), r"got \[-1.0\]"),
        (
            lambda: random_noise.flip_probability(FLAT, LINE[0], (1.0,), 0),
            "draws must be at least 1; got 0",
        ),
        (
            lambda: random_noise.flip_probability(FLAT, LINE[0], (1.0,), 3, rows=0),
            "rows must be at least 1; got 0",
        ),
        (
            lambda: random_noise.flip_probability(FLAT, LINE[0] - 1, (1.0,), 3, box=True),
            r"must lie in \[0, 1\]",
        ),
        (
            lambda: random_noise.distance_along(FLAT, LINE[0], 2 * LINE[1], LINE[2]),
            "directions must be unit vectors in l2",
        ),
        (
            lambda: random_noise.distance_along(FLAT, LINE[0], LINE[1], LINE[2] / 0),
            r"finite distance per image; got \[inf, inf\]: give 1",
        ),
        (
            lambda: random_noise.distance_along(FLAT, *LINE, farthest=math.inf),
            "farthest must be positive and finite",
        ),
        (
            lambda: random_noise.distance_along(FLAT, *LINE, inner=-1),
            "inner, a number of points, must not be negative; got -1",
        ),
        (
            lambda: random_noise.distance_along(FLAT, *LINE, tolerance=1.0),
            r"must lie inside \(0, 1\); got 1.0",
        ),
    ],
)
def test_bad_settings_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()


def test_the_model_is_left_alone():
    network, images = oracles.Moody(), oracles.images(3)
    before = oracles.state(network)
    random_noise.flip_probability(network, images, (0.5,), 3)
    random_noise.distance_along(
        network, images, random_noise.random_directions(images), torch.ones(3, dtype=torch.float64)
    )
    assert oracles.state(network) == before
