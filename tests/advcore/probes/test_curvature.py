import math
from dataclasses import replace
from functools import cache

import oracles
import pytest
import torch
import torch.nn.functional as F

from advcore import Randomness
from advcore.attacks import DeepFool
from advcore.curvature import DifferenceHessian, InputHessian, linearity_error, temperature_for
from advcore.probes import Batch, Calibrated, Curvature, Table

COUNT, DIMENSION = 8, 16
T = 2.0  # given, so that parts of the samples have that of all
WHOLE, TOP = Curvature(temperature=T), Curvature(spectrum="top", top=3, draws=100, temperature=T)
ENDS = Curvature(spectrum="top", top=3, bottom=2, draws=100, temperature=T)
STEP = Curvature(step=0.3, linearity=0.5, temperature=T)
NETWORKS = {
    "relu": oracles.relu(),
    "softplus": oracles.softplus(),
    "constant": oracles.Constant(1.0, 0.0, -0.5),
    "affine": oracles.Affine(),
}

every_probe = pytest.mark.parametrize(
    "probe", [WHOLE, TOP, ENDS, STEP], ids=["whole", "top", "ends", "step"]
)
every_network = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)


def _batch(rows=slice(None)):
    return Batch(
        oracles.images(COUNT)[rows],
        (torch.arange(COUNT) % 3)[rows],
        torch.arange(30, 30 + COUNT)[rows],
    )


def _measure(probe, network, rows=None):
    return Table(_whole(probe, network)) if rows is None else _rows(probe, network, rows)


@cache
def _whole(probe, network):
    return _rows(probe, network, slice(None))


def _rows(probe, network, rows):
    batch = _batch(rows)
    return probe.measure(network, batch, Randomness(0, batch.indices))


def _loss(logits):
    return F.cross_entropy(logits, _batch().labels, reduction="none")


def _dense(network):
    return InputHessian(network, _batch().inputs, _loss).dense()


@every_probe
@every_network
def test_columns(probe, network):
    table = _measure(probe, network)
    assert {len(column) for column in table.values()} == {COUNT}
    assert table["eigenvalues"].shape == (COUNT, {TOP: 3, ENDS: 5}.get(probe, DIMENSION))
    assert (table["eigenvalues"].diff(dim=1) <= 0).all()
    assert torch.equal(table["sample"], torch.arange(30, 38))
    assert not table["gradient_norm"].requires_grad
    for name in (
        "eigenvalues",
        "trace",
        "trace_error",
        "frobenius",
        "frobenius_error",
        "residual",
        "gradient_norm",
    ):
        assert torch.isfinite(table[name]).all()


@every_network
def test_values_against_the_dense_hessian(network):
    dense = _dense(network)
    values = torch.linalg.eigvalsh(dense).flip(1)
    trace = dense.diagonal(dim1=1, dim2=2).sum(1)
    whole, top, ends = (_measure(probe, network) for probe in (WHOLE, TOP, ENDS))
    torch.testing.assert_close(whole["eigenvalues"], values, rtol=1e-8, atol=1e-9)
    torch.testing.assert_close(whole["trace"], trace, rtol=1e-8, atol=1e-9)
    largest = (
        values.gather(1, values.abs().argsort(1, descending=True)[:, :3])
        .sort(1, descending=True)
        .values
    )
    torch.testing.assert_close(top["eigenvalues"], largest, rtol=1e-7, atol=1e-7)
    assert ((top["trace"] - trace).abs() <= 4 * top["trace_error"] + 1e-12).all()
    assert not top["low_rank"].any()
    torch.testing.assert_close(
        ends["eigenvalues"], torch.cat([values[:, :3], values[:, -2:]], 1), rtol=1e-6, atol=1e-6
    )
    frobenius = torch.linalg.matrix_norm(dense)
    torch.testing.assert_close(whole["frobenius"], frobenius, rtol=1e-8, atol=1e-9)
    assert ((top["frobenius"] - frobenius).abs() <= 4 * top["frobenius_error"] + 1e-12).all()
    for column in ("trace_error", "frobenius_error", "residual"):
        assert (whole[column] == 0).all()
    assert (top["residual"] <= 1e-4 * frobenius + 1e-12).all()
    assert not WHOLE.summarise(whole).warnings | TOP.summarise(top).warnings


@every_network
def test_a_step_sees_another_matrix(network):
    dense = DifferenceHessian(network, _batch().inputs, _loss, STEP.step).dense()
    table = _measure(STEP, network)
    torch.testing.assert_close(
        table["eigenvalues"], torch.linalg.eigvalsh(dense).flip(1), rtol=1e-7, atol=1e-9
    )
    torch.testing.assert_close(
        table["frobenius"], torch.linalg.matrix_norm(dense), rtol=1e-7, atol=1e-9
    )
    assert not table["low_rank"].any()


