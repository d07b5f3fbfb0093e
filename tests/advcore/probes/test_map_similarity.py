"""Similarity of maps between networks whose maps are known."""

import oracles
import pytest
import torch

from advcore import Randomness
from advcore.explain import Gradient
from advcore.probes import Batch, MapSimilarity

BATCH = Batch(oracles.images(5), torch.zeros(5, dtype=torch.int64), torch.arange(5))
SOURCE = Randomness(0, BATCH.indices)
OWN, OTHER = oracles.Affine(), oracles.Affine(seed=1)


def test_the_gradients_of_affine_networks_have_the_cosine_of_their_weights():
    probe = MapSimilarity(Gradient(), top=4)
    table = probe.measure(OWN, BATCH, SOURCE, {"own": OWN, "other": OTHER})
    itself, other = (
        {name: table.numbers(name)[table.rows_with("to", to)] for name in ("cosine", "top_shared")}
        for to in ("own", "other")
    )
    one, two = (net.weight.detach()[net(BATCH.inputs).argmax(1)] for net in (OWN, OTHER))
    torch.testing.assert_close(other["cosine"], torch.cosine_similarity(one, two))
    assert itself["cosine"].tolist() == pytest.approx([1] * 5)
    assert itself["top_shared"].tolist() == [1] * 5
    largest = [set(row.abs().topk(4).indices.tolist()) for row in (one[0], two[0])]
    assert other["top_shared"][0].item() == len(largest[0] & largest[1]) / 4


def test_a_chart_has_the_networks_for_its_axes():
    probe = MapSimilarity(Gradient(), top=4)
    tables = {
        name: probe.measure(net, BATCH, SOURCE, {"own": OWN, "other": OTHER})
        for name, net in {"own": OWN, "other": OTHER}.items()
    }
    (chart,) = probe.charts(tables)
    assert chart.x_names == ["own", "other"]
    assert chart.y_names == ["other", "own"]
    assert chart.panels[0][0].flip(0).diagonal().tolist() == pytest.approx([1, 1])


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="to must name each model once; got a, a"):
        MapSimilarity(to=("a", "a"))
    with pytest.raises(ValueError, match="top must be at least 1; got 0"):
        MapSimilarity(top=0)
    with pytest.raises(ValueError, match="top must be at most the 16 pixels of a picture; got 50"):
        MapSimilarity().validate((1, 4, 4), 3)
    with pytest.raises(ValueError, match="give `others`, by name"):
        MapSimilarity().measure(OWN, BATCH, SOURCE)
