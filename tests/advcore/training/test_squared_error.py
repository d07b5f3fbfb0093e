"""The squared error on fixed features is ridge regression."""

import oracles
import pytest
import torch

from advcore.networks import random_features
from advcore.randomness import Randomness
from advcore.training import Recipe, SquaredError, fit

RIDGE = 1e-2


def test_its_value():
    network, labels = oracles.Constant(2.0, 0.5, 0.0), torch.tensor([0, 2])
    value = SquaredError()(network, oracles.images(2), labels, Randomness(0, torch.arange(2)))
    assert value.item() == pytest.approx((0.5 * (1 + 0.25) + 0.5 * (4 + 0.25 + 1)) / 2)


def test_random_features_come_to_the_ridge_regression():
    torch.manual_seed(0)
    network = random_features(3, side=4, features=30, bandwidth=2.0)
    images, labels = oracles.images(64, dtype=torch.float32), torch.arange(64) % 3
    fixed = network[0].weight.clone()
    recipe = Recipe(
        {"error": SquaredError()},
        epochs=400,
        batch_size=64,
        learning_rate=1.0,
        weight_decay=RIDGE,
        gradient_clip=None,
    )
    for _ in fit(network, images, labels, recipe):
        pass
    assert torch.equal(network[0].weight, fixed)
    features = torch.cat([network[0](images), torch.ones(64, 1)], 1).double()
    targets = torch.nn.functional.one_hot(labels, 3).double()
    penalised = features.mT @ features / 64 + RIDGE * torch.eye(31, dtype=torch.float64)
    exact = features @ torch.linalg.solve(penalised, features.mT @ targets / 64)
    torch.testing.assert_close(network(images).double(), exact, rtol=0, atol=1e-3)


def test_the_features_are_a_gaussian_kernel():
    torch.manual_seed(0)
    network = random_features(3, side=4, features=20000, bandwidth=2.0)
    images = oracles.images(5, dtype=torch.float32)
    features = network[0](images)
    distances = torch.cdist(images.flatten(1), images.flatten(1))
    torch.testing.assert_close(
        features @ features.mT, torch.exp(-distances.square() / 8), rtol=0, atol=0.03
    )


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: SquaredError(-1.0), "weight must not be negative"),
        (lambda: random_features(features=0), "features must be at least 1; got 0"),
        (
            lambda: random_features(bandwidth=0.0),
            "bandwidth must be positive, in pixel units; got 0.0",
        ),
    ],
)
def test_bad_settings_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()
