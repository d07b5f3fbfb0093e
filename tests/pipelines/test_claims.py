"""Claims: the right number, an interval that holds it, and words where there is none."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from advcore.pipelines.claims import (
    Correlation,
    Difference,
    Level,
    MaskingWarnings,
    Measured,
    Numbers,
    Power,
    Ratio,
    Share,
    Trend,
    bootstrap,
    expected,
    intervals,
)
from advcore.pipelines.claims.intervals import Estimate
from advcore.pipelines.claims.seeds import over_seeds


def _tables(positions=5, samples=200, models=("plain", "robust")):
    """Medians 1, 2, 3 and so on, times the model's number, log-normal over samples.

    The rows are in a mixed order.
    """
    generator = np.random.default_rng(1)
    tables = {}
    for number, model in enumerate(models, start=1):
        spread = np.exp(0.3 * generator.standard_normal(samples))
        spread /= np.median(spread)
        distance = number * np.arange(1, positions + 1)[:, None] * spread
        order = generator.permutation(positions * samples)
        tables[model] = {
            "sample": torch.arange(100, 100 + samples).repeat(positions)[order],
            "dimension": torch.arange(1, positions + 1).repeat_interleave(samples)[order],
            "distance": torch.from_numpy(distance).flatten()[order],
            "attack": ["pgd"] * (positions * samples),
        }
    return {"margins": tables}


MARGIN = Numbers("margins", "plain", "distance")
OVER = replace(MARGIN, over="dimension")


def test_a_level_is_a_statistic_of_the_samples():
    tables = _tables(positions=1)
    measured = Level("x", MARGIN, at_least=0.8, at_most=1.2).measure(tables)
    assert measured.value == pytest.approx(1, abs=0.02)
    assert measured.low < 1 < measured.high
    assert measured.high - measured.low < 0.2
    assert measured.verdict == "yes"
    assert Level("x", MARGIN, at_least=2).measure(tables).verdict == "no"
    share = Level("x", replace(MARGIN, statistic="mean", above=1.0)).measure(tables)
    assert share.value == pytest.approx(0.5, abs=0.01)
    assert share.high - share.low == pytest.approx(
        4 * np.sqrt(0.25 / 200), rel=0.2
    )  # the normal approximation


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_is_exactly_at_a_decimal_limit_is_not_above_it(dtype):
    tables = {
        "p": {
            "m": {
                "sample": torch.arange(4),
                "broken_at": torch.tensor([0.1, 0.1, 0.3, torch.inf], dtype=dtype),
            }
        }
    }
    share = Level("x", Numbers("p", "m", "broken_at", above=0.1, statistic="mean"))
    assert share.measure(tables).value == 0.5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_lies_between_two_limits_is_what_breaks_at_the_one_and_not_at_the_other(dtype):
    found = torch.tensor([0.0, 0.1, 0.3, 0.5, torch.inf], dtype=dtype)
    tables = {"p": {"m": {"sample": torch.arange(5), "broken_at": found}}}
    numbers = Numbers("p", "m", "broken_at", above=0.1, up_to=0.3, statistic="mean")
    shares = [
        Level("x", replace(numbers, above=limit, up_to=None)).measure(tables).value
        for limit in (0.1, 0.3)
    ]
    assert Level("x", numbers).measure(tables).value == pytest.approx(shares[0] - shares[1]) == 0.2
    for wrong in ({"above": None}, {"up_to": 0.1}):
        with pytest.raises(ValueError, match="up_to is a limit beyond above"):
            replace(numbers, **wrong)


def test_an_entry_of_vectors():
    tables = _tables(positions=1)
    tables["margins"]["plain"]["vector"] = torch.arange(3.0).expand(200, 3)
    assert Level("x", replace(MARGIN, column="vector", entry=2)).measure(tables).value == 2


def test_not_found_is_never_averaged_into_a_median():
    tables = _tables(positions=1)
    tables["margins"]["plain"]["distance"][:120] = torch.inf
    assert Level("x", MARGIN).measure(tables).value == np.inf


def test_ratios_of_models():
    tables = _tables()
    smallest = Ratio("x", OVER, to="robust", at_most=1).measure(tables)
    assert smallest.value == pytest.approx(0.5, rel=0.02)
    assert smallest.low <= smallest.value <= smallest.high < 1
    last = Ratio("x", replace(OVER, model="robust"), to="plain", position=-1).measure(tables)
    assert last.value == pytest.approx(2, rel=0.02)
    even = Ratio("x", replace(OVER, model="robust"), to="plain", position=-1, per=0).measure(tables)
    assert even.value == pytest.approx(1)


def _pair(own, other, **more):
    """Two models' numbers on the same samples."""
    made = {"a": own, "b": other, **more}
    return {
        "p": {
            name: {
                "sample": torch.arange(len(numbers)),
                "x": torch.tensor(numbers, dtype=torch.float64),
            }
            for name, numbers in made.items()
        }
    }


