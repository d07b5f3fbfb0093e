"""The probes `layer_margins` and `complexity`, against closed forms."""

import copy
import math

import oracles
import pytest
import torch
from torch import nn

from advcore import Randomness, probes
from advcore.attacks import PGD, DeepFool
from advcore.learnt import Declared, Learnt
from advcore.probes.complexity import MEASURES
from advcore.weights import weight_vector

BATCH = probes.Batch(oracles.images(40), torch.arange(40) % 3, torch.arange(40))
SOURCE = Randomness(0, BATCH.indices)
AFFINE = oracles.Affine()
VARIATION = Learnt("variation", tensors={"input": torch.tensor(2.0)})
PROBE = probes.LayerMargins(VARIATION, ("input",))
TABLE = PROBE.measure(AFFINE, BATCH, SOURCE)


def test_to_first_order_and_by_an_attack_it_is_the_distance_of_an_affine_network():
    correct = AFFINE(BATCH.inputs).argmax(1) == BATCH.labels
    exact = AFFINE.margins(BATCH.inputs)
    assert torch.equal(TABLE.numbers("correct"), correct)
    torch.testing.assert_close(TABLE.numbers("margin")[correct], exact[correct])
    torch.testing.assert_close(TABLE.numbers("normalised"), TABLE.numbers("margin") / 2)
    torch.testing.assert_close(TABLE.numbers("distance")[correct], 1.02 * exact[correct])
    assert (TABLE.numbers("margin")[~correct] < 0).all()
    assert (TABLE.numbers("distance")[~correct] == 0).all()


def test_the_summary_is_of_samples_labelled_right_and_says_the_share_of_the_others():
    summary = PROBE.summarise(TABLE)
    right = TABLE.numbers("normalised")[TABLE.numbers("correct")]
    assert summary.scalars["dropped"] == pytest.approx(1 - len(right) / 40)
    assert math.exp(summary.scalars["signature/input/median"]) == pytest.approx(
        right.quantile(0.5).item()
    )
    assert math.exp(summary.scalars["moment/input/1"]) == pytest.approx(right.mean().item())
    assert "signature/minimal/upper_fence" in summary.scalars
    wrong = TABLE.take(~TABLE.numbers("correct"))
    assert set(PROBE.summarise(wrong).scalars) == {"dropped"}
    assert PROBE.charts({"wrong": wrong}) == []


def test_few_networks_are_drawn_one_by_one_and_many_as_one_line():
    (few,) = PROBE.charts({"one": TABLE, "other": TABLE})
    assert [own.label for own in few.series] == ["one", "other"]
    assert few.series[0].low < few.series[0].y < few.series[0].high
    (many,) = PROBE.charts({str(own): TABLE for own in range(13)})
    assert [own.label for own in many.series] == ["13 networks"]
    assert many.series[0].y.item() == pytest.approx(few.series[0].y.item())


def test_what_does_not_go_together_is_refused():
    declared = Learnt("normals", declared=Declared({"directions": (3, 1, 4, 4)}))
    with pytest.raises(ValueError, match="the fit normals has no 'input'; it has directions"):
        probes.LayerMargins(declared).validate((1, 4, 4), 3)
    with pytest.raises(ValueError, match="the fit normals has no 'count'; it has directions"):
        probes.Complexity(declared).validate((1, 4, 4), 3)
    with pytest.raises(ValueError, match="needs a minimal-norm l2 attack; got pgd-l2"):
        probes.LayerMargins(VARIATION, attack=PGD(norm="l2"))
    with pytest.raises(ValueError, match="needs a minimal-norm l2 attack; got deepfool-linf"):
        probes.LayerMargins(VARIATION, attack=DeepFool(norm="linf"))
    with pytest.raises(ValueError, match="no layer can"):
        probes.LayerMargins(VARIATION, ("minimal",))
    with pytest.raises(ValueError, match="the network has no layer 'first'"):
        probes.LayerMargins(VARIATION).check_layers(AFFINE, BATCH.inputs)
    assert isinstance(PROBE, probes.ReadsLayers)
    with pytest.raises(ValueError, match="size must be a positive number"):
        probes.Complexity(VARIATION, size=0)


def linear(scale=1.0):
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 3, dtype=torch.float64))
    with torch.no_grad():
        network[1].weight.copy_(scale * AFFINE.weight)
    return network


def test_complexity_is_what_it_says_on_a_linear_network():
    network = linear()
    start = copy.deepcopy(network)
    with torch.no_grad():
        start[1].weight[0, 0] += 3
        start[1].bias[1] -= 4
    fit = Learnt("start", tensors={"weights": weight_vector(start), "count": torch.tensor(51)})
    table = probes.Complexity(fit).measure(network, BATCH, SOURCE)
    weight = network[1].weight.detach()
    norms = {
        "weight_norm": (weight.square().sum() + network[1].bias.square().sum()).sqrt(),
        "start_distance": torch.tensor(5.0),
        "spectral_product": torch.linalg.matrix_norm(weight, 2),
        "jacobian": weight.norm(),
    }
    for name, expected in norms.items():
        found = table.numbers(name).double()
        torch.testing.assert_close(found, expected.double().expand(40), rtol=1e-6, atol=0)
    assert set(MEASURES) == set(probes.Complexity(fit).summarise(table).scalars)


def test_larger_steps_of_the_weights_raise_the_loss_more():
    """The loss of a linear network is convex in its weights."""
    network, labels = linear(), linear()(BATCH.inputs).argmax(1)
    batch = probes.Batch(BATCH.inputs, labels, BATCH.indices)
    tables = [
        probes.Complexity(size=size, draws=30).measure(network, batch, SOURCE) for size in (0.5, 2)
    ]
    rises = [table.numbers("rise").mean() for table in tables]
    assert 0 < rises[0] < rises[1]
    assert "start_distance" not in tables[0]


def test_the_start_must_be_of_the_same_network():
    fit = Learnt("start", tensors={"weights": torch.zeros(50), "count": torch.tensor(50)})
    with pytest.raises(ValueError, match="the fit start has 50 weights, and the network 51"):
        probes.Complexity(fit).measure(linear(), BATCH, SOURCE)
