"""Claims: the right number, an interval that holds it, and words where there is none."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pipelines.claims import Level, Numbers, Power, Ratio, Trend, expected


def _tables(positions=5, samples=200, models=("plain", "robust")):
    """Medians 1, 2, 3, ... times the model's number, log-normal over samples; rows in a mixed order."""
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
    assert measured.holds
    assert not Level("x", MARGIN, at_least=2).measure(tables).holds
    share = Level("x", replace(MARGIN, statistic="mean", above=1.0)).measure(tables)
    assert share.value == pytest.approx(0.5, abs=0.01)
    assert share.high - share.low == pytest.approx(4 * np.sqrt(0.25 / 200), rel=0.2)  # the normal approximation


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_is_exactly_at_a_decimal_limit_is_not_above_it(dtype):
    tables = {"p": {"m": {"sample": torch.arange(4), "broken_at": torch.tensor([0.1, 0.1, 0.3, torch.inf], dtype=dtype)}}}
    share = Level("x", Numbers("p", "m", "broken_at", above=0.1, statistic="mean"))
    assert share.measure(tables).value == 0.5


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


def test_trends_and_powers():
    tables = _tables()
    rising = Trend("x", OVER, at_least=0.9).measure(tables)
    assert rising.value == rising.low == rising.high == pytest.approx(1)
    tables["margins"]["plain"]["distance"] = 1 / tables["margins"]["plain"]["distance"]
    assert Trend("x", OVER).measure(tables).value == pytest.approx(-1)
    power = Power("x", OVER, at_least=-1.1, at_most=-0.9).measure(tables)
    assert power.value == pytest.approx(-1, abs=0.02)
    assert power.holds
    tables["margins"]["plain"]["distance"] = torch.ones(1000)
    assert Trend("x", OVER).measure(tables).value == 0


def test_the_same_tables_give_the_same_interval():
    assert Level("x", MARGIN).measure(_tables(positions=1)) == Level("x", MARGIN).measure(_tables(positions=1))


@pytest.mark.parametrize(
    ("claim", "match"),
    [
        (Level("x", replace(MARGIN, model="absent")), "no rows of probe margins on model absent"),
        (Level("x", replace(MARGIN, column="width")), "has no column 'width'; it has sample"),
        (Level("x", replace(MARGIN, where={"attack": "fgsm"})), "has no row with {'attack': 'fgsm'}"),
        (Level("x", MARGIN), "are not one for each sample and model"),
        (Level("x", OVER), "a level is one number: distance has 5 positions over dimension"),
        (Level("x", replace(MARGIN, column="attack")), "column attack of probe margins holds words, no numbers"),
        (Trend("x", replace(MARGIN, where={"dimension": 1})), "the statistic is not a number: too few positions"),
        (Power("x", replace(OVER, model="lost")), "the statistic is not a number: too few positions, or too many rows"),
        (Ratio("x", OVER, to="others"), "models plain and others have not the same samples and positions"),
        (Level("x", replace(MARGIN, entry=0)), "column distance of probe margins holds numbers: leave entry out"),
        (Level("x", replace(MARGIN, column="vector")), "column vector of probe margins holds vectors: give entry"),
        (Ratio("x", OVER, to="short"), "have not the same samples and positions"),
    ],
)
def test_what_the_tables_lack_is_said(claim, match):
    tables = _tables()
    tables["margins"]["plain"]["vector"] = torch.ones(1000, 3)
    tables["margins"]["lost"] = _tables()["margins"]["plain"] | {"distance": torch.full((1000,), torch.inf)}
    tables["margins"]["others"] = _tables()["margins"]["plain"]
    tables["margins"]["others"]["sample"] = tables["margins"]["others"]["sample"] + 1
    tables["margins"]["short"] = _tables(samples=100)["margins"]["plain"]
    with pytest.raises(LookupError, match=match):
        claim.measure(tables)


def test_what_the_article_says_in_numbers():
    limits = [{"at_least": 0.9}, {"at_most": 2.0}, {"at_least": -0.6, "at_most": -0.4}, {}]
    assert [expected(Level("x", MARGIN, **limit)) for limit in limits] == [">= 0.9", "<= 2", "-0.6 to -0.4", "-"]
