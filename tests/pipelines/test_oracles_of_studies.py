"""Claims of the studies that come along on rows of known values: what would be wrong is a no."""

import pytest
import torch

from advcore.pipelines.claims import Claim, each_of
from advcore.pipelines.graph.settings import read_study
from advcore.pipelines.settings import schema
from advcore.pipelines.tables import Part, TableKind

SAMPLES = 300
MATCHING = [
    (method, off, verdict)
    for method in ("penalty", "cure", "llr", "aligned", "trades")
    for off, verdict in ((0.01, "yes"), (-0.03, "no"), (0.03, "no"))
]


def verdicts(study, claim, rows):
    """The verdicts of a claim, by label, on rows `(columns, number)`, each of so many samples."""
    found = {}
    raw = read_study(study).claims[claim]
    names = list(rows[0][0])
    table = {name: column([at[name] for at, _ in rows for _ in range(SAMPLES)]) for name in names}
    table["sample"] = torch.arange(SAMPLES).repeat(len(rows))
    table[raw["of"]["column"]] = torch.cat([number for _, number in rows])
    labels = {name: list(dict.fromkeys(at[name] for at, _ in rows)) for name in names}
    for label, own in each_of(claim, raw, labels).items():
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


@pytest.mark.parametrize(("method", "off", "verdict"), MATCHING)
def test_regularisers_count_as_matched_within_two_points(method, off, verdict):
    table = {
        "method": [method, "pgd"] * 3,
        "off": torch.tensor([off, 0.0] * 3, dtype=torch.float64),
        "seed": torch.arange(3).repeat_interleave(2),
    }
    claim = schema.structure(Claim, read_study("regularisers").claims[f"{method}_matched"])
    assert claim.measure({"matched": {"": table}}).verdict == verdict


@pytest.mark.parametrize("claim", ["cure", "llr"])
@pytest.mark.parametrize(("robust", "verdict"), [(0.6, "yes"), (0.4, "no")])
def test_a_regulariser_is_held_against_plain_training(claim, robust, verdict):
    table = {
        "method": [claim, "plain", "pgd"] * 3,
        "robust": torch.tensor([robust, 0.5, 0.7] * 3, dtype=torch.float64),
        "seed": torch.arange(3).repeat_interleave(3),
    }
    claim = schema.structure(Claim, read_study("regularisers").claims[f"{claim}_above_plain"])
    assert claim.measure({"matched": {"": table}}).verdict == verdict


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


def invariance_tables(kept):
    """Rows of one seed of `over_invariance`: of 300 digits the judge sees the first 100 turn.

    `kept` says of (model, ball) of how many digits it keeps the label, of those that turn and of
    those that stay. Of the digits that turn 20 were wrong before, which no network kept.
    """
    index = torch.arange(SAMPLES)
    turned, wrong = index < 100, (index >= 80) & (index < 100)
    judged, answers = [], []
    for ball in ("linf", "l2"):
        for goal in ("images", "means"):
            at = {"ball": ball, "exemplars": goal}
            judged += [({**at, "data": "moved"}, ~turned), ({**at, "data": "meant"}, turned)]
            for model in ("plain", "robust"):
                changed, stayed = kept[model, ball]
                right = torch.where(turned, index < changed, index - 100 < stayed)
                answers.append(({**at, "data": "moved", "model": model}, right & ~wrong))
        at = {"ball": ball, "exemplars": None, "data": "test", "model": "robust"}
        answers.append((at, ~wrong))
    nothing = {"ball": None, "exemplars": None, "data": "test"}
    judged.append((nothing, index >= 0))
    answers.append(({**nothing, "model": "plain"}, index >= 0))
    return {
        name: {
            "": {
                **{
                    axis: column([at[axis] for at, _ in rows for _ in index]) for axis in rows[0][0]
                },
                "sample": index.repeat(len(rows)),
                "correct": torch.cat([own for _, own in rows]),
                "confidence": torch.full((len(rows) * SAMPLES,), 0.95),
            }
        }
        for name, rows in (("judged", judged), ("answers", answers))
    }


@pytest.mark.parametrize(
    ("plain", "robust", "too_invariant", "specific"),
    [
        ((20, 190), (60, 160), "yes", "yes"),  # too invariant, and not for being stable
        ((20, 100), (60, 190), "yes", "no"),  # stable: it keeps more of the others, too
        ((60, 190), (20, 100), "no", "yes"),
    ],
)
def test_a_network_is_too_invariant_where_the_judge_sees_another_digit(
    plain, robust, too_invariant, specific
):
    """One ball shows them, the other one networks that are alike."""
    kept = {("plain", "linf"): plain, ("robust", "linf"): robust}
    kept |= {("plain", "l2"): (40, 150), ("robust", "l2"): (40, 150)}
    rows = invariance_tables(kept)
    study = read_study("over_invariance")
    axes = {"ball": ("linf", "l2"), "exemplars": ("images", "means")}
    for claim, wanted in (("too_invariant", too_invariant), ("specific", specific)):
        for label, own in each_of(claim, study.claims[claim], axes).items():
            found = schema.structure(Claim, own).measure(rows)
            counted = 80 if claim == "too_invariant" else 200
            assert found.unit == f"{counted} samples, one seed", label
            if "ball=linf" in label:
                first = 0 if claim == "too_invariant" else 1
                assert found.verdict == wanted, label
                assert found.value == pytest.approx((robust[first] - plain[first]) / counted)
            else:
                assert found.value == 0


