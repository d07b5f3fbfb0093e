"""GradAlign against a slow formula; 0 for an affine loss; samples without a gradient stay out."""

import oracles
import pytest
import torch
from losses import QuadraticLoss, affine_loss, slow_gradient
from weight_slopes import check_gradient

from advcore.norms import LINF
from advcore.randomness import Randomness
from advcore.training import GradientAlignment

IMAGES, LABELS = oracles.images(6), torch.arange(6) % 4
ZEROS, SOURCE = torch.zeros_like(LABELS), Randomness(0, torch.arange(6))


def test_the_value_and_its_gradient_are_those_of_the_slow_formula():
    """The gradient at x is a constant: finite differences move the other one alone."""
    network = oracles.softplus()
    eta = LINF.random(SOURCE.stream("eta"), (1, 4, 4), 0.3).double()
    here = [slow_gradient(network, IMAGES[i], LABELS[i]) for i in range(6)]

    def value():
        there = [slow_gradient(network, IMAGES[i] + eta[i], LABELS[i]) for i in range(6)]
        return (
            1
            - sum((a * b).sum() / (a.norm() * b.norm()) for a, b in zip(here, there, strict=True))
            / 6
        )

    loss = GradientAlignment(eps=0.3)(network, IMAGES, LABELS, SOURCE)
    assert loss > 0.01
    check_gradient(network, loss, value)


def test_an_affine_loss_costs_nothing():
    assert GradientAlignment(eps=0.3)(affine_loss(), IMAGES, ZEROS, SOURCE).item() == pytest.approx(
        0, abs=1e-12
    )


def test_samples_without_a_gradient_stay_out():
    """At the top of a parabola the gradient is 0; the other samples' mean is as without it, and
    finite if none is left.
    """
    network, term = QuadraticLoss(torch.eye(16, dtype=torch.float64)), GradientAlignment(eps=0.3)
    flat = torch.cat([IMAGES[:5], torch.zeros_like(IMAGES[:1])])
    expected = term(network, IMAGES[:5], ZEROS[:5], SOURCE.take(torch.arange(5)))
    loss = term(network, flat, ZEROS, SOURCE)
    torch.testing.assert_close(loss, expected)
    none = term(network, torch.zeros_like(IMAGES), ZEROS, SOURCE)
    assert none.item() == 0
    for value in (loss, none):
        assert torch.autograd.grad(value, network.matrix)[0].isfinite().all()


@pytest.mark.parametrize("lead", [0.0, 30.0, 60.0, 95.0])
def test_confident_samples_give_finite_gradients_in_single_precision(lead):
    network = oracles.softplus(dtype=torch.float32)
    with torch.no_grad():
        network[-1].bias[0] += lead
    value = GradientAlignment(eps=0.3)(network, IMAGES.float(), ZEROS, SOURCE)
    assert (value > 0) == (lead < 50)
    assert all(
        gradient.isfinite().all()
        for gradient in torch.autograd.grad(value, list(network.parameters()))
    )


def test_a_negative_eps_is_refused():
    with pytest.raises(ValueError, match="eps must not be negative, in pixel units; got -1"):
        GradientAlignment(eps=-1)