X = Numbers("p", "a", "x")


def test_paired_statistics_are_sample_by_sample():
    tables = _pair([1.0, 2, 4, 80, 1, 2, 4], [2.0, 4, 8, 10, 2, 4, 8])
    assert Ratio("x", X, to="b", paired=True).measure(tables).value == pytest.approx(0.5)
    assert Ratio("x", replace(X, statistic="mean"), to="b").measure(tables).value == pytest.approx(
        94 / 38
    )
    assert Difference("x", X, to="b").measure(tables).value == pytest.approx(-2)
    assert Difference("x", replace(X, statistic="mean"), to="b").measure(
        tables
    ).value == pytest.approx(56 / 7)
    assert Difference("x", X, to="b", paired=False).measure(tables).value == pytest.approx(-2)
    assert Share("x", X, to="b").measure(tables).value == pytest.approx(6 / 7)
    assert Share("x", X, to="b", below=False).measure(tables).value == pytest.approx(1 / 7)
    assert Share("x", X, than=2).measure(tables).value == pytest.approx(
        3 / 7
    )  # two below, two ties that count half


def test_differences_of_0_and_1_are_no_shares():
    """Steps of whole numbers by chance: their mean may lie below 0."""
    same = Difference("x", replace(X, statistic="mean"), to="b").measure(
        _pair([3.0] * 40, [3.0] * 40)
    )
    assert (same.low, same.value, same.high) == (0, 0, 0)
    stepped = Difference("x", replace(X, statistic="mean"), to="b").measure(
        _pair([3.0] * 39 + [4.0], [3.0] * 40)
    )
    assert stepped.low < 0 < stepped.value
    equal = Ratio("x", replace(X, statistic="mean"), to="b", paired=True).measure(
        _pair([3.0] * 40, [3.0] * 40)
    )
    assert (equal.low, equal.value, equal.high) == (1, 1, 1)


def test_a_share_compares_with_one_thing():
    with pytest.raises(
        ValueError, match=r"another model \(to\) or with a number \(than\): give one"
    ):
        Share("x", X)


def test_not_found_is_ordered_and_undefined_pairs_are_told():
    inf, own, other = torch.inf, [1.0] * 40, [2.0] * 40
    own[:22] = [inf] * 22
    assert Ratio("x", X, to="b", paired=True).measure(_pair(own, other)).value == inf
    assert Share("x", X, to="b").measure(_pair(own, other)).value == pytest.approx(18 / 40)
    other[0] = inf
    told = Ratio("x", X, to="b", paired=True).measure(_pair(own, other))
    assert [warning.partition(":")[0] for warning in told.warnings] == ["missing_numbers"]
    assert (
        "1 of 40 samples have no number (own and other number are both 0 or both inf)"
        in told.warnings[0]
    )
    with pytest.raises(LookupError, match=r"22 of 40 samples have no number .*, more than 5%"):
        Ratio("x", X, to="b", paired=True).measure(_pair(own, own))
    with pytest.raises(
        LookupError, match="the mean is inf: 22 of 40 numbers are inf; take the median"
    ):
        Level("x", replace(X, statistic="mean")).measure(_pair(own, other))


def test_where_both_may_be_inf_the_interval_is_open():
    own, other = [1.0] * 22 + [torch.inf] * 18, [2.0] * 22 + [torch.inf] * 18
    measured = Ratio("x", X, to="b").measure(_pair(own, other))
    assert (measured.value, measured.low, measured.high) == (0.5, 0, torch.inf)
    with pytest.raises(
        LookupError, match=r"the statistic is not a number: .* too many rows that were not found"
    ):
        Ratio("x", X, to="b").measure(_pair([torch.inf] * 40, [torch.inf] * 40))


