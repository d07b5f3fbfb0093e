"""The spread of layers over all samples, and weights as a fit, against dense numbers."""

import copy

import oracles
import pytest
import torch
from learning import learn, shards

from advcore.fits import FITS, LayerVariation, Weights
from advcore.layers import layer_inputs
from advcore.weights import moved_weights, parameters_of, relative_steps, weight_vector

IMAGES = 5 + oracles.images(30, (1, 6, 6), torch.float32)
NETWORK = oracles.relu(shape=(1, 6, 6), dtype=torch.float32)
LAYERS = ("input", "first", "last")


@pytest.mark.parametrize("sizes", [[30], [10, 10, 10], [7, 23]])
def test_it_is_the_root_of_all_variances_of_the_whole_set(sizes):
    """Not a mean over batches: each shard alone has another mean."""
    found = learn(LayerVariation(LAYERS, batch_size=4), NETWORK, shards(IMAGES, sizes), 4).tensors
    _, held = layer_inputs(NETWORK, IMAGES, LAYERS)
    for layer in LAYERS:
        expected = held[layer].double().flatten(1).var(0, correction=0).sum().sqrt()
        assert found[layer].item() == pytest.approx(expected.item(), rel=1e-5)


def test_scaled_inputs_spread_as_much_more():
    one, other = (
        learn(LayerVariation(("input",)), NETWORK, shards(images, [30]), 4).tensors["input"]
        for images in (IMAGES, 3 * IMAGES)
    )
    torch.testing.assert_close(other, 3 * one)


def test_layers_have_names_each_once():
    with pytest.raises(ValueError, match="layers must be names, each once; got input, input"):
        LayerVariation(("input", "input"))
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        LayerVariation(batch_size=0)


def test_weights_are_those_of_the_network_whatever_the_samples():
    state = learn(FITS["weights"](), NETWORK, shards(IMAGES, [10, 20]), 4)
    assert isinstance(FITS["weights"](), Weights)
    assert torch.equal(state.tensors["weights"], weight_vector(NETWORK))
    assert state.tensors["count"] == sum(own.numel() for own in NETWORK.parameters())


def test_moved_weights_come_back_bit_for_bit_also_after_an_error():
    network = copy.deepcopy(NETWORK)
    before = weight_vector(network)
    steps = relative_steps(network, 0.1, torch.Generator().manual_seed(0))
    for own, step in zip(parameters_of(network), steps, strict=True):
        assert step.norm().item() == pytest.approx(0.1 * own.norm().item(), rel=1e-5)
    with moved_weights(network, steps):
        assert not torch.equal(weight_vector(network), before)
    assert torch.equal(weight_vector(network), before)
    with pytest.raises(ValueError, match="spoilt"), moved_weights(network, steps):
        raise ValueError("spoilt")
    assert torch.equal(weight_vector(network), before)
    with pytest.raises(ValueError, match="no parameters"):
        parameters_of(lambda images: images)
