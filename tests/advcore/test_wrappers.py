"""What only seems robust: the predictions stay, the gradients go."""

import oracles
import pytest
import torch

from advcore.attacks import PGD, StandardEnsemble
from advcore.classifier import predict
from advcore.criteria import Untargeted
from advcore.networks.wrappers import GaussianSmoothing, RoundedInput, ScaledLogits

SHAPE = (1, 6, 6)


@pytest.mark.parametrize(
    "wrapper", [ScaledLogits(1000.0), RoundedInput()], ids=lambda own: type(own).__name__
)
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


def test_smoothing_is_one_function_of_the_image():
    """Whatever the batch: the noise is that of no sample."""
    network, images = oracles.softplus(shape=SHAPE), oracles.images(3, SHAPE)
    smoothed = GaussianSmoothing(0.5, draws=8)(network)
    whole = smoothed(images)
    torch.testing.assert_close(smoothed(images[2:]), whole[2:])
    torch.testing.assert_close(
        GaussianSmoothing(0.0)(network)(images), network(images).log_softmax(1)
    )
    assert not torch.allclose(GaussianSmoothing(0.5, draws=8, seed=1)(network)(images), whole)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: ScaledLogits(0.0), "factor must be positive and finite; got 0.0"),
        (lambda: ScaledLogits(float("inf")), "factor must be positive and finite; got inf"),
        (lambda: GaussianSmoothing(-0.1), "sigma must be finite and not negative, .* got -0.1"),
        (lambda: GaussianSmoothing(draws=0), "draws must be at least 1, .* got 0"),
        (lambda: RoundedInput(1), "levels must be at least 2; got 1"),
    ],
)
def test_bad_settings_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()
