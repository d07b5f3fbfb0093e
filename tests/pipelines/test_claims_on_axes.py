"""Claims on the rows of all members: chosen by their axes, paired by sample, over replicates."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

from advcore.pipelines.claims import (
    Among,
    Claim,
    Correlation,
    Difference,
    Interior,
    Level,
    MaskingWarnings,
    Numbers,
    Permutation,
    Ratio,
    Share,
    Trend,
    check_labels,
    each_of,
)
from advcore.pipelines.settings import schema
from advcore.workers.errors import InputError


def members(axes, number, samples=40, having=lambda at: True):
    """One table with a row for each member and sample; `number(at, sample)` is its number.

    None as a label says that the member lacks the axis; `samples` may be a function of the member.
    """
    names, rows = list(axes), []
    for labels in product(*axes.values()):
        at = dict(zip(names, labels, strict=True))
        if having(at):
            count = samples(at) if callable(samples) else range(samples)
            rows += [{**at, "sample": s, "x": float(number(at, s))} for s in count]
    table = {}
    for name in (*names, "sample", "x"):
        own = [row[name] for row in rows]
        if any(isinstance(value, str) for value in own):
            table[name] = ["" if value is None else str(value) for value in own]
        else:
            floats = name == "x" or None in own or any(isinstance(value, float) for value in own)
            filled = [float("nan") if value is None else value for value in own]
            dtype = torch.float64 if floats else torch.int64
            table[name] = torch.tensor(filled, dtype=dtype)
    return {"p": {"": table}}


NOISE = np.random.default_rng(5).standard_normal((20, 200))
X = Numbers("p", column="x", statistic="mean")


def students():
    """Three seeds of students, of which those of D_rand alone have an eps of their source."""
    level = {("D_rand", 1.5): 4.0, ("D_rand", 4.0): 6.0, ("same", None): 1.0}
    return members(
        {"learnt": ["D_rand", "same"], "eps": [1.5, 4.0, None], "seed": [0, 1, 2]},
        lambda at, s: level[at["learnt"], at["eps"]] + at["seed"] + NOISE[0, s],
        having=lambda at: (at["learnt"], at["eps"]) in level,
    )


def at(**where):
    return replace(X, where=where)


def test_where_chooses_members_and_null_those_that_lack_an_axis():
    tables = students()
    mean = NOISE[0, :40].mean()
    assert Level("x", at(learnt="D_rand", eps=4.0, seed=1)).measure(tables).value == pytest.approx(
        7 + mean
    )
    assert Level("x", at(eps=None, seed=[0, 2])).measure(tables).value == pytest.approx(2 + mean)
    in_words = Level("x", at(eps="15/10", seed=0)).measure(tables)
    assert in_words.value == pytest.approx(4 + mean)
    for where in ({"eps": 2.0}, {"eps": "large"}, {"seed": None}):
        with pytest.raises(LookupError, match="probe p has no row with"):
            Level("x", replace(X, where=where)).measure(tables)
    with pytest.raises(LookupError, match="probe p has no column 'net'; it has learnt, eps, seed"):
        Level("x", at(net=None)).measure(tables)


def test_an_axis_that_nothing_chooses_is_named():
    tables = students()
    with pytest.raises(
        LookupError,
        match=r"240 rows are not .*; they vary in learnt, eps: choose by where, or put it over",
    ):
        Level("x", replace(X, where={"eps": [4.0, None]})).measure(tables)
    with pytest.raises(LookupError, match=r"; they vary in eps: choose by where"):
        Level("x", at(learnt="D_rand")).measure(tables)
    mixed = members(
        {"model": ["a", "b"], "seed": [0, 1, None]},
        lambda at, s: s,
        having=lambda at: (at["model"] == "a") == (at["seed"] is None),
    )
    with pytest.raises(LookupError, match="some rows lack seed and others have it: choose by wh"):
        Level("x", X).measure(mixed)


def test_other_members_on_the_same_samples():
    tables, own, to = students(), at(learnt="D_rand", eps=4.0), {"learnt": "same", "eps": None}
    difference = Difference("x", own, to).measure(tables)
    assert [difference.value, difference.low, difference.high] == pytest.approx([5, 5, 5])
    assert difference.unit == "3 seeds, 40 samples in each"
    assert Share("x", own, to, below=False).measure(tables).value == 1
    text = Difference("x", own, "same")
    with pytest.raises(LookupError, match=r"no rows of probe p on model same: choose by where, "):
        text.measure(tables)


def test_rows_are_paired_by_root_index_on_the_samples_in_common():
    """Two data sets of one root, sizes 100 and 60, that have 30 samples in common."""
    ranges = {"a": range(100), "b": range(70, 130)}
    tables = members(
        {"data": ["a", "b", "c"], "seed": [0, 1]},
        lambda at, s: (2 if at["data"] == "a" else 0) + NOISE[at["seed"], s],
        samples=lambda at: ranges.get(at["data"], range(150, 160)),
    )
    found = Difference("x", at(data="a"), {"data": "b"}).measure(tables)
    assert found.value == pytest.approx(2)
    assert found.unit == "2 seeds, 30 samples in each (common ones of 100 and 60)"
    with pytest.raises(LookupError, match=r"of and to have no sample in common \(100 and 10\)"):
        Difference("x", at(data="a"), {"data": "c"}).measure(tables)
    both = Correlation("x", at(data="a", seed=0), at(data="b", seed=0)).measure(tables)
    assert both.value == 1
    assert both.unit == "30 samples, one seed (common ones of 100 and 60)"


def test_what_lacks_an_axis_stands_beside_each_of_its_labels():
    tables = students()
    over = replace(at(learnt="D_rand"), over="eps")
    ratio = Ratio("x", over, {"learnt": "same", "eps": None}, position=-1).measure(tables)
    mean = NOISE[0, :40].mean()
    of_seeds = [(6 + seed + mean) / (1 + seed + mean) for seed in range(3)]
    assert ratio.value == pytest.approx(np.exp(np.mean(np.log(of_seeds))))
    teacher = members(
        {"model": ["student", "teacher"], "seed": [0, 1, None]},
        lambda at, s: NOISE[0, s] + (0 if at["seed"] is None else 1 + at["seed"]),
        having=lambda at: (at["model"] == "teacher") == (at["seed"] is None),
    )
    above = Difference("x", at(model="student"), {"model": "teacher", "seed": None})
    assert above.measure(teacher).value == pytest.approx(1.5)
    assert above.measure(teacher).unit == "2 seeds, 40 samples in each"
    apart = Difference("x", at(learnt="D_rand", eps=4.0, seed=[0, 1]), {"seed": [1, 2]})
    with pytest.raises(LookupError, match="of and to differ in seed: 0, 1 and 1, 2"):
        apart.measure(tables)


def test_another_axis_of_replication():
    tables = members({"net": ["b", "a"], "eps": [1, 2]}, lambda at, s: at["eps"] + NOISE[0, s])
    of_nets = replace(X, replicate="net", where={"eps": 2})
    assert Level("x", of_nets).measure(tables).unit == "2 values of net, 40 samples in each"
    one = replace(of_nets, where={"eps": 2, "net": "a"})
    assert Level("x", one).measure(tables).unit == "40 samples, one value of net"
    with pytest.raises(LookupError, match="probe p has no column 'network'"):
        Level("x", replace(of_nets, replicate="network")).measure(tables)
    assert Trend("x", replace(of_nets, over="eps", where={})).measure(
        tables
    ).value == pytest.approx(1)


def test_positions_in_words_stand_in_the_order_of_their_rows():
    tables = members({"amount": ["small", "big"]}, lambda at, s: (at["amount"] == "big") + s)
    assert Trend("x", replace(X, over="amount")).measure(tables).value == pytest.approx(1)
    last = Difference("x", replace(X, where={"amount": "small"}), {"amount": "big"})
    assert last.measure(tables).value == -1


def test_numbers_of_a_derived_table_and_of_the_only_model():
    tables = {"mce": students()["p"], "q": {"only": students()["p"][""]}}
    of = replace(at(learnt="same"), probe=None, table="mce")
    assert Level("x", of).measure(tables).value == pytest.approx(2 + NOISE[0, :40].mean())
    same = replace(of, probe="q", table=None)
    assert Level("x", same).measure(tables).value == Level("x", of).measure(tables).value
    with pytest.raises(LookupError, match="probe q has rows of only, another: give one as model"):
        Level("x", same).measure({"q": {"only": {}, "another": {}}})
    with pytest.raises(LookupError, match="no rows of table none"):
        Level("x", replace(of, table="none")).measure(tables)


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"column": "x"}, "in a probe's rows or in a table: give one of them"),
        ({"probe": "p", "table": "t", "column": "x"}, "give one of them"),
        ({"probe": "p"}, "numbers of probe p need a column; got none"),
        (
            {"probe": "p", "column": "x", "over": "net", "replicate": "net"},
            "'net' cannot be over and replicate",
        ),
    ],
)
def test_numbers_that_cannot_be(wrong, match):
    with pytest.raises(ValueError, match=match):
        Numbers(**wrong)


def test_fields_that_came_later_stand_in_a_file_only_where_they_are_set():
    """So that the hashes of studies that were there before them stay."""
    given = {"kind": "level", "says": "x", "of": {"probe": "p", "model": "m", "column": "x"}}
    claim = schema.structure(Claim, given)
    plain = schema.unstructure(claim)["of"]
    assert plain == {
        **given["of"],
        "over": None,
        "where": {},
        "entry": None,
        "above": None,
        "statistic": "median",
    }
    told = replace(claim, of=replace(claim.of, replicate="net", probe=None, table="t"))
    held = schema.unstructure(told)
    assert (held["of"]["replicate"], held["of"]["table"]) == ("net", "t")
    assert schema.structure(Claim, held) == told


def test_a_claim_of_other_members_is_read_from_a_file():
    given = {
        "kind": "difference",
        "says": "x",
        "of": {"probe": "p", "column": "x", "where": {"learnt": "D_rand"}},
        "to": {"learnt": "same", "eps": None},
    }
    claim = schema.structure(Claim, given)
    assert claim.to == {"learnt": "same", "eps": None}
    assert schema.unstructure(claim)["to"] == claim.to


def test_at_least_so_many_times_as_much_where_the_other_is_nothing():
    """Of 40 samples 8 are 1 on one side; none, or 4, on the other."""
    axes, counts = (
        {"kind": ["own", "none", "some"], "seed": [0, 1]},
        {"own": 8, "none": 0, "some": 4},
    )
    tables = members(axes, lambda at, sample: sample < counts[at["kind"]])
    own = replace(at(kind="own"), statistic="mean")
    ratio = Ratio("x", own, {"kind": "none"})
    with pytest.raises(LookupError, match="cannot average inf, inf over 2 seeds"):
        ratio.measure(tables)
    above = Difference("x", own, {"kind": "none"}, at_least=0, times=3)
    assert above.measure(tables).value == pytest.approx(0.2)
    assert above.measure(tables).verdict == "yes"
    below = Difference("x", own, {"kind": "some"}, at_least=0, times=3)
    assert below.measure(tables).value == pytest.approx(0.2 - 3 * 0.1)
    with pytest.raises(ValueError, match="times must be a positive number; got 0"):
        Difference("x", own, {"kind": "none"}, times=0)


def test_a_claim_for_each_label_of_axes():
    raw = {"kind": "level", "of": {"probe": "p", "where": {"data": "test"}}, "each": "net"}
    made = each_of("high", raw, {"net": ["lenet", "resnet"], "size": [100, 1000]})
    assert made == {
        f"high net={net}": {
            "kind": "level",
            "of": {"probe": "p", "where": {"data": "test", "net": net}},
        }
        for net in ("lenet", "resnet")
    }
    both = each_of("high", {**raw, "each": ["net", "size"]}, {"net": ["lenet"], "size": [1, 2]})
    assert list(both) == ["high net=lenet size=1", "high net=lenet size=2"]
    assert both["high net=lenet size=2"]["of"]["where"] == {
        "data": "test",
        "net": "lenet",
        "size": 2,
    }
    against = each_of("r", {"of": {}, "against": {"column": "y"}, "each": "net"}, {"net": ["a"]})
    assert against["r net=a"] == {
        "of": {"where": {"net": "a"}},
        "against": {"column": "y", "where": {"net": "a"}},
    }
    masked = each_of("m", {"kind": "masking_warnings", "probe": "p", "each": "net"}, {"net": ["a"]})
    assert masked["m net=a"] == {"kind": "masking_warnings", "probe": "p", "where": {"net": "a"}}
    some = each_of(
        "s", {"of": {}, "each": {"net": ["b"], "size": [1]}}, {"net": "ab", "size": [1, 2]}
    )
    assert some == {"s net=b size=1": {"of": {"where": {"net": "b", "size": 1}}}}
    assert each_of("one", {"of": {}}, {}) == {"one": {"of": {}}}
    assert list(each_of("o", {"of": {}, "each": "net"}, {"net": ["a", None]})) == ["o net=a"]
    assert raw["each"] == "net"


@pytest.mark.parametrize(
    ("claim", "match"),
    [
        ({"each": "nett"}, r"claims.c.each: there is no axis 'nett'; known: net, size"),
        ({"each": ["net", "net"]}, r"claims.c.each: the axis 'net' is there twice"),
        ({"each": []}, r"claims.c.each: expected the name of an axis, a list of them, or"),
        ({"each": 3}, r"claims.c.each: expected the name of an axis"),
        ({"each": {}}, r"claims.c.each: expected the name of an axis"),
        (
            {"each": {"net": "a"}},
            r"claims.c.each.net: expected a list of labels, each once; got 'a'",
        ),
        ({"each": {"net": ["a", "a"]}}, "claims.c.each.net: expected a list of labels, each once"),
        ({"each": {"nett": ["a"]}}, r"claims.c.each: there is no axis 'nett'; known: net, size"),
        ({"each": "net", "of": {"where": {"net": "a"}}}, "claims.c.each: the claim has net in wh"),
        ({"each": "net", "of": {"over": "net"}}, "claims.c.each: the claim has net in where or o"),
        ({"each": "net", "of": {"where": 3}}, "claims.c.each: expected where to be a mapping"),
    ],
)
def test_each_that_cannot_be(claim, match):
    with pytest.raises(InputError, match=match):
        each_of("c", claim, {"net": ["a", "b"], "size": [1]})


def test_warnings_of_masking_on_axes():
    count, seeds = 40, 3
    none = torch.zeros(2 * seeds * count)
    at_rows = torch.arange(2 * seeds * count)
    table = {
        "sample": at_rows % count,
        "seed": at_rows // count % seeds,
        "net": ["loud"] * (seeds * count) + ["quiet"] * (seeds * count),
        **dict.fromkeys(("label", "prediction", "variation"), none),
        **dict.fromkeys(("zero_margin_gradient", "regained", "worse_than_noise"), none.bool()),
        **dict.fromkeys(("zero_gradient", "saturated"), at_rows < seeds * count),
    }
    loud = MaskingWarnings("x", "p", at_least=2, where={"net": "loud"})
    found = loud.measure({"p": {"": table}})
    assert (found.value, found.verdict) == (2, "yes")
    assert found.unit == "3 seeds, 40 samples in each"
    assert replace(loud, where={"net": "quiet"}).measure({"p": {"": table}}).value == 0
    one = replace(loud, at_least=1, where={"net": "loud", "sample": 3}).measure({"p": {"": table}})
    assert (one.low, one.high, one.verdict) == (0, np.inf, "undecided")
    with pytest.raises(LookupError, match="240 rows are not one for each sample"):
        replace(loud, where={}).measure({"p": {"": table}})


def reduced(values):
    """A derived table without samples: one number for each net and seed."""
    numbers = np.array(values, dtype=float)
    nets, seeds = (index.ravel() for index in np.indices(numbers.shape))
    return {
        "mce": {
            "": {
                "net": [f"net{net}" for net in nets],
                "seed": torch.from_numpy(seeds),
                "mean": torch.from_numpy(numbers.ravel()),
            }
        }
    }


@pytest.mark.parametrize(
    "kind",
    [
        lambda of: Level("x", of, at_least=0.5),
        lambda of: Difference("x", of, {"net": "net1"}, at_least=0),
        lambda of: Difference(
            "x",
            replace(of, where={"net": "net0"}, among=Among("p", "sample", at_least=7)),
            {"net": "net1"},
            at_least=0,
        ),
        lambda of: Ratio("x", of, {"net": "net1"}, at_least=1),
        lambda of: Share("x", of, {"net": "net1"}, at_least=0.5),
        lambda of: Trend("x", replace(of, where={"sample": 3}, over="net"), at_most=0),
        lambda of: Interior("x", replace(of, where={"sample": 3}, over="place"), at_least=0),
    ],
)
@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_one_sample_left_of_many_decides_nothing(kind, statistic):
    """Three seeds agree on it; of the others nothing is known."""
    net, seed, sample = (index.ravel() for index in np.indices((3, 3, 8)))
    rows = {
        "net": [f"net{own}" for own in net],
        "place": torch.from_numpy(net),
        "seed": torch.from_numpy(seed),
        "sample": torch.from_numpy(sample),
        "x": torch.from_numpy(np.array([0.9, 0.95, 0.1])[net]),
    }
    of = Numbers("p", column="x", where={"net": "net0", "sample": 3}, statistic=statistic)
    found = kind(of).measure({"p": {"": rows}})
    assert found.verdict == "undecided"
    assert "3 seeds, 1 sample in each" in found.unit


def test_a_table_without_samples_has_its_noise_between_seeds():
    tables = reduced([[0.5, 0.7, 0.6], [0.9, 0.8, 1.0]])
    own = Numbers(table="mce", column="mean", where={"net": "net0"})
    found = Difference("x", own, {"net": "net1"}, at_most=0).measure(tables)
    steps = np.array([-0.4, -0.1, -0.4])
    reach = 4.302653 * steps.std(ddof=1) / np.sqrt(3)  # Student, two degrees, 95 %
    ends = (steps.mean(), steps.mean() - reach, steps.mean() + reach)
    assert (found.value, found.low, found.high) == pytest.approx(ends, rel=1e-5)
    assert (found.unit, found.verdict) == ("3 seeds, one number in each", "undecided")
    one = Level("x", replace(own, where={"net": "net0", "seed": 1})).measure(tables)
    assert (one.value, one.low, one.high) == (0.7, -np.inf, np.inf)
    assert one.unit == "one number, one seed"
    rising = Trend("x", replace(own, where={}, over="net")).measure(tables)
    assert (rising.value, rising.low) == (pytest.approx(1), pytest.approx(1))
    best = Interior("x", replace(own, where={}, over="net"))
    with pytest.raises(LookupError, match="an interior needs at least 3 numbers to be over: mean"):
        best.measure(tables)
    with pytest.raises(LookupError, match="table mce has no column 'sample'"):
        Permutation("x", own, by="net").measure(tables)
    mixed = tables | students()
    with pytest.raises(LookupError, match="differ in kind: one alone has samples"):
        Correlation("x", own, at(learnt="same")).measure(mixed)


def test_samples_that_a_seed_lacks_are_left_out_and_told():
    tables = members(
        {"seed": [0, 1]},
        lambda at, s: s,
        samples=lambda at: range(10 * at["seed"], 60),
    )
    found = Level("x", X).measure(tables)
    assert found.value == pytest.approx(np.mean(range(10, 60)))
    assert found.unit == "2 seeds, 50 samples in each (common ones of 60)"
    apart = members({"seed": [0, 1]}, lambda at, s: s, samples=lambda at: [at["seed"]])
    with pytest.raises(LookupError, match="2 rows are not one for each sample and model and seed"):
        Level("x", X).measure(apart)


def test_labels_are_checked_before_anything_is_measured():
    axes = {"learnt": ["D_rand", "same"], "eps": [1.5, 4.0, None], "seed": [0, 1]}
    good = Difference("x", at(learnt="D_rand", eps="15/10", vector="any"), {"eps": None})
    check_labels("claims.c", good, axes)
    check_labels("claims.m", MaskingWarnings("x", "p", where={"seed": [0, 1]}), axes)
    for claim, match in (
        (replace(good, to={"eps": 2}), "claims.c.to.eps: no member has 2; there are 1.5, 4.0, nu"),
        (Level("x", at(learnt=["D_rand", "D"])), "claims.c.of.where.learnt: no member has 'D'; th"),
        (Level("x", at(seed=None)), "claims.c.of.where.seed: no member has None; there are 0, 1"),
        (Level("x", replace(X, replicate="net")), "claims.c.of.replicate: there is no axis 'net';"),
        (MaskingWarnings("x", "p", where={"seed": 7}), "claims.c.where.seed: no member has 7; th"),
    ):
        with pytest.raises(InputError, match=match):
            check_labels("claims.c", claim, axes)
