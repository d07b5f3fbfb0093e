"""CURE: 0 where the loss is affine, the closed form where it is quadratic, the right gradient in the weights."""

import oracles
import pytest
import torch
from torch import nn

from advcore.norms import L2
from advcore.randomness import Randomness
from advcore.training import CURE

IMAGES, LABELS = oracles.images(6), torch.arange(6) % 2
SOURCE = Randomness(0, torch.arange(6))


class Squared(nn.Module):
    """Two logits whose cross-entropy with label 0 is `log(1 + exp(x^T A x / 2))`, nearly quadratic where that is large."""

    def __init__(self, matrix):
        super().__init__()
        self.matrix = nn.Parameter(matrix)

    def forward(self, images):
        flat = images.flatten(1)
        return torch.stack([torch.zeros(len(flat), dtype=flat.dtype), 1e3 + (flat @ self.matrix * flat).sum(1) / 2], 1)


def test_the_penalty_of_a_quadratic_loss_is_the_closed_form():
    matrix = torch.randn(16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    matrix = (matrix + matrix.mT) / 2
    flat = IMAGES.flatten(1)
    z = L2.steepest((flat @ matrix).sign())
    expected = 0.3**2 * (z @ matrix).square().sum(1)
    penalty = CURE(h=0.3).penalty(Squared(matrix), IMAGES, torch.zeros(6, dtype=torch.int64))
    torch.testing.assert_close(penalty, expected)


def test_an_affine_loss_costs_nothing():
    vector = torch.arange(16.0, dtype=torch.float64)

    def affine(images):
        rise = 1e3 + images.flatten(1) @ vector
        return torch.stack([torch.zeros_like(rise), rise], 1)

    module = nn.Module()
    module.forward = affine
    penalty = CURE().penalty(module, IMAGES, torch.zeros(6, dtype=torch.int64))
    assert (penalty < 1e-20).all()


def test_its_gradient_in_the_weights_is_that_of_finite_differences():
    network, term = oracles.softplus(), CURE(h=0.5)
    network.requires_grad_()
    loss = term(network, IMAGES, LABELS, SOURCE)
    weight = next(network.parameters())
    (gradient,) = torch.autograd.grad(loss, weight)
    direction = torch.randn(weight.shape, dtype=weight.dtype, generator=torch.Generator().manual_seed(1))
    values = []
    for step in (1e-6, -1e-6):
        with torch.no_grad():
            weight += step * direction
        values.append(term(network, IMAGES, LABELS, SOURCE).item())
        with torch.no_grad():
            weight -= step * direction
    assert (gradient * direction).sum().item() == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-5)
    assert loss > 0


def test_modes_are_as_they_were():
    network = oracles.Moody().train()
    before = oracles.state(network)
    CURE().penalty(network, IMAGES, torch.zeros(6, dtype=torch.int64))
    assert oracles.state(network) == before


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match=r"h must be positive; got -1.0"):
        CURE(h=-1.0)
