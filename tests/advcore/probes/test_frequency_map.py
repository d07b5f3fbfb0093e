import oracles
import pytest
import torch

from advcore import Randomness
from advcore.attacks import DeepFool
from advcore.probes import Batch, FrequencyMap, Table

SHAPE, COUNT = (1, 6, 6), 5
PROBE = FrequencyMap(size=2)


def _measure(network, images, probe=PROBE):
    batch = Batch(
        images, torch.zeros(len(images), dtype=torch.int64), torch.arange(50, 50 + len(images))
    )
    return probe.measure(network, batch, Randomness(0, batch.indices))


def test_affine_classifiers_are_exact_at_each_place_of_the_map():
    """Also for images outside [0, 1]; scipy's atoms say which frequencies a row and a column
    hold.
    """
    affine, images = oracles.Affine(shape=SHAPE), 3 * oracles.images(COUNT, SHAPE) - 1
    table = _measure(affine, images)
    atoms = oracles.dct_basis(6, 0, 6).view(36, 6, 6)
    assert len(table["sample"]) == 9 * COUNT
    for row in range(3):
        for column in range(3):
            here = (table["row"] == row) & (table["column"] == column)
            basis = atoms[:, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2].flatten(1)
            assert table["sample"][here].tolist() == list(range(50, 50 + COUNT))
            torch.testing.assert_close(
                table["distance"][here], 1.02 * affine.margins(images, basis=basis)
            )


def test_rows_are_no_radius():
    affine, images = oracles.Affine(shape=SHAPE), 5 * oracles.images(COUNT, SHAPE)
    whole = _measure(affine, images)["distance"]
    assert whole.max() > 1
    torch.testing.assert_close(
        _measure(affine, images, FrequencyMap(size=2, rows=1))["distance"], whole
    )


def test_images_need_not_be_square():
    table = _measure(oracles.relu(shape=(1, 4, 6)), oracles.images(2, (1, 4, 6)))
    assert table["row"].tolist() == [0] * 6 + [1] * 6
    assert table["column"].tolist() == [0, 0, 1, 1, 2, 2] * 2


def _table():
    """Three samples in a tiling of 2 x 2: medians 1, inf, 3, 4."""
    distance = torch.tensor(
        [1.0, 9.0, 0.5, torch.inf, torch.inf, 1.0, 3.0, 2.0, 4.0, 4.0, 4.0, torch.inf]
    )
    position = torch.arange(4).repeat_interleave(3)
    order = torch.randperm(
        12, generator=torch.Generator().manual_seed(0)
    )  # shards end in any order
    columns = {
        "sample": torch.arange(3).repeat(4),
        "row": position // 2,
        "column": position % 2,
        "distance": distance,
    }
    return Table(columns).take(order)


def test_summary_counts_what_was_not_found_as_inf():
    summary = PROBE.summarise(_table())
    assert summary.curves["median_margin"].y == [1, torch.inf, 3, 4]
    assert summary.scalars == {
        "found": 0.75,
        "median_margin/low": 1,
        "median_margin/high": 4,
        "median_margin/low_vertical_high_horizontal": torch.inf,
        "median_margin/high_vertical_low_horizontal": 3,
    }


def test_the_chart_has_a_panel_for_each_model():
    (chart,) = PROBE.charts({"plain": _table(), "robust": _table()})
    assert [model for _, model in chart.panels] == ["plain", "robust"]
    assert chart.panels[0][0].tolist() == [
        [1, torch.inf],
        [3, 4],
    ]  # vertical frequency from row to row, upwards
    assert chart.x_limits == chart.y_limits == (0, 4)
    assert chart.scale == "log"


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: FrequencyMap(size=0), "size must be at least 1; got 0"),
        (lambda: FrequencyMap(quality="best"), "quality must be one of fast, tight; got 'best'"),
        (lambda: FrequencyMap(attack=DeepFool()), "without a box"),
        (
            lambda: FrequencyMap(size=5).validate((1, 28, 28), 10),
            "needs a size that divides both sides of the images; got size 5",
        ),
    ],
)
def test_bad_settings_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()
