"""The rows of counterfactuals, checked by the network itself."""

import oracles
import pytest
import torch

from advcore import Randomness
from advcore.attacks import PGD, MinimalNorm, NearestUnlike, SmallestEps
from advcore.learnt import Learnt
from advcore.probes import Batch, Counterfactuals
from advcore.probes.counterfactual_charts import EVERY
from advcore.threats import Along

SAMPLES = oracles.images(30, seed=1)
NETWORK = oracles.relu()
FIT = Learnt("fit", tensors={"inputs": SAMPLES, "labels": NETWORK(SAMPLES).argmax(1).detach()})
BATCH = Batch(oracles.images(5), torch.arange(5) % 4, torch.arange(5) + 7)
PROBE = Counterfactuals(FIT, MinimalNorm(), several=2, images=True)
NEAR = Counterfactuals(FIT, NearestUnlike(FIT, neighbours=3))


def measured(probe):
    return probe.measure(NETWORK, BATCH, Randomness(0, BATCH.indices))


TABLE = measured(PROBE)
CLASSES = NETWORK(BATCH.inputs).shape[1]


def test_each_target_but_the_prediction_has_a_row():
    said = dict(zip(BATCH.indices.tolist(), NETWORK(BATCH.inputs).argmax(1).tolist(), strict=True))
    rows = list(zip(TABLE["sample"].tolist(), TABLE["target"], strict=True))
    for sample, own in said.items():
        targets = [target for other, target in rows if other == sample]
        expected = [str(k) for k in range(CLASSES) if k != own] + [EVERY]
        assert targets == 2 * expected
    assert len(TABLE["sample"]) == 5 * CLASSES * 2


def test_numbers_are_those_of_the_images():
    single = torch.tensor([word != EVERY for word in TABLE["target"]])
    own = TABLE.take(single)
    before = BATCH.inputs[own["sample"] - 7]
    targets = torch.tensor([int(word) for word in own["target"]])
    valid = NETWORK(own["image"]).argmax(1) == targets
    assert torch.equal(valid.double(), own["valid"])
    assert valid.any()
    change = (own["image"] - before).flatten(1)[valid]
    torch.testing.assert_close(own["l2"][valid], change.norm(dim=1))
    torch.testing.assert_close(own["l1"][valid], change.abs().sum(1))
    assert torch.equal(own["l0"][valid].long(), (change.abs() > 0.5 / 255).sum(1))
    assert own["l2"][~valid].isnan().all()
    apart = torch.cdist(own["image"].flatten(1)[valid], SAMPLES.flatten(1))
    torch.testing.assert_close(own["to_data"][valid], apart.amin(1))


def test_every_target_together_is_the_mean():
    own = TABLE.take((TABLE["sample"] == 7) & (TABLE["place"] == 0))
    assert own["all_valid"].tolist() == [1.0] * CLASSES
    for name in ("valid", "l2", "to_target"):
        torch.testing.assert_close(own[name][-1], own[name][:-1].mean())
    assert torch.equal(own["image"][-1], BATCH.inputs[0])


def test_every_target_together_is_unknown_unless_all_are_reached():
    table = measured(Counterfactuals(FIT, NearestUnlike(FIT, neighbours=3), several=3))
    all_valid = table["all_valid"] == 1
    assert all_valid.any()
    assert not all_valid.all()
    for sample, place in {(7 + k, p) for k in range(5) for p in range(3)}:
        own = table.take((table["sample"] == sample) & (table["place"] == place))
        reached = bool((own["valid"][:-1] == 1).all())
        assert own["all_valid"].tolist() == [float(reached)] * CLASSES
        assert own["l2"][-1].isnan() == (not reached)


def test_what_lies_between_samples_lies_nearer_to_them():
    plain, near = (probe.summarise(measured(probe)).scalars for probe in (PROBE, NEAR))
    assert near["median_to_target"] < plain["median_to_target"]
    assert plain["valid"] == 1


def test_charts():
    charts = PROBE.charts({"one": TABLE, "two": TABLE})
    assert [chart.name for chart in charts] == [
        "counterfactual_nearness",
        "counterfactual_lengths",
        "counterfactuals_7",
        "counterfactuals_8",
    ]
    gallery = charts[-1]
    assert len(gallery.rows) == len(gallery.row_labels) == 2 * 2
    assert {len(row) for row in gallery.rows} == {len(gallery.column_labels)} == {CLASSES}


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="several must be at least 1; got 0"):
        Counterfactuals(FIT, MinimalNorm(), several=0)
    with pytest.raises(ValueError, match="pgd-l2, which has a budget"):
        Counterfactuals(FIT, PGD(norm="l2"))
    with pytest.raises(ValueError, match=r"fit has samples \(1, 4, 4\); these inputs are"):
        NEAR.validate((1, 5, 5), 4)
    with pytest.raises(ValueError, match="images are drawn of pictures of 1 or 3 channels"):
        PROBE.validate((16,), 4)
    bare = Learnt("bare", tensors={"inputs": FIT["inputs"]})
    with pytest.raises(ValueError, match="the fit bare has no 'labels'; it has inputs"):
        Counterfactuals(bare, MinimalNorm()).validate((1, 4, 4), 4)
    directions = Learnt("few", tensors={"directions": torch.eye(16)[:2].view(2, 1, 4, 4)})
    along = SmallestEps(PGD(norm="l2", threat=Along(directions, 3)))
    with pytest.raises(ValueError, match="3 directions of the fit few are wanted, and it has 2"):
        Counterfactuals(FIT, along).validate((1, 4, 4), 4)
