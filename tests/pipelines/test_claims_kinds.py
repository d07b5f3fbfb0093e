"""Claims of an interior, a bound, a permutation, and correlations over an axis."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch

from advcore.pipelines.claims import (
    Bound,
    Claim,
    Correlation,
    Difference,
    Interior,
    Numbers,
    Permutation,
)
from advcore.pipelines.claims.permutation import permutation_p
from advcore.pipelines.settings import schema


def table(values, **columns):
    """Rows of `values` `(seeds, positions, samples)`, with columns by sample."""
    seeds, positions, samples = (index.ravel() for index in np.indices(values.shape))
    made = {
        "sample": torch.from_numpy(samples),
        "seed": torch.from_numpy(seeds),
        "eps": torch.from_numpy(positions / 4.0),
        "x": torch.from_numpy(np.asarray(values, dtype=float).ravel()),
    }
    for name, own in columns.items():
        long = [own[sample] for sample in samples]
        made[name] = long if isinstance(long[0], str) else torch.tensor(np.array(long))
    return {"p": {"": made}}


X = Numbers("p", column="x", statistic="mean")
OVER = replace(X, over="eps")
ONE = replace(X, where={"eps": 0})


def level(of_seeds, samples=20):
    """Numbers that are the same at all samples: `(seeds, positions)`."""
    return np.repeat(np.array(of_seeds, dtype=float)[:, :, None], samples, axis=2)


def test_the_best_inside_is_chosen_on_the_other_seeds():
    """Seed 0 alone is high at the second label: what the others choose there does not see it."""
    tables = table(level([[0, 5, 1, -1], [0, 1, 2, -1], [0, 1, 2, -1]]) + 10)
    found = Interior("x", OVER, at_least=0).measure(tables)
    assert found.value == pytest.approx(1)  # 7 / 3 if all seeds chose together
    assert (found.low, found.high) == (1, 1)
    assert found.verdict == "yes"
    assert found.unit == "3 seeds, 20 samples in each; eps chosen on the others: 0.25, 0.5"


def test_an_interior_is_against_the_better_end():
    tables = table(level([[0, 3, 2], [1, 4, 3]]))
    assert Interior("x", OVER).measure(tables).value == pytest.approx(1)
    smallest = Interior("x", OVER, best="smallest")
    assert smallest.measure(table(-level([[0, 3, 2], [1, 4, 3]]))).value == pytest.approx(1)
    worse = Interior("x", OVER, at_least=0).measure(table(level([[0, 1, 2], [1, 2, 3]])))
    assert (worse.value, worse.verdict) == (pytest.approx(-1), "no")


@pytest.mark.parametrize(
    ("values", "match"),
    [
        (level([[0, 1]] * 3), "an interior needs at least 3 numbers to be over: x has 0.0, 0.25"),
        (level([[0, 1, 0]]), "an interior is chosen on the other labels of seed: there is one al"),
    ],
)
def test_an_interior_that_cannot_be(values, match):
    with pytest.raises(LookupError, match=match):
        Interior("x", OVER).measure(table(values))
    words = Interior("x", replace(X, over="net"))
    named = table(level([[0]] * 3, 3), net=["a", "b", "c"])
    with pytest.raises(LookupError, match="are not one for each sample and net and seed"):
        words.measure(named)


@pytest.mark.parametrize(
    ("profile", "truth"), [([0, 0, 0, 0, 0], 0.0), ([0, 0.3, 1.5, 0.3, 0.5], 1.0)]
)
def test_interiors_cover_and_do_not_see_what_is_not_there(profile, truth):
    random, held, seen = np.random.default_rng(0), 0, 0
    for _ in range(200):
        noise = (
            0.3 * random.standard_normal((5, 5, 1))
            + 0.5 * random.standard_normal((1, 1, 60))
            + 0.5 * random.standard_normal((5, 5, 60))
        )
        values = np.array(profile)[:, None] + noise
        found = Interior("x", OVER, at_least=0).measure(table(values))
        held += found.low <= truth <= found.high
        seen += found.verdict == "yes"
    assert held >= 180
    assert seen <= 10 if truth == 0 else seen >= 180


@pytest.mark.parametrize("profile", [[0.8] * 5, [0.8, 0.8, 0.8, 0.7, 0.6]])
def test_interiors_of_shares_see_nothing_where_no_inside_is_better_than_both_ends(profile):
    """Accuracies of five seeds that spread by .03, of the same 200 samples, some of them hard: of
    200 draws at most 10 are a yes, where one end is as good as all or as half of the inside, too.
    """
    random, seen = np.random.default_rng(0), 0
    for _ in range(200):
        hard = 0.1 * random.standard_normal(200)
        shares = np.array(profile)[:, None] + 0.03 * random.standard_normal((5, 5, 1)) + hard
        values = random.uniform(size=(5, 5, 200)) < shares
        seen += Interior("x", OVER, at_least=0).measure(table(values)).verdict == "yes"
    assert seen <= 10


def test_a_bound_is_kept_by_each_sample_or_not():
    own = np.array([[[1.0, 2, 3, np.inf]], [[1, 2, 3, np.inf]]])
    kept = Bound("x", ONE, than=np.inf).measure(table(own))
    assert (kept.value, kept.verdict, kept.high) == (1, "yes", 1)
    assert kept.low == pytest.approx(0.025 ** (1 / 4))  # Clopper and Pearson, all of 4
    assert kept.unit == "4 hold, 2 seeds, 4 samples in each"
    own[1, 0, 1] = 7
    broken = Bound("x", ONE, than=3).measure(table(own[:, :, :3]))
    assert (broken.value, broken.verdict) == (pytest.approx(2 / 3), "no")
    assert broken.unit.endswith("; largest violation 4, at sample 1")
    assert Bound("x", ONE, than=3, tolerance=4).measure(table(own[:, :, :3])).verdict == "yes"
    most = Bound("x", ONE, than=3, at_least=0.5).measure(table(own[:, :, :3]))
    assert most.verdict == "yes"
    lower = Bound("x", ONE, than=2, below=False).measure(table(own[:, :, :3]))
    assert lower.value == pytest.approx(2 / 3)


def test_a_bound_by_other_rows_and_numbers_that_are_none():
    values = np.array([[[1.0, 2, np.inf, np.nan], [1.0, 3, np.inf, 0]]])
    found = Bound("x", ONE, to={"eps": 0.25}).measure(table(values))
    assert (found.value, found.verdict) == (0.75, "no")  # inf is not above inf; NaN holds nothing
    assert found.warnings[0].startswith("missing_numbers: 1 of 4 samples have no number (a value")
    assert found.unit == "3 hold, 4 samples, one seed"
    for wrong in ({}, {"to": {"eps": 1}, "than": 1.0}, {"than": 1.0, "tolerance": -1.0}):
        with pytest.raises(ValueError, match=r"give one of them|tolerance must not be negative"):
            Bound("x", ONE, **wrong)


def test_a_permutation_counts_what_is_as_far_from_none():
    """Against all 720 orders of six numbers, and groups that no order parts further."""
    values, labels = np.array([1.0, 2, 3, 4, 5, 9]), np.array([0.0, 1, 0, 2, 1, 3])

    def effects(drawn):
        return np.array([np.corrcoef(values, labels[row])[0, 1] for row in drawn])

    all_orders = np.abs(effects(np.array(list(permutations(range(6))))))
    exact = np.mean(all_orders >= all_orders[0] - 1e-9)
    assert permutation_p(effects, 6) == pytest.approx(exact, abs=0.03)
    apart = np.r_[np.zeros(30), np.ones(30)][None, None] + 10
    groups = ["b"] * 30 + ["a"] * 30
    found = Permutation("x", ONE, by="g", groups=["a", "b"]).measure(table(apart, g=groups))
    assert (found.value, found.low, found.high) == (1, 1, 1)
    assert found.unit == "60 samples, one seed; permutation p = 0.0005"
    ratio = Permutation("x", ONE, by="g", effect="ratio", at_most=1).measure(table(apart, g=groups))
    assert (ratio.value, ratio.verdict) == (pytest.approx(11 / 10), "no")  # "a" stands first
    same = Permutation("x", ONE, by="g").measure(table(apart * 0, g=groups))
    assert same.unit.endswith("p = 1")


def test_a_verdict_of_yes_may_ask_for_a_small_p():
    random = np.random.default_rng(2)
    values = random.standard_normal((1, 1, 40))
    claim = Permutation("x", ONE, by="g", at_least=-5, at_most=5)
    tables = table(values, g=[0, 1] * 20)
    assert claim.measure(tables).verdict == "yes"
    assert replace(claim, p_at_most=1e-4).measure(tables).verdict == "undecided"


@pytest.mark.parametrize(
    ("effect", "statistic"),
    [
        ("difference", "mean"),
        ("difference", "median"),
        ("ratio", "mean"),
        ("ratio", "median"),
        ("correlation", "mean"),
    ],
)
def test_permutations_cover_and_reject_rarely_what_is_not_there(effect, statistic):
    """Log-normal numbers with the group's factor 1 or 1.5 on three seeds of the same samples."""
    random, held, rejected = np.random.default_rng(1), 0, 0
    truth = {"difference": 0.0, "ratio": 1.0, "correlation": 0.0}[effect]
    claim = Permutation("x", replace(ONE, statistic=statistic), by="g", effect=effect)
    for _ in range(60):
        sample = 0.5 * random.standard_normal(60) + 0.2 * random.standard_normal((3, 1, 60))
        found = claim.measure(table(np.exp(sample), g=list(np.repeat([0, 1], 30))))
        held += found.low <= truth <= found.high
        rejected += float(found.unit.rpartition(" ")[2]) <= 0.05
    assert held >= 54
    assert rejected <= 8


