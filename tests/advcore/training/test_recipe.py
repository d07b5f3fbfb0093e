import oracles
import pytest
import torch

from advcore.attacks import FGSM, PGD
from advcore.networks import perceptron
from advcore.training import Adversarial, Recipe, fit


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"epochs": 0}, "epochs must be positive; got 0"),
        ({"batch_size": 0}, "batch_size must be positive; got 0"),
        ({"learning_rate": 0.0}, "learning_rate must be positive; got 0.0"),
        ({"learning_rate": float("nan")}, "learning_rate must be positive; got nan"),
        ({"momentum": -0.1}, "momentum must not be negative; got -0.1"),
        ({"weight_decay": -1.0}, "weight_decay must not be negative; got -1.0"),
        ({"peak": 0.0}, r"peak must lie inside \(0, 1\), a share of all steps; got 0.0"),
        ({"peak": 1.0}, r"peak must lie inside \(0, 1\)"),
        ({"gradient_clip": 0.0}, "gradient_clip must be positive, or None for no limit; got 0.0"),
    ],
)
def test_bad_recipes_are_refused(settings, match):
    with pytest.raises(ValueError, match=match):
        Recipe(**settings)


def test_no_gradient_clip():
    assert Recipe(gradient_clip=None).gradient_clip is None


@pytest.mark.parametrize("attack", [PGD(), FGSM()])
def test_adversarial_training_needs_eps(attack):
    with pytest.raises(ValueError, match="needs eps, a radius in pixel units"):
        Adversarial(attack)


def test_the_learning_rate_is_a_triangle():
    recipe = Recipe(learning_rate=0.2, peak=0.4)
    assert [recipe.rate(progress) for progress in (0, 0.2, 0.4, 0.7, 1)] == pytest.approx([0, 0.1, 0.2, 0.1, 0])


def test_the_triangle_spans_the_training():
    recipe = Recipe(epochs=10, batch_size=10, learning_rate=0.2, peak=0.4)
    images = oracles.images(10, dtype=torch.float32)
    rates = [epoch.learning_rate for epoch in fit(perceptron(2, side=4), images, torch.arange(10) % 2, recipe)]
    assert rates == pytest.approx([recipe.rate(step / 11) for step in range(1, 11)])
    assert min(rates) > 0
