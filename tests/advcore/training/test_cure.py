"""CURE: 0 where the loss is affine, the closed form where it is quadratic, the right gradient in
the weights.
"""

import oracles
import pytest
import torch
from losses import QuadraticLoss, affine_loss, slow_gradient
from weight_slopes import check_gradient

from advcore.norms import L2
from advcore.randomness import Randomness
from advcore.training import CURE, Linear, Recipe, fit

IMAGES, LABELS, ZEROS = oracles.images(6), torch.arange(6) % 2, torch.zeros(6, dtype=torch.int64)
SOURCE = Randomness(0, torch.arange(6))


def _slow(network, term, ways):
    changes = [
        slow_gradient(network, image + term.h * way, label) - slow_gradient(network, image, label)
        for image, way, label in zip(IMAGES, ways, LABELS, strict=True)
    ]
    if term.form == "released":  # gradients of the mean loss of six
        return sum((change / 6).norm() for change in changes) / 6
    return sum(change.square().sum() for change in changes) / 6


@pytest.mark.parametrize("form", ["paper", "released"])
def test_the_value_and_its_gradient_are_those_of_the_slow_formula(form):
    network, term = oracles.softplus(), CURE(h=0.5, form=form)
    signs = [
        slow_gradient(network, image, label).sign()
        for image, label in zip(IMAGES, LABELS, strict=True)
    ]
    ways = [
        (sign + 1e-7) / (sign.norm() + 1e-7) if form == "released" else sign / 4 for sign in signs
    ]
    loss = term(network, IMAGES, LABELS, SOURCE)
    assert loss > 1e-3
    check_gradient(network, loss, lambda: _slow(network, term, ways))


def test_the_penalty_of_a_quadratic_loss_is_the_closed_form():
    matrix = torch.randn(16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    matrix = (matrix + matrix.mT) / 2
    z = L2.steepest((IMAGES.flatten(1) @ matrix).sign())
    expected = 0.3**2 * (z @ matrix).square().sum(1)
    torch.testing.assert_close(CURE(h=0.3).penalty(QuadraticLoss(matrix), IMAGES, ZEROS), expected)
    released = CURE(h=0.3, form="released").penalty(QuadraticLoss(matrix), IMAGES, ZEROS)
    torch.testing.assert_close(released, expected.sqrt() / 6, rtol=1e-5, atol=0)


@pytest.mark.parametrize("form", ["paper", "released"])
def test_an_affine_loss_costs_nothing(form):
    assert (CURE(form=form).penalty(affine_loss(), IMAGES, ZEROS) < 1e-12).all()


def test_the_released_step_has_a_direction_where_the_gradient_is_zero():
    """At the top of a parabola: in the paper's form nothing moves, in the released one every pixel
    by h.
    """
    network, middle = QuadraticLoss(torch.eye(16, dtype=torch.float64)), torch.zeros_like(IMAGES)
    assert (CURE(h=0.5).penalty(network, middle, ZEROS) == 0).all()
    released = CURE(h=0.5, form="released").penalty(network, middle, ZEROS)
    torch.testing.assert_close(released, torch.full_like(released, 0.5 * 4 / 6))


def test_a_schedule_moves_h():
    """One step at half of the training: the ramp of h stands at 3/4."""
    network = oracles.softplus()
    expected = CURE(h=0.75).penalty(network, IMAGES, LABELS).mean().item()
    recipe = Recipe({"cure": CURE(h=1.0)}, {"cure.h": Linear(((0.0, 0.5), (1.0, 1.0)))}, epochs=1)
    (epoch,) = fit(network, IMAGES, LABELS, recipe)
    assert epoch.terms["cure"] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"h": -1.0}, r"h must be positive; got -1.0"),
        ({"form": "code"}, r"form must be paper or released; got 'code'"),
    ],
)
def test_bad_settings_are_refused(settings, match):
    with pytest.raises(ValueError, match=match):
        CURE(**settings)
