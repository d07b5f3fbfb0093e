import math
from dataclasses import replace

import oracles
import pytest
import torch
import torch.nn.functional as F

from advcore import Randomness
from advcore.attacks import DeepFool
from advcore.curvature import InputHessian
from advcore.probes import Batch, SharedCurvature, Table
from advcore.randomness import drawn_places

COUNT, DIMENSION = 12, 16
PROBE = SharedCurvature(top=3, directions=5)
NETWORK = oracles.relu()
LABELS = torch.arange(COUNT) % 4
FIRST, SECOND = drawn_places(torch.arange(30, 30 + COUNT)).argsort().tensor_split(2)


def _measure(probe=PROBE, network=NETWORK, rows=slice(None), dtype=torch.float64, shift=0.0):
    batch = Batch(
        oracles.images(COUNT, dtype=dtype)[rows] + shift,
        LABELS[rows],
        torch.arange(30, 30 + COUNT)[rows],
    )
    return probe.measure(network, batch, Randomness(0, batch.indices))


def _dense(network=NETWORK):
    loss = InputHessian(
        network,
        oracles.images(COUNT),
        lambda logits: F.cross_entropy(logits, LABELS, reduction="none"),
    )
    return loss.dense()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_columns(dtype):
    table = _measure(network=oracles.relu(dtype=dtype), dtype=dtype)
    assert {len(column) for column in table.values()} == {COUNT}
    assert torch.equal(table["sample"], torch.arange(30, 30 + COUNT))
    assert table["eigenvectors"].shape == (COUNT, 3, DIMENSION)
    assert (table["eigenvalues"].abs().diff(dim=1) <= 0).all()
    assert [status == "broken" for status in table["status"]] == torch.isfinite(
        table["distance"]
    ).tolist()
    assert table["direction"].dtype == table["eigenvectors"].dtype == dtype
    sizes = table["direction"].norm(dim=1)
    torch.testing.assert_close(sizes, torch.isfinite(table["distance"]).to(dtype))


def test_pairs_are_the_whole_hessian_of_a_piecewise_linear_network():
    """K - 1 of K = 4 classes."""
    table = _measure()
    rebuilt = torch.einsum(
        "bk,bki,bkj->bij", table["eigenvalues"], table["eigenvectors"], table["eigenvectors"]
    )
    torch.testing.assert_close(
        rebuilt, _dense(), rtol=1e-5, atol=1e-5 * _dense().abs().max().item()
    )


def test_what_is_not_told_from_zero_is_zero():
    table = _measure(SharedCurvature(top=5))
    assert ((table["eigenvalues"] != 0).sum(1) == 3).all()
    assert (table["eigenvectors"][:, 3:] == 0).all()
    flat = _measure(network=oracles.Constant(1.0, 0.0, -1.0, 0.5))
    assert (flat["eigenvectors"] == 0).all()
    assert (flat["direction"] == 0).all()
    assert set(flat["status"]) == {"failed"}


@pytest.mark.parametrize("name", ["relu", "softplus"])
def test_shards_give_the_rows_of_the_whole(name):
    network = getattr(oracles, name)()
    probe = replace(
        PROBE, attack=DeepFool(box=False)
    )  # of MinimalNorm's descents that end equally far rounding chooses one
    whole = _measure(probe, network=network)
    halves = [_measure(probe, network=network, rows=part) for part in (slice(0, 5), slice(5, None))]
    for column, values in whole.items():
        if isinstance(values, torch.Tensor):
            torch.testing.assert_close(
                torch.cat([half[column] for half in halves]), values, rtol=1e-4, atol=1e-5
            )
        else:
            assert values == halves[0][column] + halves[1][column]


def test_images_outside_the_box():
    outside = _measure(shift=2.0)
    expected = _measure(network=lambda images: NETWORK(images + 2))
    torch.testing.assert_close(outside["eigenvalues"], expected["eigenvalues"])
    torch.testing.assert_close(outside["direction"], expected["direction"])


def test_the_summary_is_of_the_unseen_half():
    """All from dense Hessians: directions of the half drawn first, curvature and perturbations of
    the other.
    """
    table = _measure()
    summary = PROBE.summarise(table)
    dense = _dense()
    assert sorted(FIRST.tolist()) != list(range(6))  # by a hash, not by position
    values, vectors = torch.linalg.eigh(dense[FIRST].mean(0))
    shared = vectors[:, values.abs().argsort(descending=True)[:5]]
    for m in range(1, 6):
        span = shared[:, :m]
        curvature = torch.einsum("im,bij,jm->b", span, dense[SECOND], span) / m
        assert summary.curves["mean_curvature/shared"].y[m - 1] == pytest.approx(
            curvature.mean().item(), rel=1e-4
        )
        assert summary.curves["median_curvature/shared"].y[m - 1] == pytest.approx(
            curvature.quantile(0.5).item(), rel=1e-3
        )
        held = (table["direction"][SECOND] @ span).norm(dim=1)
        assert summary.curves["median_energy"].y[m - 1] == pytest.approx(
            held.quantile(0.5).item(), rel=1e-4
        )
    assert summary.scalars["median_curvature/shared"] == pytest.approx(
        curvature.quantile(0.5).item(), rel=1e-3
    )
    assert summary.curves["median_energy"].x == [1, 2, 3, 4, 5]
    assert summary.scalars["energy_of_random"] == math.sqrt(5 / 16)
    assert summary.scalars["mean_curvature/shared"] > summary.scalars["mean_curvature/random"] > 0
    assert summary.scalars["found"] == torch.isfinite(table["distance"]).double().mean()
    assert not summary.warnings