def test_shares_of_groups_have_an_interval_where_all_agree():
    none = np.zeros((1, 1, 40))
    found = Permutation("x", ONE, by="g").measure(table(none, g=[0, 1] * 20))
    assert found.value == 0
    assert -0.2 < found.low < 0 < found.high < 0.2


def test_groups_keep_their_labels_where_seeds_lack_other_samples():
    numbers = torch.arange(40.0)
    seeds = torch.tensor([0] * 20 + [1] * 20)
    samples = torch.cat([torch.arange(20), torch.arange(20)])
    there = torch.ones(40, dtype=torch.bool)
    there[[0, 3, 25]] = False  # samples 0 and 3 at one seed, 5 at the other
    groups = np.array(["a", "b"] * 20)
    rows = {"seed": seeds, "sample": samples, "y": numbers, "g": groups}
    held = {"p": {"": {name: own[there.numpy()] for name, own in rows.items()}}}
    own = Numbers("p", column="y", statistic="mean")
    found = Permutation("x", own, by="g", groups=["a", "b"]).measure(held)
    left = np.array([own for own in range(20) if own not in (0, 3, 5)])
    expected = left[left % 2 == 0].mean() - left[left % 2 == 1].mean()
    assert found.value == pytest.approx(expected)


def test_groups_of_other_samples_may_have_the_same_indices():
    """Two data sets, whose samples are numbered from 0 each, and of other sizes."""
    random = np.random.default_rng(3)
    right = [random.random((2, 1, size)) < share for size, share in ((300, 0.9), (80, 0.7))]
    held = [table(own.astype(float))["p"][""] for own in right]
    whole = {name: torch.cat([own[name] for own in held]) for name in held[0]}
    whole["data"] = ["new"] * (2 * 300) + ["old"] * (2 * 80)
    claim = Permutation("x", ONE, by="data", groups=["new", "old"], other_samples=True)
    found = claim.measure({"p": {"": whole}})
    assert found.value == pytest.approx(right[0].mean() - right[1].mean())
    assert found.low < found.value < found.high
    assert found.unit.startswith("2 seeds, 380 samples in each; permutation p = 0.0005")
    with pytest.raises(LookupError, match=r"rows are not one|must be one label a sample"):
        replace(claim, other_samples=False).measure({"p": {"": whole}})
    few = {name: own[:600] for name, own in whole.items()}
    with pytest.raises(LookupError, match="has no row with"):
        claim.measure({"p": {"": few}})
    kept = [row for row in range(760) if row < 600 or whole["seed"][row] == 0]
    uneven = {name: [own[row] for row in kept] for name, own in whole.items()}
    numbers = {name: torch.tensor(own) for name, own in uneven.items() if name != "data"}
    with pytest.raises(LookupError, match="both groups need the same seeds"):
        claim.measure({"p": {"": {**numbers, "data": uneven["data"]}}})
    with pytest.raises(ValueError, match="other_samples is of two groups: give their labels"):
        replace(claim, groups=None)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"by": "h"}, "probe p has no column 'h'"),
        ({"by": "three"}, r"three has 3 labels \(0, 1, 2\): give two as groups"),
        ({"by": "three", "groups": [0, 7]}, "a group needs at least 2 samples: three 7 has 0"),
        ({"by": "x"}, "x must be one label a sample; rows differ"),
        ({"by": "words", "effect": "correlation"}, "a correlation needs numbers in words; got wo"),
        (
            {"by": "three", "effect": "correlation", "of": replace(ONE, where={"sample": 1})},
            "a correlation needs at least 3 samples; got 1",
        ),
        ({"by": "two", "effect": "ratio"}, "a ratio is of numbers that are not negative"),
    ],
)
def test_a_permutation_that_cannot_be(changes, match):
    values = np.array([np.arange(12.0) - 6, np.arange(12.0)])[:, None]
    columns = {"two": [0, 1] * 6, "three": [0, 1, 2] * 4, "words": ["a", "b"] * 6}
    with pytest.raises(LookupError, match=match):
        Permutation("x", **{"of": ONE, **changes}).measure(table(values, **columns))


