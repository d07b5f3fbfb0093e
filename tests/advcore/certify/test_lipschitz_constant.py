"""Lipschitz constants against the singular values of dense matrices and measured slopes."""

import oracles
import pytest
import torch
from torch import nn

from advcore import Normalized
from advcore.certify import lipschitz
from advcore.certify.power_iteration import spectral_norm
from advcore.networks import lenet, preact_resnet18

SHAPE = (2, 6, 6)


def _dense(layer):
    """The largest singular value of a layer's Jacobian."""
    start = oracles.images(1, SHAPE)
    matrix = torch.autograd.functional.jacobian(lambda x: layer(x).flatten(1)[0], start)
    return torch.linalg.matrix_norm(matrix.flatten(1), 2).item()


AFFINE = {
    "linear": lambda: nn.Sequential(nn.Flatten(), nn.Linear(72, 5)),
    "convolution": lambda: nn.Sequential(nn.Conv2d(2, 4, 3, 2, 1, groups=2), nn.Flatten()),
    "average": lambda: nn.Sequential(nn.AvgPool2d(3, 2, 1), nn.Flatten()),
    "batch_norm": lambda: nn.Sequential(nn.BatchNorm2d(2), nn.Flatten()),
    "normalised": lambda: Normalized(nn.Flatten(), (0.4, 0.5), (0.3, 0.2)),
}


@pytest.mark.parametrize("kind", AFFINE)
def test_the_constant_of_an_affine_layer_is_its_largest_singular_value(kind):
    torch.manual_seed(0)
    layer = AFFINE[kind]().double()
    layer(oracles.images(8, SHAPE))
    layer.eval()
    found = lipschitz(layer, oracles.images(1, SHAPE))
    assert found == pytest.approx(_dense(layer), rel=1e-4)


def test_layers_multiply_and_residual_sums_add():
    torch.manual_seed(0)
    first, second = (nn.Conv2d(2, 2, 3, padding=1).double() for _ in range(2))
    images = oracles.images(1, SHAPE)
    one, two = _dense(first), _dense(second)
    chained = nn.Sequential(first, nn.ReLU(), second, nn.MaxPool2d(2), nn.Flatten())
    assert lipschitz(chained, images) == pytest.approx(one * two, rel=1e-4)
    assert lipschitz(lambda x: (x + first(x)).flatten(1), images) == pytest.approx(
        1 + one, rel=1e-4
    )
    overlapping = nn.Sequential(nn.MaxPool2d(3, 2, 1), nn.Flatten())
    assert lipschitz(overlapping, images) == 2


def test_equal_singular_values_and_nothing_at_all_are_found():
    like = torch.zeros(3, dtype=torch.float64)
    assert spectral_norm(lambda x: 2 * x, lambda a: 2 * a, like) == pytest.approx(2)
    assert spectral_norm(lambda x: 0 * x, lambda a: 0 * a, like) == 0


@pytest.mark.parametrize(
    "build",
    [
        lambda: lenet(num_classes=3, side=12, width=0.5),
        lambda: preact_resnet18(num_classes=3, channels=1, width=0.05, depth=10),
    ],
)
def test_no_slope_is_steeper(build):
    torch.manual_seed(0)
    network = build().double()
    images = oracles.images(200, (1, 12, 12))
    network.train()(images)
    network.eval()
    bound = lipschitz(network, images)
    near = images + 1e-3 * torch.randn_like(images)
    for other in (near, images.roll(1, 0)):
        change = (network(other) - network(images)).norm(dim=1)
        assert (change <= bound * (other - images).flatten(1).norm(dim=1)).all()
    still = images[:1].clone().requires_grad_()
    matrix = torch.autograd.functional.jacobian(lambda x: network(x)[0], still).flatten(1)
    assert torch.linalg.matrix_norm(matrix, 2) <= bound