def test_pairs_that_are_none_are_a_warning():
    """At a step the products of a piecewise linear network are not those of one matrix; a cubic's
    are, at any step.
    """
    probe = Curvature(spectrum="top", top=3, step=0.3)
    table = _measure(probe, NETWORKS["relu"])
    assert (table["residual"] > 0.1 * table["eigenvalues"].abs().amax(1)).all()
    sentence = probe.summarise(table).warnings["unsettled_eigenvalues"]
    assert sentence.startswith(
        "the residual of an eigenpair exceeds 10% of the largest eigenvalue on 100.0% of the "
        "samples"
    )


@every_network
def test_the_linearity_error_is_measured_where_it_is_asked_for(network):
    batch = _batch()
    expected = linearity_error(
        network, batch.inputs, _loss, "l2", 0.5, randomness=Randomness(0, batch.indices)
    ).error
    table = _measure(STEP, network)
    torch.testing.assert_close(table["linearity_error"], expected, rtol=1e-5, atol=1e-8)
    assert STEP.summarise(table).scalars["median_linearity_error"] == pytest.approx(
        table["linearity_error"].quantile(0.5).item()
    )
    assert "linearity_error" not in _measure(WHOLE, network)


@every_probe
@pytest.mark.parametrize("name", ["relu", "softplus"])
def test_images_outside_the_box(probe, name):
    """What is measured at x + 2 is what is measured of `x -> f(x + 2)` at x."""
    network, batch = NETWORKS[name], _batch()
    source = Randomness(0, batch.indices)
    outside = probe.measure(network, Batch(batch.inputs + 2, batch.labels, batch.indices), source)
    expected = probe.measure(lambda images: network(images + 2), batch, source)
    for column, values in expected.items():
        torch.testing.assert_close(outside[column], values, rtol=1e-6, atol=1e-7, equal_nan=True)


def test_the_path_taken_is_told():
    assert _measure(WHOLE, NETWORKS["relu"])["low_rank"].all()
    assert not _measure(WHOLE, NETWORKS["softplus"])["low_rank"].any()


def test_cosine_is_one_for_two_affine_classes_and_signed():
    """The gradient and the minimal perturbation are parallel; where the prediction is wrong, the
    way out lowers the loss.
    """
    affine, batch = oracles.Affine(2), _batch()
    batch = Batch(batch.inputs, batch.labels.clamp(max=1), batch.indices)
    cosine = WHOLE.measure(affine, batch, Randomness(0, batch.indices))["cosine"]
    right = affine(batch.inputs).argmax(1) == batch.labels
    assert right.any()
    assert not right.all()
    torch.testing.assert_close(cosine, torch.where(right, 1.0, -1.0).double())


def test_cosine_is_missing_where_there_is_no_perturbation():
    assert _measure(WHOLE, NETWORKS["constant"])["cosine"].isnan().all()


@every_probe
@every_network
def test_shards_give_the_rows_of_the_whole(probe, network):
    probe = replace(
        probe, attack=DeepFool(box=False)
    )  # of MinimalNorm's descents that end equally far rounding chooses one
    whole = _measure(probe, network)
    halves = [_measure(probe, network, part) for part in (slice(0, 3), slice(3, None))]
    for name, column in whole.items():
        # how far Lanczos goes beyond its tolerance hangs on the samples beside: no more than the
        # tolerance is told
        atol = 1e-5 * whole["eigenvalues"].abs().max().item() if name == "residual" else 1e-7
        torch.testing.assert_close(
            torch.cat([half[name] for half in halves]), column, rtol=1e-5, atol=atol, equal_nan=True
        )


@every_probe
@every_network
def test_summary(probe, network):
    table = _measure(probe, network)
    summary = probe.summarise(table)
    assert summary.scalars["mean_top_eigenvalue"] == pytest.approx(
        table["eigenvalues"].amax(1).mean().item()
    )
    if probe is TOP:  # the largest in magnitude: none of them need be the smallest
        assert "mean_smallest_eigenvalue" not in summary.scalars
    else:
        assert summary.scalars["mean_smallest_eigenvalue"] == pytest.approx(
            table["eigenvalues"].amin(1).mean().item()
        )
    assert summary.scalars["mean_trace"] == pytest.approx(table["trace"].mean().item())
    assert 0 <= summary.scalars["low_rank_share"] <= 1
    curve = summary.curves["mean_eigenvalue"]
    assert list(curve.x) == list(range(1, table["eigenvalues"].shape[1] + 1))
    assert len(curve.y) == len(curve.x)


