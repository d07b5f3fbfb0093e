"""First-order margins at layers, and signatures, against closed forms."""

import copy
import math
from itertools import pairwise

import numpy as np
import oracles
import pytest
import torch
from torch import nn

from advcore.layer_margins import first_order_margins, moments, signature, usable
from advcore.layers import layer_inputs
from advcore.logit_gradients import jacobian

RANDOM = torch.Generator().manual_seed(0)
IMAGES = torch.rand(6, 1, 4, 4, generator=RANDOM, dtype=torch.float64)
LABELS = torch.arange(6) % 3


def affine(*sizes):
    """Affine layers one behind the other, in float64."""
    layers = [nn.Linear(one, other, dtype=torch.float64) for one, other in pairwise(sizes)]
    for layer in layers:
        nn.init.normal_(layer.weight, generator=RANDOM)
        nn.init.normal_(layer.bias, generator=RANDOM)
    return nn.Sequential(nn.Flatten(), *layers)


def relu():
    one, other, last = affine(16, 7, 5, 3)[1:]
    return nn.Sequential(nn.Flatten(), one, nn.ReLU(), other, nn.ReLU(), last)


def test_they_are_exact_at_every_layer_of_an_affine_network():
    """A step of that length towards the class that is told ends on the boundary, no shorter one."""
    network = affine(16, 7, 5, 3)
    layers = ["input", "first", "last"]
    found, nearest = first_order_margins(network, IMAGES, LABELS, layers)
    for place, start in enumerate((1, 2, 3)):
        matrix = torch.eye(network[start].in_features, dtype=torch.float64)
        for layer in network[start:]:
            matrix = layer.weight @ matrix
        logits = network(IMAGES)
        for b, label in enumerate(LABELS):
            ratios = {
                c: ((logits[b, label] - logits[b, c]) / (matrix[label] - matrix[c]).norm()).item()
                for c in range(3)
                if c != label
            }
            assert found[b, place].item() == pytest.approx(min(ratios.values()), rel=1e-9)
            assert ratios[nearest[b, place].item()] == min(ratios.values())


def test_the_nearest_class_need_not_be_the_second_likeliest():
    network = nn.Sequential(nn.Flatten(), nn.Linear(2, 3, dtype=torch.float64))
    with torch.no_grad():
        network[1].weight.copy_(torch.tensor([[0.0, 0], [1, 0], [0, 10]]))
        network[1].bias.copy_(torch.tensor([2.0, 1, 0]))
    margins, nearest = first_order_margins(
        network, torch.zeros(1, 2, dtype=torch.float64), torch.tensor([0]), ["input"]
    )
    assert margins.item() == pytest.approx(0.2)  # 2 / 10 of the third, 1 / 1 of the second
    assert nearest.item() == 2


def test_at_the_input_they_are_those_of_the_jacobian():
    network = relu()
    margins, _ = first_order_margins(network, IMAGES, LABELS, ["input"])
    logits, rows = jacobian(network, IMAGES)
    own = rows[torch.arange(6), LABELS]
    gaps = logits[torch.arange(6), LABELS, None] - logits
    ratios = gaps / (own[:, None] - rows).flatten(2).norm(dim=2)
    expected = ratios.nan_to_num(torch.inf).amin(1)
    torch.testing.assert_close(margins[:, 0], expected)


def test_other_labels_have_negative_margins_and_dead_layers_infinite_ones():
    network = relu()
    right = network(IMAGES).argmax(1)
    margins, _ = first_order_margins(network, IMAGES, right, ["input", "first", "last"])
    assert (margins >= 0).all()
    margins, _ = first_order_margins(network, IMAGES, (right + 1) % 3, ["last"])
    assert (margins < 0).all()
    with torch.no_grad():
        network[1].bias.fill_(-1e3)  # no unit of the first layer is ever on
    margins, _ = first_order_margins(network, IMAGES, network(IMAGES).argmax(1), ["input"])
    assert (margins == torch.inf).all()


def test_a_layer_scaled_up_and_the_next_one_down_has_the_same_margin_over_its_spread():
    network = relu()
    scaled = copy.deepcopy(network)
    with torch.no_grad():
        scaled[1].weight.mul_(4)
        scaled[1].bias.mul_(4)
        scaled[3].weight.div_(4)
    layers = ["input", "first", "last"]
    one, other = (first_order_margins(own, IMAGES, LABELS, layers)[0] for own in (network, scaled))
    torch.testing.assert_close(other[:, [0, 2]], one[:, [0, 2]])
    torch.testing.assert_close(other[:, 1], 4 * one[:, 1])
    spread = [
        layer_inputs(own, IMAGES, ["first"])[1]["first"].var(0, correction=0).sum().sqrt()
        for own in (network, scaled)
    ]
    torch.testing.assert_close(other[:, 1] / spread[1], one[:, 1] / spread[0])


def test_layers_are_what_goes_into_modules_also_behind_a_normalisation():
    from advcore.classifier import Normalized

    network = relu()
    inner = {name: layer_inputs(network, IMAGES, [name])[1][name] for name in ("3", "4", "5")}
    outer = layer_inputs(Normalized(network, [0.0], [1.0]).double(), IMAGES, ["3", "first"])[1]
    torch.testing.assert_close(outer["3"], inner["3"])
    assert outer["first"] is outer["3"]
    assert torch.equal(inner["5"], inner["4"].relu())
    with pytest.raises(ValueError, match=r"no layer '9'; it has 0, 1, 2, 3, 4, 5, first, last"):
        layer_inputs(network, IMAGES, ["9"])
    twice = nn.Sequential(network[0], network[1], network[2], network[2], *network[3:])
    with pytest.raises(ValueError, match="layer '2' is called 2 times for an input; expected once"):
        layer_inputs(twice, IMAGES, ["2"])


def test_a_module_that_works_in_place_leaves_what_went_into_it():
    network = relu()
    network[2] = nn.ReLU(inplace=True)
    held = layer_inputs(network, IMAGES, ["2"])[1]["2"]
    assert (held < 0).any()


def test_the_first_and_the_last_layer_of_a_residual_network():
    """A block's input goes into its first layer and around it: both ways have a gradient."""
    from advcore.networks import preact_resnet18

    network = preact_resnet18(width=0.05, depth=10, channels=1).eval()
    inputs = torch.rand(2, 1, 8, 8, generator=RANDOM)
    layers = ["layer2", "first", "last"]
    _, held = layer_inputs(network, inputs, layers)
    assert held["last"].shape == (2, network.linear.in_features)
    margins, _ = first_order_margins(network, inputs, network(inputs).argmax(1), layers)
    assert margins.isfinite().all()


def test_signatures_are_quartiles_and_fences_that_end_with_the_data():
    values = torch.tensor([1.0, 2, 3, 4, 50, -1, 0, math.inf])
    kept = usable(values)
    assert kept.tolist() == [1, 2, 3, 4, 50]
    expected = [1.0, 2, 3, 4, 7]  # Q1 - 1.5 IQR = -1 is below the data, Q3 + 1.5 IQR = 7 is inside
    np.testing.assert_allclose(signature(kept).exp(), expected)
    powers = [(kept.double() ** k).mean().item() ** (1 / k) for k in range(1, 6)]
    np.testing.assert_allclose(moments(kept).exp(), powers)
    np.testing.assert_allclose(signature(3 * kept), signature(kept) + math.log(3))


def test_labels_are_checked():
    with pytest.raises(ValueError, match="labels"):
        first_order_margins(oracles.relu(), oracles.images(2), torch.tensor([0, 9]), ["input"])
