import math

import oracles
import pytest
import torch
import torch.nn.functional as F

from advcore.curvature import InputHessian, cross_entropy_of

COUNT = 4
LABELS = torch.arange(COUNT)


def _torchs(logits):
    return F.cross_entropy(logits, LABELS, reduction="none")


@pytest.mark.parametrize(
    "network",
    [oracles.softplus(), oracles.relu(), oracles.Affine(4, scale=10.0)],
    ids=["softplus", "relu", "affine"],
)
def test_value_gradient_and_hessian_are_torchs(network):
    images = oracles.images(COUNT)
    torch.testing.assert_close(cross_entropy_of(LABELS)(network(images)), _torchs(network(images)))
    ours, theirs = (
        InputHessian(network, images, cross_entropy_of(LABELS)),
        InputHessian(network, images, _torchs),
    )
    torch.testing.assert_close(ours.gradient, theirs.gradient)
    torch.testing.assert_close(ours.dense(), theirs.dense(), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("lead", [30.0, 60.0, 3.0, -3.0])
def test_two_logits_far_apart(lead):
    """log(1 + exp(-lead)): derivatives p - 1 and p (1 - p), to the last digits in single
    precision.
    """
    leaf = torch.tensor(lead, requires_grad=True)
    value = cross_entropy_of(torch.tensor([0]))(torch.stack([leaf, torch.zeros(())])[None])[0]
    slope = torch.autograd.grad(value, leaf, create_graph=True)[0]
    bend = torch.autograd.grad(slope, leaf)[0]
    right, wrong = math.exp(lead) / (1 + math.exp(lead)), 1 / (1 + math.exp(lead))
    torch.testing.assert_close(value.item(), math.log1p(math.exp(-lead)), rtol=1e-5, atol=0)
    torch.testing.assert_close(slope.item(), -wrong, rtol=1e-5, atol=0)
    torch.testing.assert_close(bend.item(), right * wrong, rtol=1e-5, atol=0)


def test_the_gradient_of_confident_samples_keeps_its_digits_in_single_precision():
    images = oracles.images(20, dtype=torch.float32)
    affine, exactly = (
        oracles.Affine(4, dtype=torch.float32, scale=60.0),
        oracles.Affine(4, scale=60.0),
    )
    labels = affine(images).argmax(1)
    exact = InputHessian(exactly, images.double(), cross_entropy_of(labels)).gradient.norm(dim=1)
    confident = (exact < 1e-6) & (exact > 1e-15)  # a smaller norm underflows in its squares
    assert confident.sum() >= 2
    ours = InputHessian(affine, images, cross_entropy_of(labels)).gradient.norm(dim=1)
    theirs = InputHessian(
        affine, images, lambda logits: F.cross_entropy(logits, labels, reduction="none")
    ).gradient.norm(dim=1)
    torch.testing.assert_close(ours.double()[confident], exact[confident], rtol=1e-3, atol=0)
    assert ((theirs - exact).abs() > 0.01 * exact)[confident].any()