@every_probe
@every_network
def test_charts_have_one_series_for_each_model(probe, network):
    tables = {"one": _measure(probe, network), "two": _measure(probe, NETWORKS["softplus"])}
    for some in (tables, {"one": tables["one"]}):
        for chart in probe.charts(some):
            assert [series.label for series in chart.series] == list(some)
            for series in chart.series:
                assert len(series.x) == len(series.y)
                assert torch.isfinite(series.y).all()
                assert series.low is None or (series.low <= series.high).all()
        profiles = probe.charts(some)[0]
        assert all(len(series.x) >= 1 for series in profiles.series)


def test_the_profile_shows_both_ends():
    table = _measure(WHOLE, NETWORKS["softplus"])
    assert (table["eigenvalues"].median(0).values[-1]) < 0
    (series,) = WHOLE.charts({"softplus": table})[0].series
    assert series.x.tolist() == [
        *range(1, 9),
        *range(8, 0, -1),
    ]  # out with the upper half, back with the lower
    assert WHOLE.charts({"softplus": table})[0].x_scale == "log"
    ordered = table["eigenvalues"].sort(0).values
    assert torch.equal(torch.stack(series.outer), ordered[[1, 5]])
    assert (series.low <= series.y).all()
    assert (series.y <= series.high).all()
    assert torch.equal(series.y, ordered[3])  # the median, which few samples cannot carry
    ends = ENDS.charts({"softplus": _measure(ENDS, NETWORKS["softplus"])})[0]
    assert ends.series[0].x.tolist() == [1, 2, 3, 4, 5]
    assert ends.x_label == "rank of the eigenvalue (the 3 largest, then the 2 smallest)"
    assert "at step 0.3" in STEP.charts({"relu": _measure(STEP, NETWORKS["relu"])})[0].y_label


def test_the_profile_shows_the_ranks_that_are_not_zero():
    profile = WHOLE.charts({"relu": _measure(WHOLE, NETWORKS["relu"])})[0]
    assert profile.series[0].x.tolist() == [1, 2, 3]  # rank below K = 4
    assert profile.y_scale == "log"
    assert (
        "The other 13 of 16 are below 1e-6 of the largest." in profile.note
    )  # the fourth of K is 0 but for rounding
    signed = WHOLE.charts({"softplus": _measure(WHOLE, NETWORKS["softplus"])})[0]
    assert len(signed.series[0].x) == 16
    assert signed.y_scale == "symlog"


@pytest.mark.parametrize(
    ("probe", "hidden", "note"),
    [
        (WHOLE, 0.0, "The other 2 of 3 are 0."),
        (WHOLE, 1e-9, "The other 2 of 3 are below 1e-6 of the largest."),
        (TOP, 0.0, "The other 2 of the 3 measured are 0."),
        (TOP, -1e-9, "The other 2 of the 3 measured are below 1e-6 of the largest."),
    ],
)
def test_the_profile_says_what_it_leaves_out(probe, hidden, note):
    table = _measure(TOP, NETWORKS["relu"])
    table["eigenvalues"] = torch.tensor([[1.0, 0.0, hidden]]).expand(COUNT, -1)
    assert note in probe.charts({"relu": table})[0].note


@every_network
def test_the_gradient_is_that_of_the_loss_at_the_true_label(network):
    batch = _batch()
    leaf = batch.inputs.clone().requires_grad_()
    loss = F.cross_entropy(network(leaf), batch.labels, reduction="sum")
    gradient = torch.autograd.grad(loss, leaf, materialize_grads=True, allow_unused=True)[
        0
    ].flatten(1)
    torch.testing.assert_close(_measure(WHOLE, network)["gradient_norm"], gradient.norm(dim=1))


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Curvature(spectrum="all"), "spectrum must be one of whole, top; got 'all'"),
        (lambda: Curvature(top=0), "top must be at least 1; got 0"),
        (
            lambda: Curvature(spectrum="top", bottom=0),
            "bottom must be at least 1, and is for spectrum: top alone; got 0 for top",
        ),
        (
            lambda: Curvature(bottom=2),
            "bottom must be at least 1, and is for spectrum: top alone; got 2 for whole",
        ),
        (
            lambda: Curvature(step=-0.1),
            "step must be a length in pixel units, 0 for the exact Hessian; got -0.1",
        ),
        (
            lambda: Curvature(step=float("nan")),
            "step must be a length in pixel units, 0 for the exact Hessian; got nan",
        ),
        (
            lambda: Curvature(linearity=0.0),
            "linearity must be a positive radius in pixel units; got 0.0",
        ),
        (
            lambda: Curvature(temperature=0.0),
            "temperature must be a positive number, or not given to be measured; got 0.0",
        ),
        (lambda: Curvature(length=0.0), "length must be positive, in pixel units; got 0.0"),
        (lambda: Curvature(turns=0), "turns must be at least 1; got 0"),
        (lambda: Curvature(attack=DeepFool(norm="l2")), "a minimal-norm l2 attack without a box"),
        (
            lambda: Curvature(confidence=0.2).validate((1, 4, 4), 4),
            r"confidence must lie in \(1 / K, 1\)",
        ),
        (lambda: Curvature(draws=1), "draws must be at least 2; got 1"),
        (
            lambda: Curvature(step=1.0).validate((3, 224, 224), 1000),
            "the whole spectrum needs a matrix of 150528 x 150528 numbers a sample",
        ),
        (
            lambda: Curvature(spectrum="top", top=14, bottom=3).validate((1, 4, 4), 10),
            "top and bottom must not exceed the image's dimension, 16, together; got 17",
        ),
    ],
)
def test_bad_settings_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()


