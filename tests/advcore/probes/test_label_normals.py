"""Normals from labels: the closed form at a flat boundary, frequencies, the control, refusals."""

import oracles
import pytest
import torch

from advcore import Randomness
from advcore.attacks import DeepFool
from advcore.attacks.decisions.low_frequencies import LowFrequencies
from advcore.probes import Batch, LabelNormals, Table
from advcore.workers.probe_checks import check_columns

SHAPE = (1, 8, 8)
TWO = oracles.Affine(2, SHAPE)
IMAGES = oracles.images(200, SHAPE, spread=0.4)
NUMBERS = (50, 200)


def _measure(probe, network=TWO, images=IMAGES):
    batch = Batch(images, torch.zeros(len(images), dtype=torch.int64), torch.arange(len(images)))
    table = Table(probe.measure(network, batch, Randomness(0, batch.indices)))
    check_columns(table, probe, batch)
    return table


@pytest.mark.parametrize("band", [None, 4])
def test_a_linear_network_has_the_closed_form(band):
    probe = LabelNormals(NUMBERS, band)
    table = _measure(probe)
    m = 64 if band is None else 16
    for queries in NUMBERS:
        a = 2 * queries / torch.pi
        rows = table["queries"] == queries
        assert table["cosine"][rows].mean().item() == pytest.approx(
            (a / (a + m - 1)) ** 0.5, abs=0.01
        )
        assert abs(table["random_cosine"][rows].mean().item()) < 4 / (200 * m) ** 0.5
    torch.testing.assert_close(table["over_flat"], table["cosine"] / table["flat"])
    assert table["labels_beyond"].mean().item() == pytest.approx(0.5, abs=0.02)
    normal = (TWO.weight[0] - TWO.weight[1]).detach()
    part = LowFrequencies(SHAPE, band).coordinates(normal.view(SHAPE))
    torch.testing.assert_close(
        table["energy"], (part.square().sum() / normal.square().sum()).expand(400)
    )
    torch.testing.assert_close(table["distance"][:200], TWO.margins(IMAGES), rtol=1e-4, atol=0)


def test_where_the_boundary_bends_within_the_noise_the_normal_is_worse():
    """Inside a ball of radius 1; noise of sigma sqrt(64) distances."""
    sphere = oracles.Sphere(1.0, torch.full(SHAPE, 0.5, dtype=torch.float64))
    images = oracles.images(20, SHAPE, spread=0.2)
    near, far = (
        LabelNormals((200,), sigma=sigma).summarise(
            _measure(LabelNormals((200,), sigma=sigma), sphere, images)
        )
        for sigma in (0.001, 0.5)
    )
    assert near.scalars["median_over_flat/200"] == pytest.approx(1, abs=0.05)
    assert far.scalars["median_over_flat/200"] < 0.8


def test_what_has_no_boundary_or_no_slope_in_the_frequencies_says_so():
    nothing = _measure(LabelNormals((5,)), oracles.Constant(2.0, 0.0), IMAGES[:2])
    assert nothing["status"] == ["not_found"] * 2
    assert nothing["cosine"].isnan().all()
    assert nothing["distance"].isinf().all()
    signs = torch.tensor([1.0, -1.0], dtype=torch.float64).repeat(32)
    high = oracles.Affine(2, SHAPE)
    high.weight = torch.nn.Parameter(torch.stack([signs, 0 * signs]))
    flat = _measure(LabelNormals((5,), band=1), high, IMAGES[:2])
    assert flat["status"] == ["no_gradient"] * 2
    assert flat["cosine"].isnan().all()
    assert flat["distance"].isfinite().all()


def test_the_chart_has_the_flat_boundary_beside_the_models():
    probe = LabelNormals((5, 20))
    table = _measure(probe, images=IMAGES[:8])
    (chart,) = probe.charts({"two": table, "none": table.take(torch.arange(0))})
    assert [series.label for series in chart.series] == ["two", "flat boundary (mean)"]
    assert chart.series[1].y.tolist() == table["flat"][::8].tolist()
    assert not probe.summarise(table.take(torch.arange(0))).scalars


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: LabelNormals(()), "queries must be a growing list of whole numbers"),
        (lambda: LabelNormals((10, 10)), r"queries must be a growing list.*\[10, 10\]"),
        (lambda: LabelNormals((0, 10)), "from 1"),
        (lambda: LabelNormals(band=0), "band must be at least 1"),
        (lambda: LabelNormals(sigma=0.0), "sigma must be positive; got 0"),
        (lambda: LabelNormals(noise="uniform"), "noise must be one of normal, orthogonal"),
        (lambda: LabelNormals(attack=DeepFool()), "without a box"),
        (lambda: LabelNormals(band=4).validate((16,), 2), "a band of 4 frequencies"),
        (
            lambda: LabelNormals(band=12).validate((1, 8, 9), 2),
            "at most 8 .*8 x 9",
        ),
    ],
)
def test_bad_settings_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()
