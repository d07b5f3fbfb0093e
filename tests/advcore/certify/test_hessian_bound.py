"""Curvature certificates against sampled Hessians, attacks and closed forms."""

import oracles
import pytest
import torch
from torch import nn

from advcore import Normalized, Untargeted
from advcore.attacks import MinimalNorm
from advcore.certify import curvature_certificate
from advcore.certify.affine_maps import affine_chain
from advcore.certify.hessian_bound import SECOND_DERIVATIVES, hessian_bounds

SHAPE = (1, 4, 4)
IMAGES = oracles.images(12, SHAPE)
ACTIVATIONS = {"softplus": nn.Softplus(beta=3), "sigmoid": nn.Sigmoid(), "tanh": nn.Tanh()}

every_activation = pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=ACTIVATIONS)


def perceptron(activation, scale=3.0):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), activation, nn.Linear(8, 3)).double()
    with torch.no_grad():
        network[1].weight *= scale
        network[3].bias -= network(torch.full((1, *SHAPE), 0.5, dtype=torch.float64))[0]
    return network.requires_grad_(False)


@every_activation
def test_no_sampled_hessian_has_a_larger_eigenvalue_than_its_bound(activation):
    network = perceptron(activation)
    bounds = hessian_bounds(affine_chain(network, IMAGES, tuple(SECOND_DERIVATIVES)))
    largest = torch.zeros_like(bounds)
    for image in 3 * torch.randn(15, *SHAPE, dtype=torch.float64, generator=_generator()):
        hessians = torch.stack(
            [
                torch.autograd.functional.hessian(lambda x, k=k: network(x[None])[0, k], image)
                for k in range(3)
            ]
        ).view(3, 16, 16)
        gaps = hessians[:, None] - hessians[None]
        largest = torch.maximum(largest, -torch.linalg.eigvalsh(gaps)[..., 0])
    assert (largest <= bounds + 1e-12).all()
    assert (largest > 0.1 * bounds).any()


@every_activation
def test_radii_are_never_above_an_attacked_distance(activation):
    network = perceptron(activation)
    found = curvature_certificate(network, IMAGES)
    assert torch.equal(found.label, network(IMAGES).argmax(1))
    around = Normalized(network, (0.0,), (1.0,)).double()
    attacked = MinimalNorm(norm="l2", box=False)(around, IMAGES, Untargeted(found.label)).distance
    assert (found.radius > 0).all()
    assert (found.radius <= attacked).all()
    assert (found.radius > 0.3 * attacked).any()


def test_the_radius_solves_its_equation_and_the_nearest_class_counts():
    network = perceptron(nn.Tanh())
    found = curvature_certificate(network, IMAGES)
    left = found.gap - found.slope * found.radius - found.curvature * found.radius**2 / 2
    torch.testing.assert_close(left, torch.zeros_like(left), rtol=0, atol=1e-12)
    two = nn.Sequential(*network[:3], nn.Linear(8, 2)).double().requires_grad_(False)
    two[3].weight.data, two[3].bias.data = network[3].weight[:2], network[3].bias[:2]
    own = curvature_certificate(two, IMAGES)
    both = (found.label < 2) & (own.label == found.label)
    assert both.any()
    assert (found.radius <= own.radius + 1e-12)[both].all()


def test_a_network_that_becomes_affine_gets_the_distance_to_its_plane():
    network, bound = perceptron(nn.Tanh(), scale=1.0), []
    for small in (1.0, 0.1, 0.001):
        flat = perceptron(nn.Tanh(), scale=1.0)
        flat[1].weight *= small
        flat[1].bias *= small
        flat[3].weight /= small
        found = curvature_certificate(flat, IMAGES)
        matrix = network[3].weight @ network[1].weight
        rises = (matrix[found.label] - matrix[found.rival]).norm(dim=1)
        bound.append((found.radius * rises / found.gap).amin().item())
    assert bound[0] < bound[1] < bound[2]
    assert bound[2] == pytest.approx(1, abs=2e-3)


def test_one_unit_has_its_own_curvature_and_a_concave_gap_has_none():
    """Softplus bends most at 0, by a quarter of its sharpness."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 1), nn.Softplus(beta=2), nn.Linear(1, 2))
    network = network.double().requires_grad_(False)
    network[3].weight[:] = torch.tensor([[0.0], [5.0]])
    network[3].bias[:] = torch.tensor([100.0, 0.0])
    found = curvature_certificate(network, IMAGES)
    expected = 5 * 2 / 4 * network[1].weight.square().sum()
    assert found.curvature.tolist() == pytest.approx([expected.item()] * 12)
    network[3].weight[:] = torch.tensor([[5.0], [0.0]])
    found = curvature_certificate(network, IMAGES)
    assert found.curvature.tolist() == [0.0] * 12
    torch.testing.assert_close(found.radius, found.gap / found.slope)


def test_other_networks_are_refused():
    with pytest.raises(ValueError, match=r"layers must be of .*Tanh.*; got ReLU"):
        curvature_certificate(perceptron(nn.ReLU()), IMAGES)
    deep = nn.Sequential(*perceptron(nn.Tanh()), nn.Tanh(), nn.Linear(3, 2)).double()
    with pytest.raises(ValueError, match=r"one hidden layer of softplus.*; got 2 such"):
        curvature_certificate(deep, IMAGES)
    jumps = perceptron(nn.Softplus(threshold=1))
    with pytest.raises(ValueError, match=r"softplus jumps .*, at its threshold 1, .*below 20"):
        curvature_certificate(jumps, IMAGES)


def _generator():
    return torch.Generator().manual_seed(1)