def test_nan_is_told_and_never_ordered():
    own = [1.0] * 19 + [torch.nan] + [3.0] * 20
    measured = Level("x", X).measure(_pair(own, own))
    assert (measured.value, measured.unit) == (3, "39 samples, one seed")
    assert (
        "1 of 40 samples have no number (a value is NaN) and are left out" in measured.warnings[0]
    )
    with pytest.raises(
        LookupError, match=r"3 of 40 samples have no number \(a value is NaN\), more than 5%"
    ):
        Level("x", replace(X, above=0.5, statistic="mean")).measure(
            _pair([torch.nan] * 3 + [1.0] * 37, own)
        )


@pytest.mark.parametrize(
    ("hits", "low", "high"), [(0, 0, 0.0881), (40, 0.9119, 1), (20, 0.338, 0.662)]
)
def test_shares_have_exact_intervals_never_of_no_length(hits, low, high):
    """Against the tables of Clopper and Pearson, n = 40."""
    measured = Level("x", replace(X, statistic="mean")).measure(
        _pair([1.0] * hits + [0.0] * (40 - hits), [0.0])
    )
    assert (measured.low, measured.high) == (
        pytest.approx(low, abs=1e-3),
        pytest.approx(high, abs=1e-3),
    )


@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_where_nearly_all_are_equal_the_mean_has_two_ends(scale):
    """Of 40 numbers all but one are the largest: most draws of bootstrap-t hold that alone."""
    values = np.append(np.full(39, scale), 0.5 * scale)
    found = bootstrap.of_mean(values)
    assert found.low == pytest.approx(scale * intervals.of_share(values / scale).low)
    assert found.value < found.high < np.inf
    assert bootstrap.of_mean(-values).low > -np.inf
    assert bootstrap.of_mean(-values).high == np.inf  # nothing bounds what may be there


@pytest.mark.parametrize(
    ("limits", "verdict"),
    [
        ({}, None),
        ({"at_least": 0.3}, "yes"),
        ({"at_least": 0.4}, "undecided"),
        ({"at_least": 0.7}, "no"),
        ({"at_most": 0.3}, "no"),
    ],
)
def test_the_verdict_is_by_the_whole_interval(limits, verdict):
    tables = _pair([1.0] * 20 + [0.0] * 20, [0.0])
    assert Level("x", replace(X, statistic="mean"), **limits).measure(tables).verdict == verdict


def test_few_samples_that_carry_a_mean_are_told():
    heavy = [1.0] * 38 + [60.0] * 2
    told = Level("x", replace(X, statistic="mean")).measure(_pair(heavy, heavy)).warnings
    assert told[0].startswith("few_samples: 2 of 40 samples (5%) carry 76% of a mean")
    assert not Level("x", X).measure(_pair(heavy, heavy)).warnings
    assert (
        not Level("x", replace(X, statistic="mean"))
        .measure(_pair([1.0] + [0.0] * 39, heavy))
        .warnings
    )  # a share


def test_no_few_samples_carry_a_difference_of_shares():
    kept, lost = [1.0] * 40, [1.0] * 37 + [0.0] * 3
    mean = replace(X, statistic="mean")
    assert not Difference("x", mean, to="b").measure(_pair(kept, lost)).warnings
    told = Difference("x", mean, to="b").measure(_pair([2.0] * 40, [2.0] * 38 + [0.0] * 2)).warnings
    assert told[0].startswith("few_samples: 2 of 40 samples (5%) carry 100% of a mean")


def test_a_sign_that_hangs_on_the_statistic_is_told():
    carried = [1.0] * 28 + [40.0, 50.0] * 6
    by_mean = Ratio("x", replace(X, statistic="mean"), to="b").measure(_pair(carried, [2.0] * 40))
    assert by_mean.low > 1
    assert (
        "sign_hangs_on_statistic: it is above 1 by one statistic and below by another: "
        in by_mean.warnings[0]
    )
    assert (
        "ratio of medians 0.5, ratio of means 7.1, median of paired ratios 0.5"
        in by_mean.warnings[0]
    )
    by_samples = Share("x", X, to="b").measure(_pair(carried, [2.0] * 40))
    assert by_samples.low > 0.5
    assert (
        "half less the share below -0.2, difference of means 12.2, difference of medians -1"
        in by_samples.warnings[0]
    )
    unsettled = Ratio("x", replace(X, statistic="mean"), to="b").measure(
        _pair([1.0] * 38 + [60.0] * 2, [2.0] * 40)
    )
    assert unsettled.low < 1 < unsettled.high  # it has no sign that could hang on anything
    assert [warning.partition(":")[0] for warning in unsettled.warnings] == ["few_samples"]