@pytest.mark.parametrize(("share", "robust", "plain"), [(0.6, "yes", "no"), (0.02, "no", "yes")])
def test_a_network_that_holds_under_attack_is_robust_and_no_plain_one(share, robust, plain):
    rows = [
        ({"model": model, "ball": ball}, torch.where(clothes(1, share) > eps, torch.inf, eps))
        for model in ("robust", "plain")
        for ball, eps in (("linf", 0.3), ("l2", 3.0))
    ]
    for claim, verdict in (("robust", robust), ("plain_breaks", plain)):
        assert set(on_balls(claim, rows).values()) == {verdict}


def on_balls(claim, rows):
    own = read_study("over_invariance").claims[claim]
    labels = each_of(claim, own, {"ball": ("linf", "l2")})
    index = torch.arange(SAMPLES).repeat(len(rows))
    table = {
        axis: column([at[axis] for at, _ in rows for _ in range(SAMPLES)]) for axis in rows[0][0]
    }
    table |= {"sample": index, "broken_at": torch.cat([held for _, held in rows]).float()}
    tables = {"attacked": {"": table}}
    return {
        label: schema.structure(Claim, raw).measure(tables).verdict for label, raw in labels.items()
    }


@pytest.mark.parametrize(
    ("shares", "verdict"),
    [
        ((0.7, 0.8, 0.9, 0.8, 0.7), "yes"),
        ((0.9, 0.8, 0.8, 0.8, 0.7), "no"),
        ((0.8, 0.8, 0.8, 0.8, 0.8), "undecided"),
    ],
)
def test_the_best_source_is_held_against_both_ends_of_the_ladder(shares, verdict):
    """Two seeds of the same numbers; of other networks all samples are right."""
    place = (torch.arange(SAMPLES, dtype=torch.float64) + 0.5) / SAMPLES
    rows = []
    for seed in range(2):
        others = {"model": "scratch", "size": 100, "eps": None, "seed": seed}
        rows.append((others, constant(1.0)))
        for eps, share in zip((0.0, 0.1, 0.25, 0.5, 1.0), shares, strict=True):
            at = {"model": "fixed", "size": 100, "eps": eps, "seed": seed}
            rows.append((at, (place < share).double()))
    found = verdicts("transfer_learning", "optimum", rows)
    assert set(found.values()) == {verdict}


@pytest.mark.parametrize(("robust", "verdict"), [(0.6, "yes"), (0.2, "no")])
def test_robustness_that_transfers_is_half_of_that_from_scratch(robust, verdict):
    """Adversarial training holds .7 of the samples beyond l2 1; the others fall at 1."""
    place = (torch.arange(SAMPLES, dtype=torch.float64) + 0.5) / SAMPLES
    rows = [({"model": "scratch_robust", "way": None}, broken_beyond(place, 0.7))]
    rows += [
        ({"model": "tuned", "way": way}, broken_beyond(place, share))
        for way, share in (("head", robust), ("all", 1.0))
    ]
    assert verdicts("robustness_transfers", "head", rows) == {"head": verdict}


def broken_beyond(place, share):
    """Numbers `broken_at` of samples that are right, and of which a share holds beyond 1."""
    return torch.where(place < share, torch.inf, constant(1.0))


def test_the_noise_of_small_eps_is_as_long_as_the_attack():
    """The expected length of noise on 784 pixels, without a box."""
    cases = read_study("small_eps").axes["eps"]
    assert list(cases) == [0, 0.1, 0.25, 0.5, 1.0]
    for eps, case in cases.items():
        assert case["attack"]["adversarial"]["attack"]["eps"] == eps
        (noise,) = case["noise"].values()
        length = 28 * noise["sigma"] if eps else noise["attack"]["eps"]
        assert length == pytest.approx(eps, rel=1e-3)


@pytest.mark.parametrize(
    ("claim", "accuracies", "verdicts_by_eps"),
    [
        ("high", (0.5, 0.55, 0.6, 0.55, 0.4), ["yes", "yes", "yes", "no"]),
        ("low", (0.5, 0.45, 0.6, 0.45, 0.4), ["yes", "no", "yes", "yes"]),
        ("optimum", (0.5, 0.55, 0.6, 0.55, 0.4), ["yes"]),
        ("optimum", (0.6, 0.55, 0.5, 0.55, 0.4), ["no"]),
        ("optimum", (0.4, 0.45, 0.5, 0.55, 0.6), ["no"]),
    ],
)
def test_small_eps_gains_over_plain_training(claim, accuracies, verdicts_by_eps):
    """Five seeds whose networks differ by .02, the same at each eps."""
    study = read_study("small_eps")
    raw = study.claims[claim]
    eps = (0.0, 0.1, 0.25, 0.5, 1.0)
    table = {
        "model": ["adversarial"] * 25,
        "eps": torch.tensor(eps, dtype=torch.float64).repeat(5),
        "way": [""] * 25,
        "seed": torch.arange(5).repeat_interleave(5),
        "mean": torch.tensor(accuracies, dtype=torch.float64).repeat(5)
        + 0.005 * torch.arange(5).repeat_interleave(5),
    }
    tables = {raw["of"]["table"]: {"": table}}
    measured = [
        schema.structure(Claim, own).measure(tables).verdict
        for own in each_of(claim, raw, {"eps": eps}).values()
    ]
    assert measured == verdicts_by_eps
