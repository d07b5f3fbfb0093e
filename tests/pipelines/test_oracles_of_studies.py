"""Claims of the studies that come along on rows of known values: what would be wrong is a no."""

import pytest
import torch

from advcore.pipelines.claims import Claim, each_of
from advcore.pipelines.graph.settings import read_study
from advcore.pipelines.settings import schema

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
    return torch.tensor([float("nan") if value is None else value for value in values]).double()


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