def test_a_verdict_is_one_of_three():
    with pytest.raises(
        ValueError,
        match=r"expected a verdict among yes, no, undecided or None, got True: take judge",
    ):
        Measured(1.0, 0.5, 2.0, True)


def test_trends_and_powers():
    tables = _tables()
    rising = Trend("x", OVER, at_least=0.9).measure(tables)
    assert [rising.value, rising.low, rising.high] == pytest.approx([1, 1, 1])
    tables["margins"]["plain"]["distance"] = 1 / tables["margins"]["plain"]["distance"]
    assert Trend("x", OVER).measure(tables).value == pytest.approx(-1)
    power = Power("x", OVER, at_least=-1.1, at_most=-0.9).measure(tables)
    assert power.value == pytest.approx(-1, abs=0.02)
    assert power.verdict == "yes"
    tables["margins"]["plain"]["distance"] = torch.ones(1000)
    assert Trend("x", OVER).measure(tables).value == 0


def test_one_of_several_values_in_where():
    tables = {
        "p": {
            "m": {
                "sample": torch.arange(4),
                "x": torch.arange(4.0),
                "status": ["broken", "robust", "already_wrong", "robust"],
            }
        }
    }
    level = Level(
        "x",
        Numbers("p", "m", "x", where={"status": ["broken", "robust"]}, above=0.5, statistic="mean"),
    )
    assert level.measure(tables).value == pytest.approx(2 / 3)


def test_correlations_are_of_ranks_with_what_is_not_found_as_the_largest():
    own = torch.tensor([1.0, 2.0, 3.0, 4.0, torch.inf, torch.inf])
    other = torch.tensor([0.1, 0.2, 0.4, 0.3, 0.5, 0.6])
    tables = {
        "p": {
            "m": {
                "sample": torch.arange(6),
                "x": own,
                "y": other,
                "vector": torch.stack([other, -other], 1),
            }
        }
    }
    x, y = Numbers("p", "m", "x"), Numbers("p", "m", "y")
    measured = Correlation("x", x, y, at_least=0.5).measure(tables)
    # of the ranks 1 2 3 4 5.5 5.5 and 1 2 4 3 5 6
    assert measured.value == pytest.approx(
        np.corrcoef([1, 2, 3, 4, 5.5, 5.5], [1, 2, 4, 3, 5, 6])[0, 1]
    )
    assert measured.low < measured.value <= measured.high <= 1
    assert Correlation("x", x, replace(y, column="vector", entry=1)).measure(
        tables
    ).value == pytest.approx(-measured.value)
    assert measured.unit == "6 samples, one seed"
    tables["p"]["m"]["x"] = torch.tensor([1.0, *[torch.inf] * 5])
    assert [word.split(":")[0] for word in Correlation("x", x, y).measure(tables).warnings] == [
        "ties"
    ]
    tables["p"]["m"]["x"] = torch.ones(6)
    assert Correlation("x", x, y).measure(tables).value == 0


def _signs(count, zero, saturated, worse):
    def first(share):
        return torch.arange(count) < round(share * count)

    none = torch.zeros(count, dtype=torch.bool)
    right = {
        "label": torch.zeros(count, dtype=torch.int64),
        "prediction": torch.zeros(count, dtype=torch.int64),
    }
    signs = {
        "zero_gradient": first(zero),
        "zero_margin_gradient": none,
        "saturated": first(saturated),
        "regained": none,
    }
    columns = {
        "sample": torch.arange(count),
        **right,
        **signs,
        "variation": torch.zeros(count),
        "worse_than_noise": first(worse),
    }
    return {"masking": {"loud": columns}}


