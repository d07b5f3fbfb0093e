"""The claims: measured numbers beside them, whichever way they came out."""

from advcore.probes import Curve, Summary
from pipelines.demo import claims


def summaries(plain_last: float = 40.0) -> dict[str, dict[str, Summary]]:
    accuracy = {"plain": [1.0, 0.5], "robust": [0.9, 0.8]}
    margin = {"plain": [2.0, plain_last], "robust": [4.0, 20.0]}
    top = {"plain": 2.0, "robust": 0.5}
    return {
        "robustness": {name: Summary({}, {"robust_accuracy/worst": Curve([0.0, 1.5], y)}) for name, y in accuracy.items()},
        "margins": {name: Summary({}, {"median_margin": Curve([0, 1], y)}) for name, y in margin.items()},
        "curvature": {name: Summary({"mean_top_eigenvalue": y, "median_top_eigenvalue": y / 2}) for name, y in top.items()},
    }


def test_claims_show_the_numbers() -> None:
    text = claims(summaries())
    assert "2 -> 40 (20.0 times)" in text
    assert "50.0% -> 80.0%" in text
    assert "2 -> 0.5" in text
    assert "0.50 to 2.00 times, in 1 of 2" in text


def test_a_claim_that_fails_is_shown_as_it_came_out() -> None:
    assert "2 -> 1 (0.5 times)" in claims(summaries(plain_last=1.0))


def test_missing_rows_leave_no_table() -> None:
    measured = summaries()
    del measured["margins"]["plain"]
    assert "no table of claims" in claims(measured)