def test_good_settings_pass():
    Curvature(spectrum="top", top=16).validate((1, 4, 4), 10)
    Curvature().validate((3, 224, 224), 1000)  # piecewise linear, it may be
    Curvature(top=100).validate((1, 4, 4), 10)  # the whole spectrum has no top


def test_an_affine_network_is_flat_and_one_step_is_enough():
    affine = oracles.Affine(2, scale=5.0)
    batch = _batch()
    batch = Batch(batch.inputs, batch.labels.clamp(max=1), batch.indices)
    table = WHOLE.measure(affine, batch, Randomness(0, batch.indices))
    assert (table["turn"] == 0).all()
    assert table["one_step"].all()
    torch.testing.assert_close(table["distance"], affine.margins(batch.inputs), rtol=2e-3, atol=0)
    assert WHOLE.summarise(table).scalars["one_step_share"] == 1


def test_the_scale_of_the_logits_is_taken_out_by_a_measured_temperature():
    """The change of the loss's gradient, and the turn of the margin's, are those of the network,
    however sure it is.
    """
    network, batch = NETWORKS["relu"], _batch()
    source = Randomness(0, batch.indices)
    probe = Curvature(attack=DeepFool(norm="l2", box=False))
    one = probe.measure(network, batch, source)
    sure = probe.measure(lambda images: 20 * network(images), batch, source)
    assert sure["temperature"][0] == pytest.approx(20 * one["temperature"][0].item(), rel=1e-3)
    for name in ("loss_change", "turn", "one_step"):
        torch.testing.assert_close(sure[name], one[name], rtol=2e-3, atol=1e-9)
    assert sure["confidence"].min() > one["confidence"].max() - 0.5
    assert not torch.allclose(sure["eigenvalues"][:, 0], one["eigenvalues"][:, 0], rtol=0.5)


def test_calibration_is_of_the_logits_unless_a_temperature_is_given():
    logits = NETWORKS["relu"](oracles.images(30)).detach()
    own = Curvature(confidence=0.8).calibrated(logits)
    assert own.temperature == temperature_for(logits, 0.8)
    assert own.calibrated(100 * logits) is own
    assert isinstance(own, Calibrated)


def test_small_share_counts_eigenvalues_below_a_hundredth_of_the_largest():
    table = _measure(WHOLE, NETWORKS["relu"])
    sizes = table["eigenvalues"].abs()
    expected = (sizes <= 0.01 * sizes.amax(1, keepdim=True)).double().mean(1)
    torch.testing.assert_close(table["small_share"], expected)
    assert (table["small_share"] >= 13 / 16).all()  # rank below K = 4
    assert "small_share" not in _measure(TOP, NETWORKS["relu"])


@pytest.mark.parametrize("probe", [WHOLE, TOP], ids=["whole", "top"])
def test_a_sample_without_a_second_derivative_is_told_and_left_out(probe):
    network, images = NETWORKS["relu"], _batch().inputs
    table = _measure(probe, lambda own: network(own) + oracles.bent_to_nan(own, at=images[2]))
    others = torch.arange(COUNT) != 2
    assert table["eigenvalues"][2].isnan().all()
    torch.testing.assert_close(
        table["eigenvalues"][others],
        _measure(probe, network)["eigenvalues"][others],
        rtol=1e-5,
        atol=1e-5,
    )
    summary = probe.summarise(table)
    assert "is not finite at 12.5% of the samples" in summary.warnings["undefined_curvature"]
    assert math.isfinite(summary.scalars["mean_top_eigenvalue"])
    assert probe.charts({"bent": table})


def test_relative_linearity_is_blind_to_scale():
    network = NETWORKS["relu"]
    one, scaled = _measure(STEP, network), _measure(STEP, lambda images: 50 * network(images))
    torch.testing.assert_close(
        scaled["relative_linearity_error"], one["relative_linearity_error"], rtol=1e-4, atol=1e-7
    )
    assert (
        _measure(STEP, NETWORKS["affine"])["relative_linearity_error"].max() < 1
    )  # the runner-up may change
