import dataclasses

import oracles
import pytest
import torch

from advcore import Randomness
from advcore.attacks import PGD, Bisected, DeepFool
from advcore.learnt import Learnt, with_learnt
from advcore.pipelines.settings import schema
from advcore.probes import Batch, Margins, Probe, Table
from advcore.subspaces import DCTDiagonal

SHAPE, COUNT = (1, 6, 6), 9
PROBE = Margins(DCTDiagonal(size=3, stride=1))
NETWORK = oracles.relu(shape=SHAPE)
SUMMARY_CURVES = {"median_margin", "lower_quartile_margin", "upper_quartile_margin"}


def _measure(rows=slice(None), network=NETWORK, probe=PROBE):
    batch = Batch(
        oracles.images(COUNT, SHAPE)[rows],
        torch.zeros(COUNT, dtype=torch.int64)[rows],
        torch.arange(50, 50 + COUNT)[rows],
    )
    return probe.measure(network, batch, Randomness(0, batch.indices))


def test_margins_in_a_fitted_subspace_and_in_its_complement_are_exact():
    """As a study names it; the tensors come when it is measured."""
    affine, noise = oracles.Affine(shape=SHAPE), torch.Generator().manual_seed(1)
    basis = torch.linalg.qr(torch.randn(36, 36, dtype=torch.float64, generator=noise)).Q
    tensors = {"directions": basis[:, :4].mT.reshape(4, *SHAPE)}
    fitted = {"kind": "fitted", "fit": "normals", "dim": 4}
    for family, span in (
        (fitted, basis[:, :4]),
        ({"kind": "complement", "family": fitted}, basis[:, 4:]),
    ):
        probe = schema.structure(Probe, {"kind": "margins", "family": family})
        probe.validate(SHAPE, 3)
        with pytest.raises(ValueError, match="the fit normals has no 'directions'"):
            _measure(network=affine, probe=probe)
        filled = with_learnt(probe, lambda fit: Learnt(fit.name, "key", tensors))
        found = _measure(network=affine, probe=filled)["distance"]
        exact = affine.margins(oracles.images(COUNT, SHAPE), basis=span)
        assert (exact <= found).all()
        torch.testing.assert_close(found, 1.02 * exact, rtol=1e-6, atol=0)
    with pytest.raises(ValueError, match="5 directions of the fit normals are wanted"):
        Margins(dataclasses.replace(filled.family.family, dim=5)).validate(SHAPE, 3)


def test_columns():
    table = _measure()
    assert {len(column) for column in table.values()} == {4 * COUNT}
    assert table["sample"].view(4, COUNT).unique(dim=0).tolist() == [list(range(50, 50 + COUNT))]
    assert table["subspace"].view(4, COUNT)[:, 0].tolist() == [0, 1, 2, 3]
    assert [status == "found" for status in table["status"]] == torch.isfinite(
        table["distance"]
    ).tolist()
    assert set(table["status"]) <= {"found", "censored", "dead"}


def test_affine_classifiers_are_exact():
    affine = oracles.Affine(shape=SHAPE)
    exact = [
        affine.margins(oracles.images(COUNT, SHAPE), basis=oracles.dct_basis(6, low, 3))
        for low in range(4)
    ]
    torch.testing.assert_close(_measure(network=affine)["distance"], 1.02 * torch.cat(exact))


def test_tight_margins_are_exact_on_affine_classifiers_and_shorter_elsewhere():
    tight = dataclasses.replace(PROBE, quality="tight")
    affine = oracles.Affine(shape=SHAPE)
    exact = [
        affine.margins(oracles.images(COUNT, SHAPE), basis=oracles.dct_basis(6, low, 3))
        for low in range(4)
    ]
    torch.testing.assert_close(
        _measure(network=affine, probe=tight)["distance"], torch.cat(exact), rtol=1e-4, atol=0
    )
    fast, slow = _measure()["distance"], _measure(probe=tight)["distance"]
    both = torch.isfinite(fast) & torch.isfinite(slow)
    assert both.double().mean() > 0.8
    assert torch.equal(torch.isfinite(fast), both)
    assert (slow <= fast * (1 + 1e-6))[both].double().mean() > 0.95


