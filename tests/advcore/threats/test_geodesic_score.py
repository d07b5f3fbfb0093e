"""The length of a transformation's path against closed forms, and the attack that shortens it."""

import math

import pytest
import torch

from advcore import Untargeted
from advcore.attacks import ShortestPath, Status
from advcore.threats import Additive, Flow, Spatial, path_length
from advcore.threats.geodesic_score import straight_length

TURN, RIGHT, DOWN, SHEAR, SCALE = torch.eye(5)


def length(inputs: torch.Tensor, parameters: torch.Tensor, measure=path_length) -> torch.Tensor:
    """The length of a path of parameters in degrees, pixels, pixels, 1 and 1, for all inputs."""
    threat = Spatial(rotation=180, translation=10, shear=1, scale=1)
    region = threat.around(inputs, inputs.new_ones(len(inputs)), lambda x: x)
    share = parameters / torch.tensor([180.0, 10, 10, 1, 1])
    return measure(region, share.to(inputs).expand(len(inputs), -1))


def patches(count: int = 3) -> torch.Tensor:
    """Noise in the middle of a black canvas, `(count, 1, 21, 21)`."""
    inputs = torch.zeros(count, 1, 21, 21, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    inputs[:, :, 8:13, 8:13] = torch.rand(count, 1, 5, 5, generator=generator).double()
    return inputs


def blob(side: int = 41, wide: float = 5.0) -> torch.Tensor:
    """A round Gaussian in the middle, `(1, 1, side, side)`."""
    places = torch.arange(side, dtype=torch.float64) - (side - 1) / 2
    profile = torch.exp(-(places**2) / (2 * wide**2))
    return (profile[:, None] * profile)[None, None]


def change(inputs: torch.Tensor) -> torch.Tensor:
    """The length of a shift by one pixel to the right: under bilinear shifts a straight line."""
    moved = (inputs.roll(1, 3) - inputs).flatten(1).norm(dim=1)
    return moved / inputs.flatten(1).norm(dim=1)


def test_nothing_has_no_length() -> None:
    assert torch.equal(length(patches(), 0 * RIGHT), torch.zeros(3).double())
    assert torch.equal(length(0 * patches(), 3 * RIGHT), torch.zeros(3).double())


@pytest.mark.parametrize("pixels", [-0.1, 0.3, 1.0, 2.0, 5.0])
def test_a_shift_is_as_long_as_its_pixels_times_one(pixels) -> None:
    found = length(patches(), pixels * RIGHT)
    torch.testing.assert_close(found, abs(pixels) * change(patches()), rtol=0.01, atol=1e-6)


@pytest.mark.parametrize("way", [15 * TURN, 0.2 * SHEAR, RIGHT])
def test_twice_as_far_along_a_subgroup_is_twice_as_long(way) -> None:
    """Turns, shears and shifts keep lengths, so that their speed does not change."""
    once, twice = (length(blob().roll(3, 2), times * way) for times in (1, 2))
    assert once > 0.01
    torch.testing.assert_close(twice, 2 * once, rtol=0.03, atol=0)


@pytest.mark.parametrize("scale", [0.1, 0.2, 0.4])
def test_growth_of_a_gaussian(scale) -> None:
    """`||d f(x / s) / ds|| / ||f||` is sqrt(2), the root of the mean of u^2 for u ~ Exp(1)."""
    found = length(blob(), scale * SCALE)
    assert float(found) == pytest.approx(math.sqrt(2) * scale, rel=0.03)


def test_a_turn_of_a_round_picture_has_no_length() -> None:
    assert float(length(blob(61, 8.0), 90 * TURN)) < 0.05
    assert float(length(blob().roll(8, 3), 90 * TURN)) > 1


def test_a_small_turn_is_as_long_as_its_derivative() -> None:
    """That of a Gaussian at (a, 0): angle times a ||df/dy|| = angle a ||f|| / (sqrt(2) wide)."""
    found = length(blob(61, 5.0).roll(10, 3), 2 * TURN)
    assert float(found) == pytest.approx(math.radians(2) * 10 / (math.sqrt(2) * 5), rel=0.03)


@pytest.mark.parametrize("way", [60 * TURN, 4 * RIGHT + 3 * DOWN, 45 * TURN + 0.3 * SCALE])
def test_no_path_is_shorter_than_the_straight_way(way) -> None:
    path, straight = (length(patches(), way, own) for own in (path_length, straight_length))
    assert (path >= straight).all()
    assert (path > 1.1 * straight).any()


def test_paths_do_not_depend_on_batch_mates() -> None:
    inputs = torch.cat([patches(), blob(21, 3.0)])
    whole = length(inputs, 40 * TURN + RIGHT)
    alone = torch.cat([length(own[None], 40 * TURN + RIGHT) for own in inputs])
    torch.testing.assert_close(whole, alone)


def test_in_a_ball_a_path_is_straight() -> None:
    inputs = torch.full((2, 1, 4, 4), 0.5)
    region = Additive("l2").around(inputs, torch.ones(2), lambda x: x)
    moved = torch.full_like(inputs, 0.1)
    torch.testing.assert_close(path_length(region, moved), torch.full((2,), 0.2))


def beyond(column: int):
    """A classifier of pictures: 1 where more than half of the light lies right of a column."""

    def classify(images: torch.Tensor) -> torch.Tensor:
        light = images.sum((1, 2))
        right = light[:, column:].sum(1) - light[:, :column].sum(1)
        return torch.stack([-right, right], 1)

    return classify


def test_the_shortest_path_is_the_shift_to_the_boundary() -> None:
    """Light in the columns 8 to 12, alike in each, is half right of column 13 after 2.5 pixels."""
    inputs = torch.zeros(2, 1, 21, 21, dtype=torch.float64)
    inputs[:, :, 8:13, 8:13] = torch.tensor([0.5, 1.0]).view(2, 1, 1, 1)
    attack = ShortestPath(Spatial(rotation=0, translation=3), points=5, halvings=10)
    result = attack(beyond(13), inputs, Untargeted(torch.zeros(2, dtype=torch.int64)))
    assert result.found.all()
    assert (beyond(13)(result.images).argmax(1) == 1).all()
    torch.testing.assert_close(result.distance, 2.5 * change(inputs), rtol=0.01, atol=0)


def test_what_no_transformation_fools_is_not_found() -> None:
    attack = ShortestPath(Spatial(rotation=20, translation=1), points=3)
    labels = torch.tensor([0, 0, 1])
    result = attack(beyond(13), patches(), Untargeted(labels))
    assert result.status.tolist() == [Status.FAILED, Status.FAILED, Status.ALREADY_WRONG]
    assert result.distance.tolist() == [math.inf, math.inf, 0]
    assert result.queries.tolist() == [1 + 27 + 5, 1 + 27 + 5, 1]


def test_refusals() -> None:
    with pytest.raises(ValueError, match="points must be at least 2 and halvings not negative"):
        ShortestPath(Spatial(), points=1)
    with pytest.raises(ValueError, match="flow has no grid: take pgd or worst_of_k"):
        ShortestPath(Flow())(beyond(13), patches(), Untargeted(torch.zeros(3, dtype=torch.int64)))
