import oracles
import pytest
import torch
import torch.nn.functional as F

from advcore import Randomness
from advcore.curvature import InputHessian
from advcore.probes import Batch, Curvature

COUNT, DIMENSION = 8, 16
WHOLE, TOP = Curvature(), Curvature(spectrum="top", top=3, draws=100)
NETWORKS = {
    "relu": oracles.relu(),
    "softplus": oracles.softplus(),
    "constant": oracles.Constant(1.0, 0.0, -0.5),
    "affine": oracles.Affine(),
}

every_probe = pytest.mark.parametrize("probe", [WHOLE, TOP], ids=["whole", "top"])
every_network = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)


def _batch(rows=slice(None)):
    return Batch(oracles.images(COUNT)[rows], (torch.arange(COUNT) % 3)[rows], torch.arange(30, 30 + COUNT)[rows])


def _measure(probe, network, rows=slice(None)):
    batch = _batch(rows)
    return probe.measure(network, batch, Randomness(0, batch.indices))


def _dense(network):
    batch = _batch()
    return InputHessian(network, batch.images, lambda logits: F.cross_entropy(logits, batch.labels, reduction="none")).dense()


@every_probe
@every_network
def test_columns(probe, network):
    table = _measure(probe, network)
    assert {len(column) for column in table.values()} == {COUNT}
    assert table["eigenvalues"].shape == (COUNT, DIMENSION if probe is WHOLE else 3)
    assert (table["eigenvalues"].diff(dim=1) <= 0).all()
    assert torch.equal(table["sample"], torch.arange(30, 38))
    assert not table["gradient_norm"].requires_grad
    for name in ("eigenvalues", "trace", "trace_error", "gradient_norm"):
        assert torch.isfinite(table[name]).all()


@every_network
def test_values_against_the_dense_hessian(network):
    dense = _dense(network)
    values = torch.linalg.eigvalsh(dense).flip(1)
    trace = dense.diagonal(dim1=1, dim2=2).sum(1)
    whole, top = _measure(WHOLE, network), _measure(TOP, network)
    torch.testing.assert_close(whole["eigenvalues"], values, rtol=1e-8, atol=1e-9)
    torch.testing.assert_close(whole["trace"], trace, rtol=1e-8, atol=1e-9)
    assert (whole["trace_error"] == 0).all()
    largest = values.gather(1, values.abs().argsort(1, descending=True)[:, :3]).sort(1, descending=True).values
    torch.testing.assert_close(top["eigenvalues"], largest, rtol=1e-7, atol=1e-7)
    assert ((top["trace"] - trace).abs() <= 4 * top["trace_error"] + 1e-12).all()
    assert not top["low_rank"].any()


def test_the_path_taken_is_told():
    assert _measure(WHOLE, NETWORKS["relu"])["low_rank"].all()
    assert not _measure(WHOLE, NETWORKS["softplus"])["low_rank"].any()


def test_cosine_is_one_for_two_affine_classes_and_signed():
    """The gradient and the minimal perturbation are parallel; where the prediction is wrong, the way out lowers the loss."""
    affine, batch = oracles.Affine(2), _batch()
    batch = Batch(batch.images, batch.labels.clamp(max=1), batch.indices)
    cosine = WHOLE.measure(affine, batch, Randomness(0, batch.indices))["cosine"]
    right = affine(batch.images).argmax(1) == batch.labels
    assert right.any()
    assert not right.all()
    torch.testing.assert_close(cosine, torch.where(right, 1.0, -1.0).double())


def test_cosine_is_missing_where_there_is_no_perturbation():
    assert _measure(WHOLE, NETWORKS["constant"])["cosine"].isnan().all()


@every_probe
@every_network
def test_shards_give_the_rows_of_the_whole(probe, network):
    whole = _measure(probe, network)
    halves = [_measure(probe, network, part) for part in (slice(0, 3), slice(3, None))]
    for name, column in whole.items():
        torch.testing.assert_close(torch.cat([half[name] for half in halves]), column, rtol=1e-5, atol=1e-7, equal_nan=True)


@every_probe
@every_network
def test_summary(probe, network):
    table = _measure(probe, network)
    summary = probe.summarise(table)
    assert summary.scalars["mean_top_eigenvalue"] == pytest.approx(table["eigenvalues"].amax(1).mean().item())
    assert summary.scalars["mean_smallest_eigenvalue"] == pytest.approx(table["eigenvalues"].amin(1).mean().item())
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


def test_the_profile_shows_the_ranks_that_are_not_zero():
    profile, _ = WHOLE.charts({"relu": _measure(WHOLE, NETWORKS["relu"])})
    assert profile.series[0].x.tolist() == [1, 2, 3]  # rank below K = 4
    assert profile.y_scale == "log"
    assert "The other 13 of 16 are below 1e-6 of the largest." in profile.note  # the fourth of K is 0 but for rounding
    signed, _ = WHOLE.charts({"softplus": _measure(WHOLE, NETWORKS["softplus"])})
    assert len(signed.series[0].x) == 16
    assert signed.y_scale == "symlog"


@pytest.mark.parametrize(
    ("probe", "hidden", "note"),
    [
        (WHOLE, 0.0, "The other 2 of 3 are 0."),
        (WHOLE, 1e-9, "The other 2 of 3 are below 1e-6 of the largest."),
        (TOP, 0.0, "The other 2 of the 3 largest measured are 0."),
        (TOP, -1e-9, "The other 2 of the 3 largest measured are below 1e-6 of the largest."),
    ],
)
def test_the_profile_says_what_it_leaves_out(probe, hidden, note):
    table = {**_measure(TOP, NETWORKS["relu"]), "eigenvalues": torch.tensor([[1.0, 0.0, hidden]]).expand(COUNT, -1)}
    assert note in probe.charts({"relu": table})[0].note


@every_network
def test_the_gradient_is_that_of_the_loss_at_the_true_label(network):
    batch = _batch()
    leaf = batch.images.clone().requires_grad_()
    loss = F.cross_entropy(network(leaf), batch.labels, reduction="sum")
    gradient = torch.autograd.grad(loss, leaf, materialize_grads=True, allow_unused=True)[0].flatten(1)
    torch.testing.assert_close(_measure(WHOLE, network)["gradient_norm"], gradient.norm(dim=1))


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Curvature(spectrum="all"), "spectrum must be one of whole, top; got 'all'"),
        (lambda: Curvature(top=0), "top must be at least 1; got 0"),
        (lambda: Curvature(draws=1), "draws must be at least 2; got 1"),
        (
            lambda: Curvature(spectrum="top", top=17).validate((1, 4, 4), 10),
            "top must not exceed the image's dimension, 16; got 17",
        ),
    ],
)
def test_bad_settings_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()


def test_good_settings_pass():
    Curvature(spectrum="top", top=16).validate((1, 4, 4), 10)
    Curvature(top=100).validate((1, 4, 4), 10)  # the whole spectrum has no top