def test_shards_give_the_rows_of_the_whole():
    whole, *halves = _measure(), _measure(slice(0, 4)), _measure(slice(4, None))
    for name in ("sample", "subspace", "distance"):
        joined = torch.cat([half[name].view(4, -1) for half in halves], 1)
        torch.testing.assert_close(joined, whole[name].view(4, -1), rtol=1e-5, atol=0)


def test_summary():
    table = _measure()
    summary = PROBE.summarise(table)
    distances = table["distance"].view(4, COUNT)
    medians = distances.sort(1).values[:, COUNT // 2]
    assert set(summary.curves) == SUMMARY_CURVES
    assert summary.curves["median_margin"].x == [0, 1, 2, 3]
    assert summary.curves["median_margin"].y == medians.tolist()
    assert summary.scalars["median_margin/first"] == medians[0]
    assert summary.scalars["median_margin/last"] == medians[3]
    assert summary.scalars["found"] == torch.isfinite(distances).double().mean()
    for low, middle, high in zip(
        *(
            summary.curves[name].y
            for name in ("lower_quartile_margin", "median_margin", "upper_quartile_margin")
        ),
        strict=True,
    ):
        assert low <= middle <= high


def test_samples_without_a_margin_count_as_inf():
    distance = torch.tensor([1.0, torch.inf, torch.inf, 1.0, 2.0, torch.inf])
    table = Table(
        sample=torch.arange(3).repeat(2),
        subspace=torch.tensor([0, 0, 0, 1, 1, 1]),
        distance=distance,
    )
    summary = PROBE.summarise(table)
    assert summary.curves["median_margin"].y == [torch.inf, 2.0]
    assert summary.scalars["found"] == 0.5


def test_rows_in_another_order_make_the_same_summary():
    """Shards end in any order, and their rows are joined."""
    table = _measure()
    order = torch.randperm(4 * COUNT, generator=torch.Generator().manual_seed(0))
    assert PROBE.summarise(table.take(order)) == PROBE.summarise(table)


def test_charts_have_one_series_for_each_model():
    table = _measure()
    (chart,) = PROBE.charts({"plain": table, "robust": table})
    assert [series.label for series in chart.series] == ["plain", "robust"]
    for series in chart.series:
        assert len(series.x) == len(series.y) == 4
        assert torch.isfinite(series.y).all()
        assert (series.low <= series.y).all()
        assert (series.y <= series.high).all()
    assert chart.x_ticks == {
        0: "0–2",
        1: "1–3",
        2: "2–4",
        3: "3–5",
    }  # the frequencies of each block
    assert "no box" in chart.y_label
    assert "deepfool-l2" in chart.note


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Margins(quality="best"), "quality must be one of fast, tight; got 'best'"),
        (lambda: Margins(quality="tight", attack=DeepFool(box=False)), "give either it or attack"),
        (lambda: Margins(radius=0.0), "radius must be positive, in pixel units; got 0.0"),
        (lambda: Margins(rows=0), "rows must be at least 1; got 0"),
        (lambda: Margins(attack=DeepFool()), "without a box"),
        (lambda: Margins(attack=DeepFool(norm="linf", box=False)), "minimal-norm l2 attack"),
        (lambda: Margins(attack=PGD(norm="l2")), "minimal-norm l2 attack"),
        (lambda: Margins(attack=Bisected(DeepFool())), "without a box"),
        (lambda: Margins().validate((1, 4, 4), 10), "a DCT block must fit into the image"),
        (lambda: Margins().validate((1, 28, 32), 10), "need square images"),
    ],
)
def test_bad_settings_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()


def test_good_settings_pass():
    Margins(attack=Bisected(DeepFool(box=False))).validate((3, 8, 8), 2)


def test_what_only_costs_is_marked():
    """Workers leave it out of the key of a result."""
    assert [field.name for field in dataclasses.fields(Margins) if field.metadata.get("cost")] == [
        "rows"
    ]