def test_groups_that_cannot_be():
    for wrong in ({"groups": [1]}, {"groups": [1, 2], "effect": "correlation"}):
        with pytest.raises(ValueError, match="groups are the two labels of a difference or a rat"):
            Permutation("x", ONE, by="g", **wrong)


def test_a_correlation_over_an_axis_is_of_its_members():
    """Five networks: the same interval as a trend over five networks."""
    tables = table(level([[1, 2, 4, 3, 5]]))
    rows = tables["p"][""]
    rows["y"] = rows["x"] ** 2
    found = Correlation("x", OVER, replace(OVER, column="y")).measure(tables)
    assert found.value == pytest.approx(1)
    assert 0 < found.low < 1
    assert found.unit == "5 labels of eps"
    falling = Correlation("x", OVER, replace(OVER, column="eps")).measure(tables)
    assert falling.value == pytest.approx(0.9)
    seeds = Correlation("x", OVER, replace(OVER, column="eps")).measure(
        table(level([[1, 2, 3], [1, 2, 3]]))
    )
    assert seeds.unit == "2 seeds, 3 labels of eps in each"
    with pytest.raises(LookupError, match="a correlation needs at least 3 labels of eps; got 2"):
        Correlation("x", OVER, replace(OVER, column="eps")).measure(table(level([[1, 2]])))
    with pytest.raises(
        LookupError, match="100 rows are not one for each sample and model and seed; they v"
    ):
        Correlation("x", OVER, replace(X, column="y")).measure(tables)


