import oracles
import pytest
import torch

from advcore import Randomness
from advcore.attacks import PGD, DeepFool
from advcore.probes import Batch, Examples
from advcore.randomness import drawn_places

NETWORK = oracles.relu()


ORDER = drawn_places(torch.arange(70, 78))


def _measure(probe, count=5, network=NETWORK, start=0, labels=4):
    """Of 8 samples, those from `start` on."""
    rows = slice(start, start + count)
    batch = Batch(
        oracles.images(8)[rows],
        (torch.arange(8) % labels)[rows],
        torch.arange(70, 78)[rows],
        start,
        ORDER[rows],
    )
    return probe.measure(network, batch, Randomness(0, batch.indices))


@pytest.mark.parametrize(("count", "rows"), [(3, 3), (9, 8)])
def test_columns(count, rows):
    table = _measure(Examples(count=count), 8)
    assert {len(column) for column in table.values()} == {rows}
    assert table["sample"].tolist() == (70 + (count > ORDER).nonzero()[:, 0]).tolist()
    assert table["image"].shape == table["adversarial"].shape == (rows, 1, 4, 4)
    assert torch.equal(table["prediction"], NETWORK(table["image"]).argmax(1))
    assert torch.equal(table["adversarial_prediction"], NETWORK(table["adversarial"]).argmax(1))
    assert (table["adversarial_prediction"] != table["prediction"]).all()
    torch.testing.assert_close(
        table["distance"], (table["adversarial"] - table["image"]).flatten(1).norm(dim=1)
    )


@pytest.mark.parametrize("count", [9, 5, 3, 1])
def test_shards_give_the_rows_of_the_whole(count):
    probe = Examples(count=count)
    whole, *halves = _measure(probe, 8), _measure(probe, 3), _measure(probe, 5, start=3)
    assert sum(len(half["sample"]) for half in halves) == min(count, 8)
    for name, column in whole.items():
        torch.testing.assert_close(
            torch.cat([half[name] for half in halves]), column, rtol=1e-5, atol=1e-8
        )


def test_summary():
    table = _measure(Examples())
    assert Examples().summarise(table).scalars == {"mean_distance": table["distance"].mean().item()}


def test_the_gallery_has_a_row_for_each_sample_and_two_pictures_for_each_model():
    probe = Examples(count=3)
    tables = {
        "plain": _measure(probe, 8),
        "constant": _measure(probe, 8, network=oracles.Constant(2.0, 0.0)),
    }
    (gallery,) = probe.charts(tables)
    assert gallery.row_labels == [f"sample {int(sample)}" for sample in tables["plain"]["sample"]]
    assert [len(row) for row in gallery.rows] == [5] * 3
    assert len(gallery.column_labels) == 5
    image, perturbation, adversarial = gallery.rows[1][:3]
    assert torch.equal(image.image, tables["plain"]["image"][1])
    torch.testing.assert_close(image.image + perturbation.image, adversarial.image)
    assert [panel.signed for panel in gallery.rows[1]] == [False, True, False, True, False]
    assert image.caption == f"label {int(tables['plain']['label'][1])}"
    assert perturbation.caption == f"{tables['plain']['distance'][1]:.3g}"
    assert gallery.rows[1][3].caption == "inf"


def test_several_attacks_stand_below_each_other():
    probe = Examples(DeepFool(), count=2, more=(DeepFool(norm="linf"),))
    table = _measure(probe, 8)
    assert table["attack"] == ["deepfool-l2"] * 2 + ["deepfool-linf"] * 2
    assert len(table["sample"]) == 4
    alone = _measure(Examples(DeepFool(norm="linf"), count=2), 8)
    torch.testing.assert_close(table["adversarial"][2:], alone["adversarial"])
    (gallery,) = probe.charts({"plain": table})
    first, second = table["sample"][:2].tolist()
    assert gallery.row_labels == [
        f"sample {sample}, {norm}" for sample in (first, second) for norm in ("l2", "linf")
    ]
    assert torch.equal(gallery.rows[1][2].image, table["adversarial"][2])
    assert gallery.rows[3][1].caption == f"{table['distance'][3]:.3g}"
    assert set(probe.summarise(table).scalars) == {"mean_distance/l2", "mean_distance/linf"}
    assert probe.values() == {"attack": ["deepfool-l2", "deepfool-linf"]}


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Examples(DeepFool(), more=(DeepFool(),)), "name each attack once"),
        (lambda: Examples(more=(PGD(),)), "examples need a minimal-norm attack"),
        (lambda: Examples(count=0), "count must be at least 1; got 0"),
        (lambda: Examples(PGD()), "examples need a minimal-norm attack"),
        (lambda: Examples().validate((2, 4, 4), 10), "images of 1 or 3 channels; got 2"),
    ],
)
def test_bad_settings_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()


def test_good_settings_pass():
    Examples(DeepFool(norm="linf")).validate((3, 4, 4), 10)
