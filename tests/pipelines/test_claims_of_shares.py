"""Intervals of numbers that are known to be shares end where shares do."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from advcore.pipelines.claims import Difference, Level, Measured, Numbers
from advcore.pipelines.claims.results import evaluate_claim
from advcore.pipelines.claims.shares import within_shares
from advcore.pipelines.tables import Mean, MeanAmong, MeanBySample, MeanCorruptionError, Outside
from advcore.pipelines.tables.known_shares import columns_of_shares
from advcore.probes import Accuracy, Alignment, Confidence

AUROC = Numbers(table="outside", column="auroc", where={"net": "a"}, statistic="mean")
MADE = {
    "outside": {
        "": {
            "net": ["a"] * 3 + ["b"] * 3,
            "seed": torch.arange(3).repeat(2),
            "auroc": torch.tensor([0.99, 0.9, 1.0, 0.2, 0.0, 0.01]),
            "mce": torch.tensor([0.99, 0.9, 1.0, 0.2, 0.0, 0.01]),
        }
    }
}
SHARES = {"outside": {"auroc"}}


def test_an_interval_over_seeds_ends_at_one():
    level = Level("x", AUROC, at_least=0.6, at_most=1.0)
    free = level.measure(MADE)
    assert free.high > 1
    assert free.verdict == "undecided"
    cut = evaluate_claim(level, MADE, SHARES)
    assert cut == replace(free, high=1.0, verdict="yes")
    other = replace(level, of=replace(AUROC, column="mce"))
    assert evaluate_claim(other, MADE, SHARES) == free
    assert evaluate_claim(level, MADE, {"another": {"auroc"}}) == free


def test_a_difference_of_shares_lies_between_minus_one_and_one():
    swing = Difference("x", AUROC, {"net": "b"})
    free = swing.measure(MADE)
    assert free.high > 1
    assert evaluate_claim(swing, MADE, SHARES) == replace(free, high=1.0)
    thrice = replace(swing, times=3.0)
    wide = Measured(-1.0, -4.0, 2.0)
    assert within_shares(thrice, wide, SHARES) == Measured(-1.0, -3.0, 1.0)
    nothing = Measured(0.5, -np.inf, np.inf)  # of a median of few samples
    assert within_shares(Level("x", AUROC), nothing, SHARES) == Measured(0.5, 0.0, 1.0)


def test_a_cut_interval_holds_the_truth_as_often():
    """Four seeds of a share near 1, whose interval by Student leaves [0, 1] as a rule."""
    generator = np.random.default_rng(0)
    held = left = 0
    for values in generator.beta(19, 1, (200, 4)):
        rows = {"seed": torch.arange(4), "auroc": torch.from_numpy(values)}
        level = Level("x", replace(AUROC, where={}))
        tables = {"outside": {"": rows}}
        free, cut = level.measure(tables), evaluate_claim(level, tables, SHARES)
        held += cut.low <= 0.95 <= cut.high
        left += free.high > 1
        assert (free.low <= 0.95 <= free.high) == (cut.low <= 0.95 <= cut.high)
        assert 0 <= cut.low <= cut.value <= cut.high <= 1
    assert left > 100
    assert held >= 170  # of skewed shares Student's holds fewer than 190, as documented


@pytest.mark.parametrize(
    ("kind", "of", "expected"),
    [
        (Mean("correct"), {"judged"}, {"mean"}),
        (Mean("confidence"), {"judged", "sure"}, {"mean"}),
        (Mean("nll"), {"sure"}, set()),
        (MeanBySample("wrong"), {"judged"}, {"mean"}),
        (MeanBySample("wrong"), {"judged", "sure"}, set()),
        (MeanAmong("confidence", "correct"), {"sure"}, {"mean"}),
        (MeanCorruptionError("judged", "clean", "net", "plain"), {"judged"}, {"clean", "error"}),
        (
            Outside("test"),
            {"sure"},
            {"auroc", "fpr_inside_positive", "fpr_outside_positive", "mean", "inside_mean"},
        ),
        (
            Outside("test", column="nll"),
            {"sure"},
            {"auroc", "fpr_inside_positive", "fpr_outside_positive"},
        ),
    ],
)
def test_columns_of_shares_are_those_declared_and_those_of_yes_and_no(kind, of, expected):
    probes = {"judged": Accuracy(), "sure": Confidence(), "aligned": Alignment()}
    rows = {"judged": {"a": {"wrong": torch.tensor([True]), "label": torch.tensor([1])}}}
    rows["judged"]["a"]["correct"] = torch.tensor([True])
    found = columns_of_shares(probes, rows, {"made": (kind, of)})
    assert found["judged"] == {"confidence", "wrong", "correct"}
    assert found["sure"] == {"confidence", "scaled_confidence"}
    assert found["aligned"] == set()
    assert found["made"] == expected
