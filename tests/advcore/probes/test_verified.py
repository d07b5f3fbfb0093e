"""The probe of verified radii against an affine classifier, and its summary against its rows."""

import math

import oracles
import pytest
import torch
from torch import nn

from advcore import Randomness
from advcore.attacks import PGD, DeepFool, MinimalNorm
from advcore.certify import verified_radius
from advcore.probes import Batch, ReadsLayers, Verified

FLAT = oracles.Affine(3)
IMAGES = oracles.images(16, spread=0.2)
LABELS = FLAT(IMAGES).argmax(1)
LABELS[0] = (LABELS[0] + 1) % 3
BATCH = Batch(IMAGES, LABELS, torch.arange(16))
SOURCE = Randomness(0, BATCH.indices)
PROBES = {
    "linf": Verified(0.05, attack=MinimalNorm(norm="linf")),
    "l2": Verified(0.2, norm="l2", attack=MinimalNorm(norm="l2", box=False)),
}
TABLES = {norm: probe.measure(FLAT, BATCH, SOURCE) for norm, probe in PROBES.items()}

both_norms = pytest.mark.parametrize("norm", PROBES)


@both_norms
def test_an_affine_classifier_is_verified_up_to_its_margin(norm):
    probe, table = PROBES[norm], TABLES[norm]
    margins = FLAT.margins(IMAGES, norm).detach()
    margins[0] = 0
    assert table["correct"].tolist() == [False] + [True] * 15
    for method in ("ibp", "crown"):
        found = table[f"verified_{method}"]
        near = margins.clamp(max=probe.largest)
        assert torch.allclose(found, near, atol=2 * probe.largest / 2**10)
        assert (found <= table["attacked_distance"]).all()
    assert torch.allclose(table["attacked_distance"], margins, rtol=1e-3)
    linearised = table["margin"] / table["margin_gradient"]
    assert torch.allclose(linearised[1:], margins[1:], rtol=1e-9)


@both_norms
def test_no_slope_exceeds_the_bound_and_radii_by_it_are_the_smallest(norm):
    table = TABLES[norm]
    assert (table["margin_gradient"] <= table["slope_bound"]).all()
    assert (table["verified_lipschitz"] <= table["verified_ibp"] + 1e-3).all()
    assert (table["verified_lipschitz"][1:] > 0).all()
    largest = torch.linalg.matrix_norm(FLAT.weight.detach(), 2).item()
    bound = largest * (2 if norm == "l2" else 2 * 16) ** 0.5
    assert table["slope_bound"][0].item() == pytest.approx(bound, rel=1e-4)


def test_rows_are_those_of_the_function():
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3)).double()
    table = Verified(0.1, methods=("crown_ibp",), halvings=5).measure(network, BATCH, SOURCE)
    found = verified_radius(network, IMAGES, "linf", LABELS, 0.1, "crown_ibp", halvings=5)
    assert torch.equal(table["verified_crown_ibp"], found)
    assert list(table) == ["sample", "correct", "verified_crown_ibp", "margin", "margin_gradient"]


@both_norms
def test_curves_count_samples_that_are_right_and_proven(norm):
    probe, table = PROBES[norm], TABLES[norm]
    summary = probe.summarise(table)
    curve, attacked = (
        summary.curves[f"{name}"] for name in ("verified_accuracy/ibp", "attacked_accuracy")
    )
    assert curve.y[0] == summary.scalars["accuracy"] == 15 / 16
    place = 10
    assert curve.y[place] == (table["verified_ibp"] >= curve.x[place]).double().mean()
    assert 0 < curve.y[place] < curve.y[0]
    assert all(low <= high for low, high in zip(curve.y, attacked.y, strict=True))
    share = summary.scalars["median_proven_share/crown"]
    assert share <= 1
    assert summary.scalars["average_verified_radius/ibp"] == pytest.approx(
        table["verified_ibp"].mean().item()
    )
    assert all(summary.meaning(name) for name in (*summary.scalars, *summary.curves))


