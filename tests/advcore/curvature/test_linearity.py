import oracles
import pytest
import torch
import torch.nn.functional as F

from advcore import Randomness
from advcore.curvature import linearity_error

COUNT, DIMENSION = 4, 16
LABELS = torch.tensor([0, 1, 2, 3])


def _first_logit(logits):
    return logits[:, 0]


def _cross_entropy(logits):
    return F.cross_entropy(logits, LABELS[: len(logits)], reduction="none")


def _with_spectrum(*values):
    basis = torch.linalg.qr(
        torch.randn(
            DIMENSION, DIMENSION, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
        )
    ).Q
    return basis * torch.tensor(values, dtype=torch.float64) @ basis.mT


@pytest.mark.parametrize("norm", ["l1", "l2", "linf"])
@pytest.mark.parametrize(
    "network", [oracles.Affine(4), oracles.Constant(1.0, 0.0)], ids=["affine", "constant"]
)
def test_no_error_on_affine_objectives(network, norm):
    assert (
        linearity_error(network, oracles.images(COUNT), _first_logit, norm, 1.0).error.max() < 1e-14
    )


@pytest.mark.parametrize(
    "values", [[5.0, *[0.5] * 14, -1.0], [1.0, *[0.5] * 14, -5.0]], ids=["convex", "concave"]
)
@pytest.mark.parametrize("eps", [0.1, 2.0])
def test_a_quadratic_departs_by_half_its_largest_curvature(values, eps):
    """Max |d^T A d| / 2 over the l2 ball is |lambda| eps^2 / 2, of whichever sign, and beyond the
    box.
    """
    result = linearity_error(
        oracles.Quadratic(_with_spectrum(*values)), oracles.images(COUNT), _first_logit, "l2", eps
    )
    exact = torch.full((COUNT,), 2.5 * eps**2, dtype=torch.float64)
    assert (result.error <= exact * (1 + 1e-12)).all()
    torch.testing.assert_close(result.error, exact, rtol=0.01, atol=0)
    assert (result.perturbation.flatten(1).norm(dim=1) <= eps * (1 + 1e-12)).all()


def test_a_sphere_in_linf():
    """||d||_2^2 is D eps^2 at a corner of the cube."""
    sphere = oracles.Sphere(0.3, torch.zeros(1, 4, 4, dtype=torch.float64))
    error = linearity_error(sphere, oracles.images(COUNT), _first_logit, "linf", 0.2).error
    torch.testing.assert_close(error, torch.full((COUNT,), DIMENSION * 0.04, dtype=torch.float64))


def test_the_error_is_seen_at_the_perturbation():
    network, images = oracles.softplus(), oracles.images(COUNT)
    result = linearity_error(network, images, _cross_entropy, "linf", 0.1)
    leaf = images.clone().requires_grad_()
    value = _cross_entropy(network(leaf))
    slope = torch.autograd.grad(value.sum(), leaf)[0]
    departed = (
        _cross_entropy(network(images + result.perturbation))
        - value
        - (slope * result.perturbation).flatten(1).sum(1)
    )
    torch.testing.assert_close(departed.abs().detach(), result.error)
    corner = (
        0.1
        * (
            2
            * torch.randint(0, 2, (200, *images.shape), generator=torch.Generator().manual_seed(0))
            - 1
        ).double()
    )
    gaps = torch.stack(
        [
            _cross_entropy(network(images + d)) - value - (slope * d).flatten(1).sum(1)
            for d in corner
        ]
    )
    assert (gaps.abs().mean(0) < result.error).all()
    assert (
        gaps.abs().amax(0) < 1.2 * result.error
    ).all()  # ascent is no search of all corners, but no worse than 200 of them


def test_rows_do_not_depend_on_their_batch_and_the_model_is_left_alone():
    images, source = oracles.images(COUNT), Randomness(0, torch.arange(7, 7 + COUNT))
    network = oracles.Moody()
    before = oracles.state(network)
    whole = linearity_error(network, images, _cross_entropy, randomness=source).error
    assert oracles.state(network) == before
    one = torch.tensor([0])
    alone = linearity_error(network, images[one], _cross_entropy, randomness=source.take(one)).error
    torch.testing.assert_close(alone, whole[one])


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"eps": 0.0}, "eps must be positive, in pixel units; got 0.0"),
        ({"steps": 0}, "steps must be at least 1 and starts at least 2; got 0 and 4"),
        ({"starts": 1}, "steps must be at least 1 and starts at least 2; got 20 and 1"),
        ({"norm": "l0"}, "norm must be one of l1, l2, linf; got 'l0'"),
    ],
)
def test_bad_settings_are_refused(settings, match):
    with pytest.raises(ValueError, match=match):
        linearity_error(oracles.relu(), oracles.images(2), _first_logit, **settings)


def test_logits_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="NaN or infinite logits"):
        linearity_error(oracles.Constant(torch.nan, 1.0), oracles.images(2), _first_logit)