def test_warnings_of_masking_are_counted():
    claim = MaskingWarnings("x", "masking", "loud", at_least=2)
    twice = claim.measure(_signs(200, 0.9, 1.0, 0.0))
    assert (twice.value, twice.low, twice.high, twice.verdict) == (2, 2, 2, "yes")
    rare = claim.measure(
        _signs(200, 0.0, 1.0, 0.015)
    )  # 3 of 200: a sample drawn anew may have fewer
    assert (rare.value, rare.low, rare.high, rare.verdict) == (2, 1, 2, "undecided")
    assert claim.measure(_signs(200, 0.0, 0.0, 0.0)).verdict == "no"
    with pytest.raises(LookupError, match="no rows of probe masking on model quiet"):
        replace(claim, model="quiet").measure(_signs(20, 0, 0, 0))
    with pytest.raises(
        LookupError, match="probe masking has no columns prediction, zero_gradient, "
    ):
        claim.measure({"masking": {"loud": {"sample": torch.arange(3), "label": torch.arange(3)}}})


def test_the_same_tables_give_the_same_interval():
    assert Level("x", MARGIN).measure(_tables(positions=1)) == Level("x", MARGIN).measure(
        _tables(positions=1)
    )


@pytest.mark.parametrize(
    ("claim", "match"),
    [
        (Level("x", replace(MARGIN, model="absent")), "no rows of probe margins on model absent"),
        (Level("x", replace(MARGIN, column="width")), "has no column 'width'; it has sample"),
        (
            Level("x", replace(MARGIN, where={"attack": "fgsm"})),
            "has no row with {'attack': 'fgsm'}",
        ),
        (Level("x", MARGIN), "are not one for each sample and model"),
        (Level("x", OVER), "a level is one number: distance has 5 positions over dimension"),
        (
            Level("x", replace(MARGIN, column="attack")),
            "column attack of probe margins must hold numbers; got words",
        ),
        (
            Trend("x", replace(MARGIN, where={"dimension": 1})),
            "a trend needs several positions: distance has 1 over None",
        ),
        (
            Power("x", replace(OVER, model="lost")),
            "the statistic is not a number: too few positions, or too many rows",
        ),
        (
            Ratio("x", OVER, to="others"),
            "models plain and others do not have the same samples and positions",
        ),
        (
            Level("x", replace(MARGIN, entry=0)),
            "column distance of probe margins holds numbers: leave entry out",
        ),
        (
            Level("x", replace(MARGIN, column="vector")),
            "column vector of probe margins holds vectors: give entry",
        ),
        (Ratio("x", OVER, to="short"), "do not have the same samples and positions"),
    ],
)
def test_what_the_tables_lack_is_said(claim, match):
    tables = _tables()
    tables["margins"]["plain"]["vector"] = torch.ones(1000, 3)
    tables["margins"]["lost"] = _tables()["margins"]["plain"] | {
        "distance": torch.full((1000,), torch.inf)
    }
    tables["margins"]["others"] = _tables()["margins"]["plain"]
    tables["margins"]["others"]["sample"] = tables["margins"]["others"]["sample"] + 1
    tables["margins"]["short"] = _tables(samples=100)["margins"]["plain"]
    with pytest.raises(LookupError, match=match):
        claim.measure(tables)


def test_positions_that_no_slope_or_trend_can_have_are_told():
    table = {"sample": torch.arange(200) % 2, "x": torch.ones(200), "block": torch.arange(200) // 2}
    with pytest.raises(
        LookupError, match="a power needs several positive positions: x has 0, 1, 2 over block"
    ):
        Power("x", replace(X, over="block")).measure({"p": {"a": table}})
    table = {name: column.repeat(2) for name, column in table.items()} | {
        "block": torch.arange(400) // 2
    }
    with pytest.raises(
        LookupError, match="a trend is over at most 128 positions: x has 200 over block"
    ):
        Trend("x", replace(X, over="block")).measure({"p": {"a": table}})


def test_what_the_article_says_in_numbers():
    limits = [{"at_least": 0.9}, {"at_most": 2.0}, {"at_least": -0.6, "at_most": -0.4}, {}]
    assert [expected(Level("x", MARGIN, **limit)) for limit in limits] == [
        ">= 0.9",
        "<= 2",
        "-0.6 to -0.4",
        "-",
    ]


def test_a_seed_without_a_finite_number_is_refused_with_a_way_out():
    estimates = [Estimate(1.0, 0.5, 1.5), Estimate(np.inf, 1.0, np.inf)]
    with pytest.raises(LookupError, match="cannot average 1, inf over 2 seeds; take statistic"):
        over_seeds(estimates)
