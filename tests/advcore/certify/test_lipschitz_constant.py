"""Lipschitz constants against the singular values of dense matrices and measured slopes."""

import oracles
import pytest
import torch
from torch import nn

from advcore import Normalized
from advcore.certify import lipschitz
from advcore.networks import lenet, preact_resnet18

SHAPE = (2, 6, 6)


def _dense(layer, shape=SHAPE):
    """The largest singular value of a layer's Jacobian."""
    start = oracles.images(1, shape)
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
    assert 1 - 1e-12 <= found / _dense(layer) <= 1.15


def test_layers_multiply_and_residual_sums_add():
    torch.manual_seed(0)
    first, second = (nn.Conv2d(2, 2, 3, padding=1).double() for _ in range(2))
    images = oracles.images(1, SHAPE)
    one, two = (lipschitz(nn.Sequential(own, nn.Flatten()), images) for own in (first, second))
    chained = nn.Sequential(first, nn.ReLU(), second, nn.MaxPool2d(2), nn.Flatten())
    assert lipschitz(chained, images) == pytest.approx(one * two, rel=1e-4)
    assert lipschitz(lambda x: (x + first(x)).flatten(1), images) == pytest.approx(
        1 + one, rel=1e-4
    )
    overlapping = nn.Sequential(nn.MaxPool2d(3, 2, 1), nn.Flatten())
    assert lipschitz(overlapping, images) == 2


@pytest.mark.parametrize("rest", [0.995, 0.0])
def test_one_singular_value_a_little_above_the_others_is_found(rest):
    torch.manual_seed(1)
    left, right = (torch.linalg.qr(torch.randn(200, 200).double()).Q for _ in range(2))
    values = torch.full((200,), rest, dtype=torch.float64)
    values[0] = 1.0
    weight = left * values @ right.mT
    found = lipschitz(lambda x: x.flatten(1) @ weight, oracles.images(1, (2, 10, 10)))
    assert found == pytest.approx(1, abs=1e-12)
    assert lipschitz(lambda x: x.flatten(1) * 0.0, oracles.images(1)) == 0


@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("stride", [1, (1, 2), 3])
@pytest.mark.parametrize("padding", [0, 1, 4])
def test_the_constant_of_a_convolution_is_never_too_small_and_near(padding, stride, dilation):
    for seed in range(3):
        torch.manual_seed(seed)
        layer = nn.Conv2d(2, 4, 3, stride, padding, dilation, groups=2).double()
        found = lipschitz(nn.Sequential(layer, nn.Flatten()), oracles.images(1, (2, 15, 15)))
        assert 1 - 1e-12 <= found / _dense(layer, (2, 15, 15)) <= 1.25


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
