"""Exact distances against closed forms, a grid of two pixels, and attacks."""

import oracles
import pytest
import torch
from torch import nn

from advcore import Normalized, Untargeted
from advcore.attacks import FMN, PGD, DeepFool, MinimalNorm
from advcore.certify import ExactStatus, exact_distance, nearest_image
from advcore.certify.integer_programme import NearestPoint
from advcore.norms import norm_by_name

SHAPE = (1, 4, 4)
IMAGES = oracles.images(4, SHAPE)


def perceptron(inputs=16, width=8, classes=3, seed=0):
    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Flatten(), nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, classes)
    ).double()
    with torch.no_grad():
        network[1].weight *= 3
        network[3].bias -= network(torch.full((1, inputs), 0.5, dtype=torch.float64))[0]
    return network


def labels_of(network, images):
    return network(images).argmax(1)


@pytest.mark.parametrize("norm", ["linf", "l1"])
def test_an_affine_classifier_has_its_closed_form(norm):
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 3)).double()
    labels, gaps = labels_of(network, IMAGES), network(IMAGES)
    rises = network[1].weight[labels][:, None] - network[1].weight
    dual = norm_by_name(norm).dual(rises.flatten(0, 1)).view(4, 3)
    expected = (gaps.gather(1, labels[:, None]) - gaps) / dual
    expected = expected.scatter(1, labels[:, None], torch.inf).amin(1)
    found = exact_distance(network, IMAGES, labels, norm=norm, box=False)
    assert found.status.tolist() == [ExactStatus.EXACT] * 4
    torch.testing.assert_close(found.distance, expected, rtol=1e-5, atol=2e-6)
    torch.testing.assert_close(found.lower, expected, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("norm", ["linf", "l1"])
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_two_pixels_have_the_distance_that_a_grid_finds(norm, seed):
    """There is no boundary between two points of the grid, up to its step."""
    network = perceptron(inputs=2, width=10, seed=seed)
    steps = torch.linspace(0, 1, 501, dtype=torch.float64)
    grid = torch.cartesian_prod(steps, steps)
    images = torch.tensor([[0.2, 0.7], [0.9, 0.45]], dtype=torch.float64)
    labels, classes = labels_of(network, images), labels_of(network, grid)
    found = exact_distance(network, images, labels, norm=norm)
    for image, label, distance in zip(images, labels, found.distance, strict=True):
        sizes = norm_by_name(norm).size(grid[classes != label] - image)
        assert abs(sizes.amin() - distance) < 4.1e-3


def test_no_attack_comes_nearer_and_the_image_found_has_another_class():
    network = perceptron(width=12)
    labels = labels_of(network, IMAGES)
    exact = exact_distance(network, IMAGES, labels)
    assert exact.status.tolist() == [ExactStatus.EXACT] * 4
    assert (labels_of(network, exact.images) != labels).all()
    assert ((exact.images >= 0) & (exact.images <= 1)).all()
    sizes = (exact.images - IMAGES).abs().flatten(1).amax(1)
    torch.testing.assert_close(sizes, exact.distance, rtol=0, atol=1e-12)
    for attack in (MinimalNorm(norm="linf"), FMN(norm="linf", steps=100)):
        attacked = attack(network, IMAGES, Untargeted(labels)).distance
        assert (exact.lower <= attacked + 1e-6).all()
    free = exact_distance(network, IMAGES, labels, box=False)
    assert (free.distance <= exact.distance + 1e-6).all()
    assert (free.distance < exact.distance - 1e-4).any()


def test_layers_around_the_relus_are_multiplied_out():
    torch.manual_seed(1)
    inner = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten()
    )
    inner.append(nn.Sequential(nn.Dropout(), nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 3)))
    inner[1].running_mean.uniform_()
    network = Normalized(inner.double(), (0.3,), (0.2,)).double().train()
    before = oracles.state(network)
    images = oracles.images(3, SHAPE)
    own = network.eval()(images).argmax(1)
    network.train()
    found = exact_distance(network, images, own)
    assert oracles.state(network) == before
    attacked = MinimalNorm(norm="linf")(network, images, Untargeted(own)).distance
    assert (found.lower <= attacked + 1e-6).all()
    assert (network.eval()(found.images).argmax(1) != own).all()


