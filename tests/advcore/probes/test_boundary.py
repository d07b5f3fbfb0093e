import dataclasses
import math

import oracles
import pytest
import torch

from advcore import Randomness
from advcore.attacks import DeepFool
from advcore.curvature import boundary_points, principal_curvatures
from advcore.probes import Batch, Boundary

COUNT, DIMENSION = 6, 16
CENTER = torch.full((1, 4, 4), 0.5, dtype=torch.float64)
PROBE = Boundary(top=2, bottom=3, step=0.0)


def _measure(probe, network, rows=slice(None), shift=0.0, dtype=torch.float64):
    images = oracles.images(COUNT, dtype=dtype)[rows] + shift
    indices = torch.arange(20, 20 + COUNT)[rows]
    return probe.measure(
        network, Batch(images, torch.zeros_like(indices), indices), Randomness(0, indices)
    )


@pytest.mark.parametrize("step", [0.0, 0.1])
@pytest.mark.parametrize("radius", [0.4, 2.0])
def test_a_sphere_has_one_over_r_both_ways(radius, step):
    """All D - 1 of them, whichever end they are asked from: the normal's 0 is not among them."""
    sphere, images = oracles.Sphere(radius, CENTER), oracles.images(COUNT)
    table = _measure(dataclasses.replace(PROBE, step=step), sphere)
    sign = torch.where(sphere(images).argmax(1) == 0, 1.0, -1.0).double()
    torch.testing.assert_close(
        table["curvatures"], (sign / radius)[:, None].expand(-1, 5), rtol=1e-6, atol=1e-9
    )
    torch.testing.assert_close(table["mean_curvature"], sign / radius, rtol=0.2, atol=0)
    for name in ("rms_curvature", "random_curvature"):
        torch.testing.assert_close(
            table[name], torch.full((COUNT,), 1 / radius).double(), rtol=1e-6, atol=0
        )
    torch.testing.assert_close(
        table["most_over_random"], torch.ones(COUNT).double(), rtol=1e-6, atol=0
    )
    expected = sphere.margins(images) / radius if step else torch.full((COUNT,), torch.nan).double()
    torch.testing.assert_close(
        table["relative_curvature"], expected, rtol=1e-5, atol=0, equal_nan=True
    )
    torch.testing.assert_close(table["distance"], sphere.margins(images), rtol=1e-5, atol=0)
    torch.testing.assert_close(
        table["slope"], torch.full((COUNT,), 2 * radius).double(), rtol=1e-5, atol=0
    )
    assert (table["residual"] < 1e-6).all()
    assert set(table["status"]) == {"found"}
    assert not PROBE.summarise(table).warnings


def test_extremes_of_a_curved_network_are_those_of_the_dense_operator():
    network = oracles.softplus()
    found = boundary_points(network, oracles.images(COUNT))
    whole = principal_curvatures(network, found.images, found.beyond, found.own)
    table = _measure(dataclasses.replace(PROBE, draws=500), network)
    torch.testing.assert_close(
        table["curvatures"], torch.cat([whole[:, :2], whole[:, -3:]], 1), rtol=1e-6, atol=1e-8
    )
    apart = (table["mean_curvature"] - whole.mean(1)).abs()
    assert (apart < 4 * table["mean_curvature_error"]).all()
    summary = PROBE.summarise(table)
    assert summary.scalars["median_largest_curvature"] == pytest.approx(
        table["curvatures"][:, 0].quantile(0.5).item()
    )
    assert summary.scalars["median_smallest_curvature"] == pytest.approx(
        table["curvatures"][:, -1].quantile(0.5).item()
    )
    more = (-table["curvatures"][:, -1] > table["curvatures"][:, 0]).double().mean()
    assert summary.scalars["more_negative_share"] == more
    falling, rising = (
        summary.curves[f"median_{end}_curvature_over_rank"] for end in ("largest", "smallest")
    )
    assert falling.x == [1, 2]
    assert rising.y == pytest.approx(
        table["curvatures"][:, 2:].flip(1).quantile(0.5, dim=0).tolist()
    )


def test_a_piecewise_linear_network_is_flat_but_at_a_step():
    flat = PROBE.summarise(_measure(PROBE, oracles.relu()))
    assert (
        flat.scalars["median_largest_curvature"] == flat.scalars["median_smallest_curvature"] == 0
    )
    assert "all curvatures are 0" in flat.warnings["flat_boundary"]
    assert "at step" not in PROBE.charts({"relu": _measure(PROBE, oracles.relu())})[0].y_label
    bent = dataclasses.replace(PROBE, step=0.5, steps=8)
    summary = bent.summarise(_measure(bent, oracles.relu()))
    assert (
        summary.scalars["median_largest_curvature"]
        > 1e-2
        > -1e-2
        > summary.scalars["median_smallest_curvature"]
    )
    assert "on 100.0% of the samples" in summary.warnings["unsettled_curvatures"]


