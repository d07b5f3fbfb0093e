import oracles
import pytest
import torch

from advcore import Randomness
from advcore.curvature import Tempered, cross_entropy_of, gradient_change, one_step_changes, turn

IMAGES = oracles.images(6)
SOURCE = Randomness(0, torch.arange(6))
CENTER = torch.full((1, 4, 4), 0.5, dtype=torch.float64)


def _first(logits):
    return logits[:, 0]


def _margin(predicted):
    return lambda logits: (
        (logits - 1e9 * torch.nn.functional.one_hot(predicted, logits.shape[1])).amax(1)
        - logits.gather(1, predicted[:, None])[:, 0]
    )


def test_an_affine_function_has_the_same_gradient_everywhere():
    affine = oracles.Affine(2)
    assert (gradient_change(affine, IMAGES, _first, 1.0) == 0).all()
    assert (turn(affine, IMAGES, _first, 1.0, randomness=SOURCE) == 0).all()


def test_a_quadratic_changes_by_its_hessian():
    """`v = x^T A x / 2`: grad v(x + h z) - grad v(x) = h A z, along any z."""
    matrix = torch.randn(16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    matrix = matrix + matrix.mT
    quadratic, flat = oracles.Quadratic(matrix), IMAGES.flatten(1)
    z = (flat @ matrix).sign() / 4
    torch.testing.assert_close(
        gradient_change(quadratic, IMAGES, _first, 0.7), 0.7 * (z @ matrix).norm(dim=1)
    )


@pytest.mark.parametrize("h", [0.5, 2.0])
def test_a_sphere_turns_by_the_step_over_the_radius(h):
    """`v = r^2 - ||x - c||^2`: the gradient changes by 2 h in every direction, and its length is 2
    ||x - c||.
    """
    sphere = oracles.Sphere(1.0, CENTER)
    away = (IMAGES - CENTER).flatten(1).norm(dim=1)
    torch.testing.assert_close(
        turn(sphere, IMAGES, _first, h, randomness=SOURCE), h / away, rtol=1e-6, atol=0
    )


def test_confidence_is_taken_out_by_the_temperature():
    """An affine softmax classifier whose logits are scaled is the same one at its own temperature,
    and not at 1.
    """
    labels = torch.arange(6) % 3
    soft, sure = oracles.Affine(scale=1.0), oracles.Affine(scale=30.0)
    loss = cross_entropy_of(labels)
    expected = gradient_change(Tempered(soft, 2.0), IMAGES, loss, 0.3)
    torch.testing.assert_close(gradient_change(Tempered(sure, 60.0), IMAGES, loss, 0.3), expected)
    assert not torch.allclose(gradient_change(sure, IMAGES, loss, 0.3), expected, rtol=0.5)


def test_turn_is_blind_to_the_scale_of_the_logits():
    network = oracles.relu()
    one = turn(network, IMAGES, _first, 1.0, randomness=SOURCE)
    torch.testing.assert_close(
        turn(Tempered(network, 0.01), IMAGES, _first, 1.0, randomness=SOURCE), one
    )
    assert (one > 0.01).all()


def test_turn_is_missing_where_there_is_no_gradient():
    assert turn(oracles.Constant(1.0, 0.0), IMAGES, _first, 1.0).isnan().all()


def test_one_step_reaches_an_affine_boundary_and_no_shorter_one_does():
    affine = oracles.Affine(2)
    value, margins = _margin(affine(IMAGES).argmax(1)), affine.margins(IMAGES)
    assert one_step_changes(affine, IMAGES, value, 1.01 * margins).all()
    assert not one_step_changes(affine, IMAGES, value, 0.99 * margins).any()
    assert not one_step_changes(affine, IMAGES, value, torch.full_like(margins, torch.inf)).any()


def test_draws_are_counted():
    with pytest.raises(ValueError, match="draws must be at least 1; got 0"):
        turn(oracles.relu(), IMAGES, _first, 1.0, draws=0)
