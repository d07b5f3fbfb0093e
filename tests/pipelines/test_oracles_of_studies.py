"""Claims of the studies that come along on rows of known values: what would be wrong is a no."""

import pytest
import torch

from advcore.pipelines.claims import Claim, each_of
from advcore.pipelines.graph.settings import read_study
from advcore.pipelines.settings import schema
from advcore.pipelines.tables import Part, TableKind

SAMPLES = 300


def verdicts(study, claim, rows):
    """The verdicts of a claim, by label, on rows `(columns, number)`, each of so many samples."""
    found = {}
    raw = read_study(study).claims[claim]
    names = list(rows[0][0])
    table = {name: column([at[name] for at, _ in rows for _ in range(SAMPLES)]) for name in names}
    table["sample"] = torch.arange(SAMPLES).repeat(len(rows))
    table[raw["of"]["column"]] = torch.cat([number for _, number in rows])
    for label, own in each_of(claim, raw, dict.fromkeys(names, ())).items():
        measured = schema.structure(Claim, own).measure({raw["of"]["probe"]: {"": table}})
        found[label] = measured.verdict
    return found


def column(values):
    if any(isinstance(value, str) for value in values):
        return ["" if value is None else value for value in values]
    known = [float("nan") if value is None else value for value in values]
    return torch.tensor(known, dtype=torch.float64)


def constant(number):
    return torch.full((SAMPLES,), number, dtype=torch.float64)


@pytest.mark.parametrize(("crown", "verdict"), [(0.08, "yes"), (0.101, "no")])
def test_crown_is_held_against_the_distance_found_not_against_a_proof_that_holds_it(crown, verdict):
    radii = {"crown": crown, "exact_lower": max(crown, 0.1), "exact": 0.1}
    rows = [({"method": name}, constant(radius)) for name, radius in radii.items()]
    assert verdicts("exact", "crown_exact", rows) == {"crown_exact": verdict}


@pytest.mark.parametrize(
    ("projected", "up", "down"),
    [
        (0.990005, "yes", "yes"),
        (0.989995, "yes", "yes"),
        (0.99003, "no", "yes"),
        (0.1, "yes", "no"),
    ],
)
def test_what_changes_confidence_either_way_is_no_projection_onto_all(projected, up, down):
    rows = [({"data": "test", "n": None, "order": None}, constant(0.99))]
    for order in ("most", "least", "random"):
        rows.append(({"data": "inside_test", "n": 784, "order": order}, constant(projected)))
    assert set(verdicts("projection", "nothing_changes", rows).values()) == {up}
    assert set(verdicts("projection", "nothing_lost", rows).values()) == {down}


@pytest.mark.parametrize("claim", ["above_chance", "D_det_above_chance"])
@pytest.mark.parametrize(("share", "verdict"), [(0.1, "no"), (0.5, "yes")])
def test_a_network_that_guesses_is_not_above_chance(claim, share, verdict):
    correct = (torch.arange(SAMPLES) < share * SAMPLES).double()
    rows = [
        ({"data": "test", "learnt_from": name, "source_eps": eps}, correct)
        for name in ("D_rand", "D_det")
        for eps in (1.5, 4.0)
    ]
    rows.append(({"data": "test", "learnt_from": "same_rand", "source_eps": None}, constant(0.0)))
    found = verdicts("fig7", claim, rows)
    assert list(found.values()) == [verdict] * (2 if claim == "above_chance" else 1)


@pytest.mark.parametrize(
    ("best", "last", "verdict"),
    [((0.8, 0.81, 0.82), (0.6, 0.7, 0.8), "yes"), ((0.6, 0.7, 0.8), (0.7, 0.7, 0.7), "no")],
)
def test_the_range_of_methods_is_held_against_that_of_the_best_epoch(best, last, verdict):
    """Three seeds of the same numbers, so that between seeds there is no noise."""
    study = read_study("robust_overfitting")
    raw = {key: own for key, own in study.tables["methods"].items() if key not in ("of", "reduce")}
    spread = schema.structure(TableKind, raw)
    found = {"model": [], "seed": [], "range": []}
    for model, shares in (("best", best), ("last", last)):
        parts = [
            Part("robustness", {"way": way}, attacked(share))
            for way, share in zip(("pgd", "trades", "awp"), shares, strict=True)
        ]
        for seed in range(3):
            found["model"].append(model)
            found["seed"].append(seed)
            found["range"].append(spread.rows(parts)["range"].item())
    table = {name: column(own) for name, own in found.items()}
    claim = schema.structure(Claim, study.claims["range_shrinks"])
    measured = claim.measure({"methods": {"": table}})
    assert measured.verdict == verdict
    assert measured.value == pytest.approx(
        max(last) - min(last) - (max(best) - min(best)), abs=1 / SAMPLES
    )


