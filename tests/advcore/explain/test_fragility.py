"""The attack on explanations: what it keeps, what it moves, and where nothing can move."""

import oracles
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from advcore.classifier import predict
from advcore.explain import (
    CentreShift,
    ExplanationAttack,
    Gradient,
    GradientTimesInput,
    IntegratedGradients,
    Into,
    OutOfTop,
    SoftplusForReLU,
)
from advcore.explain.agreement import salience
from advcore.norms import L2, LINF
from advcore.pixel_masks import Rectangle
from advcore.randomness import Randomness

IMAGES = oracles.images(6)
ATTRIBUTIONS = [
    Gradient(),
    GradientTimesInput("margin"),
    IntegratedGradients(steps=3, most_steps=3),
]
CORNER = Into(Rectangle(0, 0, 2, 2))
GOALS = [OutOfTop(4), CentreShift(), CORNER]


def relus(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    layers = nn.Flatten(), nn.Linear(16, 24), nn.ReLU(), nn.Linear(24, 12), nn.ReLU()
    return nn.Sequential(*layers, nn.Linear(12, 3)).double()


NETWORK = relus()
LABELS = predict(NETWORK, IMAGES)


def goal_of(attack: ExplanationAttack, images: torch.Tensor) -> torch.Tensor:
    maps = [salience(attack.attribution(NETWORK, x, LABELS).maps) for x in (images, IMAGES)]
    return attack.goal(*maps)


@pytest.mark.parametrize(
    "relu", [F.relu, torch.relu, torch.Tensor.relu, nn.ReLU(), nn.ReLU(inplace=True)]
)
def test_each_relu_is_a_softplus_inside_the_block_alone(relu):
    z = torch.linspace(-2, 2, 9, dtype=torch.float64)
    with SoftplusForReLU(5.0):
        smooth = relu(z.clone())
    torch.testing.assert_close(smooth, (1 + (5 * z).exp()).log() / 5)
    assert torch.equal(relu(z.clone()), z.clamp(min=0))


@pytest.mark.parametrize("attribution", ATTRIBUTIONS, ids=repr)
def test_maps_with_a_graph_are_the_maps_and_their_slope_that_of_differences(attribution):
    images = IMAGES.clone().requires_grad_()
    with SoftplusForReLU(3.0):
        maps = attribution.differentiable(NETWORK, images, LABELS)
        torch.testing.assert_close(maps, attribution(NETWORK, IMAGES, LABELS).maps)
        way = torch.randn(IMAGES.shape, generator=torch.Generator().manual_seed(1)).double()
        weights = torch.linspace(-1, 2, 16, dtype=torch.float64).view(1, 1, 4, 4)
        slope = (torch.autograd.grad((maps * weights).sum(), images)[0] * way).sum()
        ends = [
            (attribution(NETWORK, IMAGES + h * way, LABELS).maps * weights).sum()
            for h in (1e-5, -1e-5)
        ]
    torch.testing.assert_close(slope, (ends[0] - ends[1]) / 2e-5, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("attribution", ATTRIBUTIONS, ids=repr)
@pytest.mark.parametrize("goal", GOALS, ids=repr)
def test_it_keeps_the_prediction_and_the_ball_and_moves_the_map(attribution, goal):
    attack = ExplanationAttack(0.2, "linf", attribution, goal, 0.05, steps=10, restarts=2)
    moved = attack(NETWORK, IMAGES)
    assert torch.equal(predict(NETWORK, moved), LABELS)
    assert LINF.size(moved - IMAGES).max() <= 0.2 + 1e-12
    assert moved.min() >= 0
    assert moved.max() <= 1
    before, after = goal_of(attack, IMAGES), goal_of(attack, moved)
    assert (after >= before).all()
    assert after.mean() > before.mean() + 0.02


def test_it_moves_the_map_farther_than_noise_of_the_same_size():
    attack = ExplanationAttack(0.2, goal=OutOfTop(4), step=0.05, steps=20, restarts=1)
    signs = torch.randn(20, *IMAGES.shape, generator=torch.Generator().manual_seed(2)).sign()
    noisy = [goal_of(attack, (IMAGES + 0.2 * each).clamp(0, 1)).mean() for each in signs.double()]
    assert goal_of(attack, attack(NETWORK, IMAGES)).mean() > max(noisy)


def test_more_restarts_are_never_worse_and_the_first_starts_at_the_input():
    once, thrice = (
        ExplanationAttack(0.2, goal=OutOfTop(4), step=0.1, steps=4, restarts=n) for n in (1, 3)
    )
    one, many = (goal_of(attack, attack(NETWORK, IMAGES)) for attack in (once, thrice))
    assert (many >= one).all()
    assert (many > one).any()
    drawn = [once(NETWORK, IMAGES, Randomness(s, torch.arange(6))) for s in (0, 1)]
    assert torch.equal(*drawn)


def test_the_gradient_of_an_affine_classifier_cannot_be_moved():
    """So the input is handed back, as it is where eps is 0."""
    attack = ExplanationAttack(0.3, goal=OutOfTop(4), steps=5)
    assert torch.equal(attack(oracles.Affine(3), IMAGES), IMAGES)
    still = ExplanationAttack(0.0, goal=OutOfTop(4), steps=5)
    assert torch.equal(still(NETWORK, IMAGES), IMAGES)


def test_a_map_that_lies_in_its_top_pixels_is_moved_from_a_random_start_alone():
    """Integrated gradients from black are 0 at black pixels, so that all are in the top."""
    dark = IMAGES * (torch.arange(16) < 4).view(1, 1, 4, 4)
    once, twice = (
        ExplanationAttack(
            0.2, attribution=ATTRIBUTIONS[2], goal=OutOfTop(4), step=0.05, steps=5, restarts=n
        )
        for n in (1, 2)
    )
    assert torch.equal(once(NETWORK, dark), dark)
    assert not torch.equal(twice(NETWORK, dark), dark)


def test_a_sample_does_not_depend_on_its_batch():
    attack = ExplanationAttack(0.2, "l2", goal=CORNER, step=0.05, steps=5, restarts=2)
    moved = attack(NETWORK, IMAGES)
    assert L2.size(moved - IMAGES).max() <= 0.2 + 1e-12
    for i in range(6):
        alone = attack(NETWORK, IMAGES[i : i + 1], Randomness(0, torch.tensor([i])))
        torch.testing.assert_close(moved[i : i + 1], alone)


def test_the_network_is_left_as_it_was():
    network = oracles.Moody()
    before = oracles.state(network)
    ExplanationAttack(0.1, goal=OutOfTop(4), steps=2, restarts=2)(network, IMAGES)
    assert oracles.state(network) == before


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"eps": -1.0}, "eps must not be negative"),
        ({"eps": 0.1, "step": 0.0}, "step and beta must be positive; got 0.0 and 10.0"),
        ({"eps": 0.1, "restarts": 0}, "steps and restarts must be at least 1; got 100 and 0"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        ExplanationAttack(**settings)


def test_goals_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"top pixels must be below 16, .* got 16"):
        ExplanationAttack(0.1, goal=OutOfTop(16))(NETWORK, IMAGES)
    with pytest.raises(ValueError, match="count of the top pixels must be at least 1; got 0"):
        OutOfTop(0)
    with pytest.raises(ValueError, match="an attack on explanations needs pictures"):
        ExplanationAttack(0.1)(NETWORK, IMAGES.flatten(1))


def test_images_outside_the_box_are_refused_where_it_keeps_to_it():
    attack = ExplanationAttack(0.1, goal=OutOfTop(4), steps=1)
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        attack(NETWORK, IMAGES + 1)