def test_differences_over_seeds_cover_where_both_sides_share_samples():
    """Seeds differ by their training, samples are the same for all: truth .5."""
    random, held = np.random.default_rng(7), 0
    claim = Difference("x", replace(X, where={"eps": 0.25}), {"eps": 0})
    for _ in range(200):
        noise = (
            0.2 * random.standard_normal((3, 2, 1))
            + random.standard_normal((1, 1, 40))
            + 0.4 * random.standard_normal((1, 2, 40))
            + 0.4 * random.standard_normal((3, 2, 40))
        )
        found = claim.measure(table(noise + np.array([0, 0.5])[:, None]))
        held += found.low <= 0.5 <= found.high
    assert held >= 180


def test_the_new_kinds_are_read_from_a_file():
    of = {"probe": "p", "column": "x", "over": "eps", "where": {"model": "tuned"}}
    for given in (
        {"kind": "interior", "says": "x", "of": of, "at_least": 0},
        {"kind": "bound", "says": "x", "of": of, "than": 0.5},
        {"kind": "bound", "says": "x", "of": of, "to": {"model": None}},
        {"kind": "permutation", "says": "x", "of": of, "by": "sex", "groups": ["f", "m"]},
    ):
        claim = schema.structure(Claim, given)
        assert schema.structure(Claim, schema.unstructure(claim)) == claim
