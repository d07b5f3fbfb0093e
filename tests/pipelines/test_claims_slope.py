"""Claims of a slope, and of one slope against another."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from advcore.pipelines.claims import Claim, Difference, Numbers, Power, Slope, Trend
from advcore.pipelines.settings import schema

SIZES = np.array([1000, 2000, 4000, 8000, 16000])

ROBUST = Numbers("p", column="broken_at", above=0.1, over="size", statistic="mean")
CLEAN = replace(ROBUST, above=0.0)


def table(sizes=SIZES, **columns):
    """Rows of columns `(seeds, positions, samples)`."""
    shape = next(iter(columns.values())).shape
    seeds, positions, samples = (index.ravel() for index in np.indices(shape))
    made = {"sample": samples, "seed": seeds, "size": np.asarray(sizes)[positions]}
    made |= {name: np.asarray(own, dtype=float).ravel() for name, own in columns.items()}
    return {"p": {"": {name: torch.from_numpy(own) for name, own in made.items()}}}


def broken_at(clean, robust, samples=100, seeds=3):
    """Samples of which these shares, by size, are right at eps 0 and at eps 0.1."""
    place = (np.arange(samples) + 0.5) / samples
    one = [
        np.where(place < r, np.inf, np.where(place < c, 0.1, 0.0))
        for c, r in zip(clean, robust, strict=True)
    ]
    return np.repeat(np.array(one)[None], seeds, axis=0)


def lines(*slopes, seeds=1, samples=40):
    """Each sample on a straight line over 0 to 4, one slope a sample, around 1."""
    random = np.random.default_rng(0)
    rise = np.array([slope + random.standard_normal((seeds, samples)) for slope in slopes])
    return list(rise[:, :, None] * np.arange(5)[:, None]), rise.mean((1, 2))


def test_the_slope_of_shares_a_doubling_is_that_of_the_line():
    clean, robust = [0.7, 0.72, 0.74, 0.76, 0.78], [0.2, 0.3, 0.36, 0.46, 0.5]
    tables = table(broken_at=broken_at(clean, robust))
    line = np.polynomial.Polynomial.fit(range(5), robust, 1).convert().coef[1]
    alone = Slope("x", ROBUST, per="doubling").measure(tables)
    both = Slope("x", ROBUST, against=CLEAN, per="doubling", at_least=0).measure(tables)
    assert alone.value == pytest.approx(line)
    assert both.value == pytest.approx(line - 0.02)
    assert both.verdict == "yes"
    assert both.unit == "3 seeds, 100 samples in each"
    per_unit = Slope("x", ROBUST).measure(tables).value
    assert per_unit == pytest.approx(np.polyfit(SIZES, robust, 1)[0])


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_the_slope_of_lines_is_theirs(statistic):
    (own, other), rises = lines(3.0, 1.0)
    tables = table(np.arange(5), x=own, y=other)
    of = Numbers("p", column="x", over="size", statistic=statistic)
    found = Slope("x", of, against=replace(of, column="y")).measure(tables)
    truth = rises if statistic == "mean" else [np.sort(side[0, 1])[19] for side in (own, other)]
    assert found.value == pytest.approx(truth[0] - truth[1])
    assert found.low < found.value < found.high


def test_a_slope_against_itself_is_none():
    (own,), _ = lines(2.0)
    of = Numbers("p", column="x", over="size", statistic="mean")
    found = Slope("x", of, against=of, at_most=0).measure(table(np.arange(5), x=own))
    assert (found.value, found.low, found.high, found.verdict) == (0, 0, 0, "yes")


def test_between_two_positions_it_is_the_paired_difference_of_shares():
    """Bonett and Price 2012, over the distance of the positions."""
    random = np.random.default_rng(1)
    x = (random.random((3, 2, 80)) < np.array([0.3, 0.6])[:, None]).astype(float)
    tables = table([1000, 4000], x=x)
    of = Numbers("p", column="x", over="size", statistic="mean")
    slope = Slope("x", of, per="doubling").measure(tables)
    ends = replace(of, over=None, where={"size": 4000})
    wanted = Difference("x", ends, to={"size": 1000}).measure(tables)
    numbers = np.array([(own.value, own.low, own.high) for own in (slope, wanted)])
    np.testing.assert_allclose(numbers[0], numbers[1] / 2)


def test_shares_that_never_move_have_a_slope_that_is_not_known_to_be_zero():
    tables = table(broken_at=broken_at([0.5] * 5, [0.0] * 5))
    found = Slope("x", ROBUST, per="doubling").measure(tables)
    assert found.value == 0
    assert -0.01 < found.low < 0 < found.high < 0.01


def test_over_networks_of_one_seed_the_interval_is_that_of_the_line():
    x = np.array([0.0, 1.1, 1.9, 3.0])[:, None] + np.zeros((1, 4, 20))
    tables = table(range(4), x=x)
    tables["p"][""]["network"] = tables["p"][""]["size"]
    found = Slope("x", Numbers("p", column="x", over="size")).measure(tables)
    assert (found.value, found.unit) == (pytest.approx(0.98), "4 networks")
    error = np.sqrt(0.018 / 2 / 5) * 4.302653  # residuals' squares, t of two degrees
    assert (found.low, found.high) == (pytest.approx(0.98 - error), pytest.approx(0.98 + error))


@pytest.mark.parametrize(
    "kind", ["shares", "means", pytest.param("medians", marks=pytest.mark.slow)]
)
def test_intervals_of_a_difference_of_slopes_cover(kind):
    """200 runs of two seeds: samples that differ in how hard they are, seeds in how good."""
    random, held, truth = np.random.default_rng(2), 0, 0.05
    of = Numbers("p", column="x", over="size", statistic="median" if kind == "medians" else "mean")
    claim = Slope("x", of, against=replace(of, column="y"), per="doubling")
    for _ in range(200):
        hard = random.normal(0, 0.15, 60)
        seeds = random.normal(0, 0.01, (2, 2))[:, :, None, None]
        x, y = (
            0.5 + slope * (np.arange(5) - 2)[:, None] + hard + seed
            for slope, seed in zip((0.08, 0.03), seeds, strict=True)
        )
        if kind == "shares":
            x, y = (random.random(own.shape) < own.clip(0, 1) for own in (x, y))
        else:
            x, y = (own + random.normal(0, 0.1, own.shape) for own in (x, y))
        found = claim.measure(table(x=x, y=y))
        held += found.low <= truth <= found.high
    assert held >= 180


@pytest.mark.parametrize(
    ("changed", "sizes", "match"),
    [
        ({}, range(5), "a slope per doubling is over several positive numbers: broken_at has 0, 1"),
        ({"per": "unit", "of": replace(ROBUST, where={"size": 1000})}, SIZES, "several numbers"),
        (
            {"of": replace(ROBUST, above=None)},
            SIZES,
            "a slope needs finite numbers: 15 of 15 means",
        ),
        (
            {"of": replace(ROBUST, above=None, statistic="median")},
            SIZES,
            "15 of 15 medians of broken_at are not",
        ),
    ],
)
def test_a_slope_that_cannot_be(changed, sizes, match):
    tables = table(sizes, broken_at=broken_at([0.7] * 5, [0.6] * 5))
    with pytest.raises(LookupError, match=match):
        replace(Slope("x", ROBUST, per="doubling"), **changed).measure(tables)


def test_slopes_are_along_one_axis():
    with pytest.raises(ValueError, match=r"a slope is along an axis: give of\.over; got none"):
        Slope("x", replace(ROBUST, over=None))
    for over in ("width", None):
        with pytest.raises(ValueError, match=f"along the same axis; got .* 'size' and {over!r}"):
            Slope("x", ROBUST, against=replace(CLEAN, over=over))


@pytest.mark.parametrize("kind", [Slope, Power, Trend])
def test_over_networks_of_several_seeds_these_and_the_samples_are_resampled(kind):
    """The samples' slopes differ, the seeds hardly do: the interval must tell of the samples."""
    rise = np.linspace(0.5, 1.5, 20) + np.array([0, 0.01, 0.02])[:, None]
    tables = table(range(1, 5), x=rise[:, None] * np.arange(1, 5)[:, None])
    rows = tables["p"][""]
    rows["network"] = 10 * rows["seed"] + rows["size"]
    of = Numbers("p", column="x", over="size", statistic="mean")
    assert of.grid(tables).networks
    found = kind("x", of).measure(tables)
    assert found.unit == "3 seeds, 20 samples in each"
    if kind is Slope:
        reach = 2.093 * rise[0].std(ddof=1) / np.sqrt(20)
        assert found.high - found.value == pytest.approx(reach, rel=0.1)


def test_a_slope_is_read_from_a_study():
    of = {"probe": "p", "column": "x", "over": "size", "statistic": "mean"}
    read = schema.structure(Claim, {"kind": "slope", "says": "x", "of": of, "per": "doubling"})
    assert read == Slope("x", Numbers(**of), per="doubling")
