"""IG-NORM against a slow formula and a closed form."""

import oracles
import pytest
import torch
from losses import QuadraticLoss, affine_loss, slow_gradient
from weight_slopes import check_gradient

from advcore.norms import LINF
from advcore.randomness import Randomness
from advcore.training import IGNorm
from advcore.training.ig_norm import norm_of_gradients

IMAGES, LABELS = oracles.images(6), torch.arange(6) % 4
ZEROS, SOURCE = torch.zeros_like(LABELS), Randomness(0, torch.arange(6))


def test_the_value_and_its_gradient_are_those_of_the_slow_formula():
    network, term = oracles.softplus(), IGNorm(0.3, steps=3, points=4, ascent_points=2)
    moved = term.perturbed(network, IMAGES, LABELS, SOURCE)
    assert LINF.size(moved - IMAGES).max().item() == pytest.approx(0.3)

    def value():
        total = 0
        for x, way, label in zip(IMAGES, moved - IMAGES, LABELS, strict=True):
            slopes = [
                slow_gradient(network, x + t * way, label) for t in (1 / 8, 3 / 8, 5 / 8, 7 / 8)
            ]
            total += (way * torch.stack(slopes).mean(0)).abs().sum()
        return total / 6

    check_gradient(network, term(network, IMAGES, LABELS, SOURCE), value)


def test_an_affine_loss_costs_eps_times_the_l1_norm_of_its_slope():
    """The maximum over the ball, which the ascent reaches, is in a corner."""
    value = IGNorm(0.2, steps=5, points=1, ascent_points=1, box=False)(
        affine_loss(), IMAGES, ZEROS, SOURCE
    )
    assert value.item() == pytest.approx(0.2 * sum(range(17)))


@pytest.mark.parametrize("points", [1, 3])
def test_of_a_quadratic_loss_one_point_is_the_whole_integral(points):
    """The gradient is affine, so its mean along the way is that at the middle."""
    matrix = torch.diag(torch.arange(1.0, 17.0, dtype=torch.float64))
    way = (oracles.images(12)[6:] - 0.5).requires_grad_()
    found = norm_of_gradients(QuadraticLoss(matrix), IMAGES, IMAGES + way, ZEROS, points)
    expected = (way * ((IMAGES + way / 2).flatten(1) @ matrix).view_as(way)).flatten(1).abs().sum(1)
    torch.testing.assert_close(found, expected)


def test_the_ascent_raises_the_norm_above_that_of_its_start():
    network = oracles.softplus()
    few, many = (IGNorm(0.3, steps=n, relative_step=1.0, points=8, ascent_points=8) for n in (1, 8))
    assert many(network, IMAGES, LABELS, SOURCE) >= few(network, IMAGES, LABELS, SOURCE)


@pytest.mark.parametrize("lead", [0.0, 30.0, 95.0])
def test_confident_samples_give_finite_gradients_in_single_precision(lead):
    network = oracles.softplus(dtype=torch.float32)
    with torch.no_grad():
        network[-1].bias[0] += lead
    term = IGNorm(0.3, steps=2, points=3, ascent_points=1)
    value = term(network, IMAGES.float(), ZEROS, SOURCE)
    gradients = torch.autograd.grad(value, list(network.parameters()), materialize_grads=True)
    assert value.isfinite()
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("name", ["points", "ascent_points"])
def test_an_integral_of_no_points_is_refused(name):
    with pytest.raises(ValueError, match=f"{name} of the integral must be at least 1; got 0"):
        IGNorm(0.1, **{name: 0})