def test_all_of_the_space_holds_the_trace_and_every_perturbation():
    summary = SharedCurvature(top=3, directions=16).summarise(_measure())
    mean_trace = _dense()[SECOND].diagonal(dim1=1, dim2=2).sum(1).mean().item()
    for name in ("shared", "random"):
        assert summary.scalars[f"mean_curvature/{name}"] == pytest.approx(mean_trace / 16)
    assert summary.scalars["median_energy"] == pytest.approx(1)


def test_rows_in_another_order_make_the_same_summary():
    table = _measure()
    order = torch.randperm(COUNT, generator=torch.Generator().manual_seed(0))
    assert PROBE.summarise(table.take(order)) == PROBE.summarise(table)


def test_no_more_directions_than_the_first_half_has():
    summary = SharedCurvature(top=1, directions=9).summarise(_measure(SharedCurvature(top=1)))
    assert summary.scalars["directions"] == 6
    flat = PROBE.summarise(_measure(network=oracles.Constant(1.0, 0.0, -1.0, 0.5)))
    assert (
        flat.scalars["directions"],
        flat.scalars["mean_curvature/shared"],
        flat.scalars["found"],
    ) == (1, 0, 0)
    assert math.isnan(flat.scalars["median_energy"])


def test_at_a_step_pairs_that_are_none_are_a_warning():
    probe = SharedCurvature(top=3, step=0.3)
    assert "unsettled_eigenvalues" in probe.summarise(_measure(probe)).warnings


def test_charts():
    tables = {"relu": _measure(), "flat": _measure(network=oracles.Constant(1.0, 0.0, -1.0, 0.5))}
    curvature, energy = PROBE.charts(tables)
    assert [series.label for series in curvature.series] == [
        f"{model}, {name} directions" for model in tables for name in ("shared", "random")
    ]
    assert [series.label for series in energy.series] == [*tables, "random perturbations, √(m / D)"]
    summary = PROBE.summarise(tables["relu"])
    assert (curvature.series[0].low <= curvature.series[0].high).all()
    assert curvature.series[1].outer is None
    torch.testing.assert_close(energy.series[-1].y, (torch.arange(1, 6) / 16).sqrt())
    assert energy.series[0].y.tolist() == pytest.approx(summary.curves["median_energy"].y)
    assert curvature.y_scale == "log"
    bent = Table(tables["relu"], eigenvalues=-tables["relu"]["eigenvalues"])
    assert PROBE.charts({"bent": bent})[0].y_scale == "symlog"
    assert "at step 0.3" in SharedCurvature(step=0.3).charts(tables)[0].y_label


def test_a_sample_without_a_second_derivative_is_left_out():
    """The others' rows are as they are without it, and so is the summary."""
    network = oracles.relu()

    def broken(images):
        logits = network(images)
        return logits + oracles.bent_to_nan(images, at=oracles.images(COUNT)[3])

    table, whole = _measure(network=broken), _measure()
    assert table["eigenvalues"][3].isnan().all()
    others = torch.arange(COUNT) != 3
    torch.testing.assert_close(
        table["eigenvalues"][others], whole["eigenvalues"][others], rtol=1e-5, atol=1e-8
    )
    assert math.isfinite(PROBE.summarise(table).scalars["median_curvature/shared"])


def test_one_sample_has_no_halves():
    with pytest.raises(
        ValueError,
        match="made from one half of the samples and tried on the other; got 1: take more",
    ):
        PROBE.summarise(_measure(rows=slice(0, 1)))


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: SharedCurvature(top=0), "top must be at least 1; got 0"),
        (lambda: SharedCurvature(directions=0), "directions must be at least 1; got 0"),
        (
            lambda: SharedCurvature(step=-1.0),
            "step must be a length in pixel units, 0 for the exact Hessian; got -1.0",
        ),
        (
            lambda: SharedCurvature(top=17).validate((1, 4, 4), 4),
            "top must not exceed the image's dimension, 16; got 17",
        ),
        (
            lambda: SharedCurvature().validate((1, 4, 4), 4),
            "directions must not exceed the image's dimension, 16; got 20",
        ),
    ],
)
def test_bad_settings_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()


def test_good_settings_pass():
    SharedCurvature(top=16, directions=16).validate((1, 4, 4), 4)
