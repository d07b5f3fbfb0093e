import dataclasses

import oracles
import pytest
import torch

from advcore import Randomness
from advcore.attacks import DeepFool
from advcore.probes import Batch, RandomMargins, Table
from advcore.subspaces import median_projection, random_spans

SHAPE = (3, 8, 8)
PROBE = RandomMargins((1, 12, 48, 192))


def _measure(network, images, probe=PROBE):
    batch = Batch(
        images, torch.zeros(len(images), dtype=torch.int64), torch.arange(50, 50 + len(images))
    )
    return probe.measure(network, batch, Randomness(0, batch.indices))


def test_affine_classifiers_are_exact():
    """Each sample in a subspace of its own; the images may lie outside [0, 1]."""
    affine, images = oracles.Affine(shape=SHAPE), 3 * oracles.images(5, SHAPE) - 1
    table = _measure(affine, images)
    distance, expected = table["distance"].view(4, 5), table["expected"].view(4, 5)
    for place, dimension in enumerate(PROBE.dimensions):
        bases = (
            random_spans(Randomness(0, torch.arange(50, 55)), SHAPE, dimension).basis.flatten(2).mT
        )
        exact = [
            affine.margins(image[None], basis=basis)
            for image, basis in zip(images, bases, strict=True)
        ]
        torch.testing.assert_close(distance[place], torch.cat(exact), rtol=1e-4, atol=0)
        flat = affine.margins(images) / median_projection(dimension, 192)
        torch.testing.assert_close(expected[place], flat, rtol=1e-4, atol=0)
    assert (distance.diff(dim=0) < 0).all()  # the subspaces are nested
    torch.testing.assert_close(table["relative"], table["distance"] / table["expected"])
    torch.testing.assert_close(
        table["relative"].view(4, 5)[3], torch.ones(5, dtype=torch.float64), rtol=2e-4, atol=0
    )
    assert table["sample"].view(4, 5)[2].tolist() == list(range(50, 55))
    assert table["dimension"].view(4, 5)[:, 0].tolist() == [1, 12, 48, 192]


def test_relative_has_the_median_one_at_a_flat_boundary_in_every_dimension():
    """Half of the samples lie below 1 for each m, within four standard deviations of a fair coin;
    sqrt(D / m) as the reference leaves nearly three quarters above 1 for m = 1.
    """
    count, shape = 300, (1, 28, 28)
    probe = RandomMargins((1, 4, 16, 64), DeepFool(norm="l2", box=False))
    table = _measure(oracles.Affine(2, shape), oracles.images(count, shape), probe)
    below = (table["relative"].view(4, count) < 1).sum(1)
    assert ((below - count / 2).abs() < 4 * count**0.5 / 2).all()
    assert table["relative"].view(4, count).median(1).values.tolist() == pytest.approx(
        [1, 1, 1, 1], rel=0.3
    )
    exponent = _slope(probe.dimensions, table["distance"].view(4, count).median(1).values)
    flat = _slope(
        probe.dimensions, [1 / median_projection(dimension, 784) for dimension in probe.dimensions]
    )
    assert exponent == pytest.approx(flat, abs=0.05)


def test_a_flat_boundary_falls_faster_than_the_square_root_in_the_default_dimensions():
    dimensions = RandomMargins().dimensions
    assert _slope(
        dimensions, [1 / median_projection(one, 784) for one in dimensions]
    ) == pytest.approx(-0.563, abs=5e-4)


def _slope(dimensions, values):
    across, up = (torch.as_tensor(part, dtype=torch.float64).log() for part in (dimensions, values))
    across = across - across.mean()
    return ((across @ up) / across.square().sum()).item()


def test_rows_only_cost():
    network, images = oracles.relu(shape=SHAPE), oracles.images(5, SHAPE)
    whole, parts = (
        _measure(network, images),
        _measure(network, images, dataclasses.replace(PROBE, rows=2)),
    )
    assert whole["status"] == parts["status"]
    for name in ("sample", "dimension", "distance", "relative"):
        torch.testing.assert_close(parts[name], whole[name], rtol=1e-6, atol=0)
    assert [
        field.name for field in dataclasses.fields(RandomMargins) if field.metadata.get("cost")
    ] == ["rows"]


def test_what_is_not_found_is_inf():
    table = _measure(oracles.Constant(0.0, 2.0), oracles.images(2, SHAPE))
    assert set(table["status"]) == {"censored"}
    for name in ("distance", "expected", "relative"):
        assert torch.isinf(table[name]).all()
    assert PROBE.summarise(table).scalars == {
        "found": 0,
        "median_relative/first": torch.inf,
        "median_relative/last": torch.inf,
    }


def _table():
    columns = {
        "sample": torch.arange(3).repeat(2),
        "dimension": torch.tensor([1, 1, 1, 4, 4, 4]),
        "distance": torch.tensor([8.0, torch.inf, 6.0, 2.0, 5.0, 3.0]),
        "expected": torch.tensor([4.0, 4.0, 6.0, 2.0, 2.0, 3.0]),
        "relative": torch.tensor([2.0, torch.inf, 1.0, 1.0, 2.5, 1.0]),
    }
    order = torch.tensor([3, 0, 5, 1, 4, 2])  # shards end in any order
    return Table(columns).take(order)


def test_summary():
    probe = RandomMargins((1, 4))
    summary = probe.summarise(_table())
    assert {name: curve.y for name, curve in summary.curves.items()} == {
        "median_distance": [8, 3],
        "median_expected": [4, 2],
        "median_relative": [2, 1],
    }
    assert summary.curves["median_distance"].x == (1, 4)
    assert summary.scalars == {
        "found": pytest.approx(5 / 6),
        "median_relative/first": 2,
        "median_relative/last": 1,
    }


def test_charts_set_each_model_beside_a_flat_boundary():
    (chart,) = RandomMargins((1, 4)).charts({"plain": _table(), "robust": _table()})
    assert [series.label for series in chart.series] == [
        "plain",
        "plain, if flat",
        "robust",
        "robust, if flat",
    ]
    measured, flat = chart.series[:2]
    assert [part.tolist() for part in (measured.low, measured.y, flat.y)] == [
        [6, 2],
        [8, 3],
        [4, 2],
    ]
    assert chart.x_scale == chart.y_scale == "log"


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (
            lambda: RandomMargins(()),
            r"dimensions must be a growing list of whole numbers from 1; got \[\]",
        ),
        (lambda: RandomMargins((0, 2)), "dimensions must be a growing list"),
        (lambda: RandomMargins((4, 2)), "dimensions must be a growing list"),
        (lambda: RandomMargins(rows=0), "rows must be at least 1; got 0"),
        (lambda: RandomMargins(attack=DeepFool()), "without a box"),
        (
            lambda: RandomMargins((1, 17)).validate((1, 4, 4), 10),
            "dimensions must not exceed the images', 16; got 17",
        ),
    ],
)
def test_bad_settings_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()