def test_rows_at_a_step_are_those_of_the_sample_alone():
    """Where the operator is no matrix more steps of Lanczos would find others."""
    probe = dataclasses.replace(PROBE, step=0.5, steps=8)
    whole, alone = _measure(probe, oracles.relu()), _measure(probe, oracles.relu(), slice(3, 4))
    for name in ("curvatures", "residual", "mean_curvature", "distance"):
        torch.testing.assert_close(alone[name], whole[name][3:4], rtol=1e-6, atol=1e-9)


def test_images_outside_the_box():
    outside = _measure(PROBE, oracles.softplus(), shift=2.0)
    expected = _measure(PROBE, lambda images: oracles.softplus()(images + 2))
    torch.testing.assert_close(outside["curvatures"], expected["curvatures"], rtol=1e-5, atol=1e-8)


def test_the_root_mean_square_is_that_of_all_principal_curvatures():
    network = oracles.softplus()
    found = boundary_points(network, oracles.images(COUNT))
    whole = principal_curvatures(network, found.images, found.beyond, found.own)
    table = _measure(dataclasses.replace(PROBE, draws=2000), network)
    torch.testing.assert_close(
        table["rms_curvature"], whole.square().mean(1).sqrt(), rtol=0.05, atol=0
    )
    assert (table["most_over_random"] > 1).all()


def test_the_scale_of_the_logits_drops_out():
    network = oracles.relu()
    probe = Boundary(top=2, bottom=3, step=0.5, steps=8, attack=DeepFool(norm="l2", box=False))
    one, tenfold = _measure(probe, network), _measure(probe, lambda images: 10 * network(images))
    for name in ("rms_curvature", "relative_curvature", "most_over_random", "distance"):
        torch.testing.assert_close(tenfold[name], one[name], rtol=1e-4, atol=1e-7)


def test_the_attack_decides_the_point():
    """The nearest point of a softplus network's boundary, and where DeepFool ends: farther, with
    another curvature.
    """
    network = oracles.softplus()
    near = _measure(PROBE, network)
    loose = _measure(dataclasses.replace(PROBE, attack=DeepFool(norm="l2", box=False)), network)
    assert (near["distance"] <= loose["distance"] * (1 + 1e-6)).all()
    assert (near["distance"] < 0.999 * loose["distance"]).any()
    assert not torch.allclose(near["curvatures"], loose["curvatures"], rtol=1e-3)


def test_no_boundary_no_curvature():
    table = _measure(PROBE, oracles.Constant(1.0, -1.0))
    assert table["curvatures"].isnan().all()
    assert table["distance"].isinf().all()
    assert set(table["status"]) == {"not_found"}
    assert PROBE.summarise(table).scalars == {"found": 0}
    assert PROBE.charts({"constant": table}) == []


def test_a_boundary_without_a_gradient():
    """The other class begins at a jump, and the point beyond it has no slope."""

    def steps(images):
        mean = images.flatten(1).mean(1) - 0.5
        lead = torch.where(mean.abs() < 0.2, mean - 1, torch.ones_like(mean))
        return torch.stack([torch.zeros_like(lead), lead], 1)

    table = _measure(PROBE, steps)
    assert set(table["status"]) == {"no_gradient"}
    assert table["curvatures"].isnan().all()
    assert torch.isfinite(table["distance"]).all()


def test_the_chart_shows_both_ends_of_each_model():
    tables = {
        "soft": _measure(PROBE, oracles.softplus()),
        "ball": _measure(PROBE, oracles.Sphere(0.5, CENTER)),
    }
    tables["constant"] = _measure(PROBE, oracles.Constant(1.0, -1.0))
    chart, spread = PROBE.charts(tables)
    assert [series.label for series in chart.series] == [
        "soft, largest",
        "soft, smallest",
        "ball, largest",
        "ball, smallest",
    ]
    assert [series.x.tolist() for series in chart.series[:2]] == [[1, 2], [1, 2, 3]]
    assert (chart.series[1].y.diff() >= 0).all()
    assert [series.label for series in spread.series] == ["soft", "ball", "constant"]
    torch.testing.assert_close(
        spread.series[1].y, torch.full((COUNT,), 2.0).double(), rtol=1e-3, atol=0
    )
    assert len(spread.series[2].y) == 0
    assert "at step 0.5" in Boundary(top=2, bottom=3).charts(tables)[0].y_label


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Boundary(top=0), "top and bottom must be at least 1; got 0 and 10"),
        (
            lambda: Boundary(step=-1.0),
            "step must be a length in pixel units, 0 for the exact Hessian; got -1.0",
        ),
        (lambda: Boundary(step=math.inf), "step must be a length in pixel units"),
        (lambda: Boundary(steps=19), r"steps must be at least top \+ bottom, 20; got 19"),
        (lambda: Boundary(attack=DeepFool(norm="l2")), "a minimal-norm l2 attack without a box"),
        (lambda: Boundary(draws=1), "draws must be at least 2; got 1"),
        (
            lambda: Boundary().validate((1, 4, 4), 2),
            "top and bottom must not exceed the boundary's dimension, 15, together; got 20",
        ),
    ],
)
def test_bad_settings_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()
