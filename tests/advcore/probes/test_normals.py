import oracles
import pytest
import torch

from advcore import Randomness
from advcore.attacks import DeepFool
from advcore.probes import Batch, Normals

SHAPE, COUNT = (1, 6, 6), 12
PROBE = Normals()
FLAT = oracles.Affine(2, SHAPE)


def _measure(network, images=None):
    images = oracles.images(COUNT, SHAPE) if images is None else images
    batch = Batch(
        images, torch.zeros(len(images), dtype=torch.int64), torch.arange(50, 50 + len(images))
    )
    return PROBE.measure(network, batch, Randomness(0, batch.indices))


def test_the_normal_of_a_flat_boundary():
    images = 3 * oracles.images(COUNT, SHAPE) - 1  # also outside [0, 1]
    table = _measure(FLAT, images)
    normal = (FLAT.weight[1] - FLAT.weight[0]).detach()
    away = 1 - 2 * FLAT(images).argmax(1)
    torch.testing.assert_close(table["normal"].flatten(1), away[:, None] * normal / normal.norm())
    torch.testing.assert_close(table["distance"], FLAT.margins(images), rtol=2e-3, atol=0)
    summary = PROBE.summarise(table)
    assert summary.scalars["found"] == 1
    assert summary.scalars["participation_ratio"] == pytest.approx(1)
    assert summary.scalars["dimensions_above_random"] == 1
    assert summary.scalars["participation_ratio/random"] > 5
    assert summary.scalars["median_distance"] == pytest.approx(
        table["distance"].quantile(0.5).item()
    )
    assert summary.curves["singular_value"].y[0] == pytest.approx(COUNT**0.5)


def test_normals_lead_out_of_the_predicted_class():
    network, images = oracles.relu(shape=SHAPE), oracles.images(COUNT, SHAPE)
    table = _measure(network, images)
    reached = images + table["distance"].view(-1, 1, 1, 1) * table["normal"]
    torch.testing.assert_close(
        table["normal"].flatten(1).norm(dim=1), torch.ones(COUNT, dtype=torch.float64)
    )
    assert (network(reached + 1e-9 * table["normal"]).argmax(1) != network(images).argmax(1)).all()


def test_samples_without_a_normal_are_left_out():
    table = _measure(oracles.Constant(0.0, 2.0))
    assert (table["normal"] == 0).all()
    assert set(table["status"]) == {"failed"}
    assert PROBE.summarise(table).scalars == {"found": 0, "median_distance": torch.inf}
    assert PROBE.charts({"constant": table}) == []
    half = _measure(FLAT)
    half["distance"][::2], half["normal"][::2] = torch.inf, 0
    assert PROBE.summarise(half).scalars["found"] == 0.5
    assert len(PROBE.summarise(half).curves["singular_value"].x) == COUNT // 2
    spectrum, _ = PROBE.charts({"half": half, "whole": _measure(FLAT)})
    assert [series.label for series in spectrum.series] == [
        "half",
        "whole",
        "6 random directions",
        "12 random directions",
    ]


def test_one_model_has_a_spectrum_and_nothing_to_overlap_with():
    (chart,) = PROBE.charts({"relu": _measure(oracles.relu(shape=SHAPE))})
    assert [series.label for series in chart.series] == ["relu", "random directions"]
    assert all(len(series.x) == len(series.y) == COUNT for series in chart.series)


def test_overlap_of_equal_and_of_orthogonal_networks():
    other = oracles.Affine(2, SHAPE)
    with torch.no_grad():
        normal = FLAT.weight[1] - FLAT.weight[0]
        turned = normal.flip(0) - (normal.flip(0) @ normal) / (normal @ normal) * normal
        other.weight[1] = other.weight[0] + turned
    networks = {"flat": FLAT, "twin": oracles.Affine(2, SHAPE, scale=3), "turned": other}
    _, chart = PROBE.charts({name: _measure(network) for name, network in networks.items()})
    assert [series.label for series in chart.series] == [
        "flat and twin",
        "flat and turned",
        "twin and turned",
        "random subspaces",
    ]
    assert [series.y.item() for series in chart.series] == pytest.approx(
        [1, 0, 0, 1 / 36], abs=1e-6
    )
    table = _measure(oracles.relu(shape=SHAPE))
    _, chart = PROBE.charts({"one": table, "two": table})
    torch.testing.assert_close(chart.series[0].y, torch.ones(COUNT))


def test_an_attack_in_the_box_is_refused():
    with pytest.raises(ValueError, match="need a minimal-norm l2 attack without a box"):
        Normals(DeepFool())