def attacked(share):
    """Rows of samples of which a share holds at linf .12, and of one attack that breaks none."""
    broken = torch.where(torch.arange(SAMPLES) < share * SAMPLES, torch.inf, constant(0.12))
    return {
        "sample": torch.arange(SAMPLES).repeat(2),
        "attack": ["worst"] * SAMPLES + ["pgd-linf steps=20"] * SAMPLES,
        "broken_at": torch.cat([broken, constant(torch.inf)]),
    }


@pytest.mark.parametrize(("robust", "verdict"), [(0.5, "yes"), (0.3, "no")])
def test_a_regulariser_is_held_against_pgd_by_the_strength_that_matches(robust, verdict):
    """The strong one is as robust as PGD, and as inaccurate as nobody asked for."""
    study = read_study("regularisers")
    raw = {key: own for key, own in study.tables["matched"].items() if key not in ("of", "reduce")}
    matched = schema.structure(TableKind, raw)
    shares = {"pgd": (0.8, 0.5), "cure": (0.79, robust), "cure_strong": (0.6, 0.5)}
    parts = [part for way, (clean, held) in shares.items() for part in measures(way, clean, held)]
    rows = matched.rows(parts)
    assert rows["method"] == ["cure", "pgd"]
    assert rows["chosen"] == ["cure", "pgd"]
    assert rows["forward"].tolist() == [4, 4]
    table = {
        name: own.repeat(3) if isinstance(own, torch.Tensor) else own * 3
        for name, own in rows.items()
    }
    table["seed"] = torch.arange(3).repeat_interleave(2)
    claim = schema.structure(Claim, study.claims["cure"])
    assert claim.measure({"matched": {"": table}}).verdict == verdict


def measures(way, clean, held):
    """What all probes of `regularisers` say of a network."""
    sample = {"sample": torch.arange(SAMPLES)}
    right = (torch.arange(SAMPLES) < clean * SAMPLES).double()
    broken = torch.where(torch.arange(SAMPLES) < held * SAMPLES, torch.inf, constant(0.05))
    flat = {name: constant(1.0) for name in ("distance", "loss_change", "turn")}
    rows = {
        "validation": {"correct": right},
        "robustness": {"broken_at": torch.where(right > 0, broken, 0.0)},
        "curvature": {**flat, "eigenvalues": constant(1.0)[:, None]},
        "passes": {name: constant(4.0) for name in ("forward", "backward")},
    }
    return [Part(probe, {"way": way}, {**sample, **own}) for probe, own in rows.items()]


def clothes(clean, robust):
    """Numbers `broken_at` of pictures of which these shares are right, and stay right at .1."""
    place = (torch.arange(SAMPLES, dtype=torch.float64) + 0.5) / SAMPLES
    found = constant(0.0).masked_fill(place < clean, 0.1)
    return found.masked_fill(place < robust, torch.inf)


@pytest.mark.parametrize("claim", ["faster", "faster_in_one"])
@pytest.mark.parametrize(("step", "verdict"), [(0.05, "yes"), (0.005, "no")])
def test_robust_accuracy_that_rises_as_clean_accuracy_does_not_rise_faster(claim, step, verdict):
    """Clean accuracy rises by .02 a doubling, of both networks."""
    rows = []
    for doublings in range(5):
        at = {"model": "net", "size": 1000 * 2**doublings}
        clean, robust = 0.7 + 0.02 * doublings, 0.3 + step * doublings
        rows.append(({**at, "eps": 0.1}, clothes(clean, robust)))
        rows.append(({**at, "eps": 0.0}, clothes(clean, 0.0)))
    assert verdicts("tradeoff", claim, rows) == {claim: verdict}


@pytest.mark.parametrize(
    ("claim", "gain", "verdict"),
    [
        ("pseudo_labels", 0.1, "yes"),
        ("pseudo_labels", -0.1, "no"),
        ("copies", 0.0, "yes"),
        ("copies", 0.1, "no"),
    ],
)
def test_more_pictures_are_held_against_the_thousand_alone(claim, gain, verdict):
    pictures = {"pseudo_labels": "with_said", "copies": "copies"}[claim]
    lacking = {"eps": None, "size": None}
    rows = [
        ({"model": "net", "pictures": None, "eps": 0.1, "size": 1000}, clothes(0.7, 0.4)),
        ({"model": "net", "pictures": None, "eps": 0.1, "size": 2000}, clothes(0.9, 0.8)),
        ({"model": "more", "pictures": pictures, **lacking}, clothes(0.7, 0.4 + gain)),
    ]
    assert verdicts("tradeoff", claim, rows) == {claim: verdict}