def test_a_search_that_ends_too_early_and_a_contradiction_are_told():
    short = Verified(0.002, attack=MinimalNorm(norm="linf"))
    table = short.measure(FLAT, BATCH, SOURCE)
    told = short.summarise(table).warnings
    assert "verified by ibp at the largest eps that is tried, 0.002: raise it" in told["capped/ibp"]
    assert "contradicted/ibp" not in told
    table["attacked_distance"] = table["verified_ibp"] / 2
    assert (
        "ibp verifies more than the attack needs"
        in (short.summarise(table).warnings["contradicted/ibp"])
    )


def test_where_no_margin_changes_all_is_proven_and_where_nothing_is_found_no_share_is():
    flat = nn.Sequential(nn.Flatten(), nn.Linear(16, 2)).double()
    with torch.no_grad():
        flat[1].weight.zero_()
        flat[1].bias.copy_(torch.tensor([5.0, 5.0]))
    batch = Batch(IMAGES[:3], torch.tensor([0, 1, 0]), torch.arange(3))
    probe = Verified(0.1, methods=("lipschitz",), attack=MinimalNorm(norm="linf"))
    tied = probe.measure(flat, batch, Randomness(0, batch.indices))
    assert tied["verified_lipschitz"].tolist() == [0, 0, 0]
    with torch.no_grad():
        flat[1].bias[1] = 0
    table = probe.measure(flat, batch, Randomness(0, batch.indices))
    assert table["verified_lipschitz"].tolist() == [0.1, 0, 0.1]
    summary = probe.summarise(table)
    assert math.isnan(summary.scalars["median_proven_share/lipschitz"])
    meaning = summary.meaning("median_proven_share/lipschitz")
    assert "without 2 of them, where the attack finds nothing" in meaning


def test_a_network_that_cannot_be_read_is_refused_before_any_work():
    assert isinstance(PROBES["linf"], ReadsLayers)
    PROBES["linf"].check_layers(FLAT, IMAGES)
    with pytest.raises(ValueError, match=r"of 'softplus', known .* or measure it with attacks"):
        PROBES["linf"].check_layers(oracles.softplus(), IMAGES)


def test_the_chart_shows_what_is_proven_below_what_is_attacked():
    (chart,) = PROBES["linf"].charts({"flat": TABLES["linf"]})
    attacked, *proven = chart.series
    assert attacked.label == "flat, attacked"
    assert [line.label for line in proven] == ["flat, lipschitz", "flat, ibp", "flat, crown"]
    assert all((line.y <= attacked.y[: len(line.y)]).all() for line in proven)
    assert all((line.y[:-1] > 0).all() for line in proven)
    assert [line.low is None for line in proven] == [True, True, False]
    assert chart.x_label == "linf eps (pixels in [0, 1])"


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"largest": 0.0}, "largest must be positive and finite, an eps; got 0"),
        ({"halvings": -1}, "halvings must not be negative; got -1"),
        ({"rows": 0}, "rows must be at least 1; got 0"),
        ({"norm": "l1"}, "norm must be one of l2, linf; got 'l1'"),
        ({"methods": ()}, "methods must be some of .*, each once; got none"),
        ({"methods": ("ibp", "lp")}, "methods must be some of .*, each once; got ibp, lp"),
        ({"methods": ("ibp", "ibp")}, "methods must be some of .*, each once; got ibp, ibp"),
        ({"attack": PGD(eps=0.1)}, "verified needs a minimal-norm attack in linf"),
        ({"attack": DeepFool(norm="l2")}, "verified needs a minimal-norm attack in linf"),
        ({"attack": DeepFool(norm="linf", box=False)}, "an attack that leaves \\[0, 1\\] is no"),
    ],
)
def test_bad_settings_are_refused(settings, match):
    with pytest.raises(ValueError, match=match):
        Verified(**{"largest": 0.1, **settings})
