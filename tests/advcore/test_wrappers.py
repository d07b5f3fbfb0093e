"""What only seems robust: the predictions stay, the gradients go."""

import oracles
import pytest
import torch

from advcore.attacks import PGD, StandardEnsemble
from advcore.classifier import predict
from advcore.criteria import Untargeted
from advcore.networks.wrappers import WRAPPERS, RoundedInput, ScaledLogits

SHAPE = (1, 6, 6)


@pytest.mark.parametrize("wrapper", [ScaledLogits(1000.0), RoundedInput()], ids=WRAPPERS)
def test_a_short_descent_fails_where_the_ensemble_does_not(wrapper):
    """Gray images are mapped to the levels first, so that rounding changes no prediction."""
    network = oracles.relu(shape=SHAPE).float()
    images = (255 * oracles.images(40, SHAPE, torch.float32)).round() / 255
    wrapped = wrapper(network)
    labels = predict(network, images)
    assert torch.equal(predict(wrapped, images), labels)
    eps, criterion = 0.1, Untargeted(labels)
    plain = PGD(eps=eps)(network, images, criterion).found
    masked = PGD(eps=eps, random_start=False)(wrapped, images, criterion).found
    ensemble = StandardEnsemble(eps=eps, queries=500)(wrapped, images, criterion).found
    assert plain.double().mean() > 0.8
    assert masked.double().mean() < 0.5 * plain.double().mean()
    assert ensemble.double().mean() > 0.8


def test_logits_are_scaled_and_images_rounded():
    network, images = oracles.relu(shape=SHAPE), oracles.images(3, SHAPE)
    torch.testing.assert_close(ScaledLogits(5.0)(network)(images), 5 * network(images))
    torch.testing.assert_close(
        RoundedInput(11)(network)(images), network((10 * images).round() / 10)
    )


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: ScaledLogits(0.0), "factor must be positive and finite; got 0.0"),
        (lambda: ScaledLogits(float("inf")), "factor must be positive and finite; got inf"),
        (lambda: RoundedInput(1), "levels must be at least 2; got 1"),
    ],
)
def test_bad_settings_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()