def test_a_unit_that_is_always_zero_changes_no_distance():
    network = perceptron()
    labels, deepfool = labels_of(network, IMAGES), DeepFool(norm="linf")
    expected = exact_distance(network, IMAGES, labels, attack=deepfool)
    wide = perceptron(width=9)
    with torch.no_grad():
        wide[1].weight[:8], wide[1].bias[:8] = network[1].weight, network[1].bias
        wide[3].weight[:, :8], wide[3].bias[:] = network[3].weight, network[3].bias
        wide[1].weight[8], wide[1].bias[8] = 0, 0
    deep = nn.Sequential(*wide[:3], nn.Linear(9, 9, bias=False), nn.ReLU(), wide[3]).double()
    with torch.no_grad():
        deep[3].weight[:] = torch.eye(9)
    started = deepfool(network, IMAGES, Untargeted(labels)).distance
    assert (started > 1.01 * expected.distance).any()
    for own in (wide, deep):
        found = exact_distance(own, IMAGES, labels, attack=deepfool)
        assert found.status.tolist() == [ExactStatus.EXACT] * 4
        torch.testing.assert_close(found.distance, expected.distance, rtol=0, atol=2e-4)


def test_a_solver_that_denies_the_attack_proves_nothing(monkeypatch):
    nowhere = NearestPoint(None, torch.inf, solved=True)
    monkeypatch.setattr(nearest_image, "nearest_point", lambda *_: nowhere)
    network = perceptron()
    found = exact_distance(network, IMAGES, labels_of(network, IMAGES))
    assert found.distance.isfinite().all()
    assert found.status.tolist() == [ExactStatus.BETWEEN] * 4
    assert found.lower.tolist() == [0.0] * 4


def test_what_is_not_solved_is_not_exact_however_near_the_image_found():
    assert not nearest_image.Nearest(IMAGES[:1], 8e-6, 0.0, solved=False).exact
    assert nearest_image.Nearest(IMAGES[:1], 8e-6, 7.9e-6, solved=True).exact


def test_an_image_that_is_wrong_already_has_distance_0():
    network = perceptron()
    wrong = (labels_of(network, IMAGES) + 1) % 3
    found = exact_distance(network, IMAGES, wrong)
    assert found.status.tolist() == [ExactStatus.ALREADY_WRONG] * 4
    assert found.distance.tolist() == found.lower.tolist() == [0.0] * 4


def test_a_box_without_another_class_is_proven_and_no_box_is_not():
    network = perceptron()
    with torch.no_grad():
        network[3].bias[0] += 1000
        network[3].weight[:] = network[3].weight.abs()
    zeros = torch.zeros(4, dtype=torch.int64)
    found = exact_distance(network, IMAGES, zeros)
    assert found.status.tolist() == [ExactStatus.EXACT] * 4
    assert found.distance.isinf().all()
    assert found.lower.isinf().all()
    network[3].weight.data[1:] = network[3].weight.data[:1]  # now no way out exists at all
    found = exact_distance(network, IMAGES, zeros, box=False)
    assert found.status.tolist() == [ExactStatus.FAILED] * 4
    assert found.lower.tolist() == [0.0] * 4


def test_where_the_time_is_over_both_bounds_hold():
    network = perceptron(width=40)
    labels = labels_of(network, IMAGES)
    hurried = exact_distance(network, IMAGES[:1], labels[:1], seconds=1e-4)
    whole = exact_distance(network, IMAGES[:1], labels[:1], seconds=20)
    assert hurried.status.tolist() == [ExactStatus.BETWEEN]
    assert hurried.lower <= whole.distance + 1e-6
    assert hurried.distance >= whole.lower - 1e-6
    assert hurried.lower < hurried.distance


def test_what_cannot_be_read_is_refused():
    labels = torch.zeros(4, dtype=torch.int64)
    pooled = nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4, 3)).double()
    with pytest.raises(ValueError, match=r"layers must be of .*ReLU.*; got MaxPool2d"):
        exact_distance(pooled, IMAGES, labels)
    with pytest.raises(ValueError, match=r"read from a torch\.nn\.Module; got function"):
        exact_distance(lambda images: pooled(images), IMAGES, labels)
    hooked = perceptron()
    hooked[2].register_forward_hook(lambda module, given, output: output + 1)
    with pytest.raises(ValueError, match="the layers alone do not give"):
        exact_distance(hooked, IMAGES, labels)
    with pytest.raises(ValueError, match="begin with a minimal-norm linf attack with box: true"):
        exact_distance(perceptron(), IMAGES, labels, attack=PGD(eps=0.1))
    with pytest.raises(ValueError, match="norm must be one of linf, l1; got 'l2'"):
        exact_distance(perceptron(), IMAGES, labels, norm="l2")
    with pytest.raises(ValueError, match="seconds must be positive"):
        exact_distance(perceptron(), IMAGES, labels, seconds=0)
