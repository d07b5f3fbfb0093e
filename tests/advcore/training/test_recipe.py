import oracles
import pytest
import torch

from advcore.attacks import FGSM, PGD
from advcore.networks import perceptron
from advcore.training import CURE, AdversarialTraining, CrossEntropy, Recipe, Steps, fit


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"epochs": 0}, "epochs must be positive; got 0"),
        ({"batch_size": 0}, "batch_size must be positive; got 0"),
        ({"learning_rate": 0.0}, "learning_rate must be positive; got 0.0"),
        ({"learning_rate": float("nan")}, "learning_rate must be positive; got nan"),
        ({"momentum": -0.1}, r"momentum must lie in \[0, 1\); got -0.1"),
        ({"optimiser": "lion"}, "optimiser must be one of sgd, adam, adamw; got 'lion'"),
        (
            {"optimiser": "adam", "nesterov": True},
            "nesterov is for sgd with momentum; got optimiser adam with momentum 0.9",
        ),
        (
            {"momentum": 0.0, "nesterov": True},
            "nesterov is for sgd with momentum; got optimiser sgd with momentum 0.0",
        ),
        (
            {"ema": 1.0},
            r"ema must lie in \(0, 1\), or be None for no average of the weights; got 1.0",
        ),
        ({"precision": "half"}, "precision must be one of float32, bfloat16, float16; got 'half'"),
        ({"weight_decay": -1.0}, "weight_decay must not be negative; got -1.0"),
        ({"objective": {}}, "objective needs at least one term"),
        (
            {"objective": {"clean": CrossEntropy(weight=0.0)}},
            "every term of the objective has weight 0 at 0.1% of the steps",
        ),
        (
            {"schedules": {"cure.h": Steps(((0.0, 1.0),))}},
            r"a schedule of 'cure.h': there is no 'cure'; known there: cross_entropy",
        ),
        (
            {"schedules": {"cross_entropy": Steps(((0.0, 1.0),))}},
            "a schedule of 'cross_entropy' needs a number there; got CrossEnt",
        ),
        (
            {"objective": {"cure": CURE()}, "schedules": {"cure.h": Steps(((0.0, 0.0),))}},
            "h must be positive; got 0.0",
        ),
        ({"weight_clip": 0.0}, "weight_clip must be positive, or None for no limit; got 0.0"),
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
        AdversarialTraining(attack)


@pytest.mark.parametrize("term", [CrossEntropy, CURE])
def test_weights_below_zero_are_refused(term):
    with pytest.raises(
        ValueError, match=r"weight must not be negative \(0 leaves the term out\); got -1.0"
    ):
        term(weight=-1.0)


def test_the_learning_rate_is_a_triangle():
    recipe = Recipe(learning_rate=0.2)
    assert [0.2 * recipe.rate(progress) for progress in (0, 0.2, 0.4, 0.7, 1)] == pytest.approx(
        [0, 0.1, 0.2, 0.1, 0]
    )


def test_the_triangle_spans_the_training():
    recipe = Recipe(epochs=10, batch_size=10, learning_rate=0.2)
    images = oracles.images(10, dtype=torch.float32)
    rates = [
        epoch.learning_rate
        for epoch in fit(perceptron(2, side=4), images, torch.arange(10) % 2, recipe)
    ]
    assert rates == pytest.approx([0.2 * recipe.rate(step / 11) for step in range(1, 11)])
    assert min(rates) > 0
