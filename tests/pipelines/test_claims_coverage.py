"""Intervals of claims that cover: of each kind 200 runs on made data, whose true number is known.

Of 95 % intervals at least 90 % must hold the truth. Data are normal, log-normal or heavy-tailed;
everything is seeded.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch

from advcore.pipelines.claims import Claim, Difference, Level, Numbers, Power, Ratio, Share, Trend

RUNS = 200
BLOCKS = 6

X = Numbers("p", "own", "x")
MEAN = Numbers("p", "own", "x", statistic="mean")
OVER = Numbers("p", "own", "x", over="block")
OVER_MEAN = Numbers("p", "own", "x", over="block", statistic="mean")

Make = Callable[[np.random.Generator], dict[str, np.ndarray]]


@dataclass(frozen=True)
class Case:
    """A claim, data `(seeds, positions, samples)` for each model, the truth, and whether each
    position is another network.
    """

    name: str
    claim: Claim
    make: Make
    truth: float
    networks: bool = False
    positions: np.ndarray | None = None


def tables(case: Case, values: dict[str, np.ndarray]) -> dict[str, dict[str, dict[str, Any]]]:
    """Rows as a probe's table holds them."""
    made: dict[str, dict[str, Any]] = {}
    for model, grid in values.items():
        seeds, positions, samples = (index.ravel() for index in np.indices(grid.shape))
        blocks = positions if case.positions is None else case.positions[positions]
        made[model] = {
            "sample": torch.from_numpy(samples),
            "block": torch.from_numpy(blocks),
            "x": torch.from_numpy(grid.ravel()),
        }
        if len(grid) > 1:
            made[model]["seed"] = torch.from_numpy(seeds)
        if case.networks:
            made[model]["network"] = torch.from_numpy(seeds * grid.shape[1] + positions)
    return {"p": made}


def one(draw: Callable[[np.random.Generator], np.ndarray]) -> Make:
    """One model, one seed, one position."""
    return lambda random: {"own": draw(random)[None, None].astype(float)}


def two(draw: Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]]) -> Make:
    """Two models of one seed: `(positions, samples)`, or `(samples,)`, each."""

    def make(random: np.random.Generator) -> dict[str, np.ndarray]:
        own, other = (np.atleast_2d(part)[None].astype(float) for part in draw(random))
        return {"own": own, "other": other}

    return make


def alike(
    random: np.random.Generator, samples: int, ratio: float = 1.5, heavy: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Log-normal numbers of two models that share most of their noise; with medians `ratio` and 1,
    as their means.
    """
    shared = random.standard_t(2, samples) if heavy else random.standard_normal(samples)
    own, other = (0.8 * shared + 0.4 * random.standard_normal(samples) for _ in range(2))
    return ratio * np.exp(own), np.exp(other)


def profiles(
    random: np.random.Generator, ratios: np.ndarray, samples: int = 16
) -> tuple[np.ndarray, np.ndarray]:
    """Two models' margins in blocks, whose medians have these ratios; neighbours and models share
    noise.
    """
    shared = random.standard_normal(samples)
    noise = 0.3 * random.standard_normal((2, len(ratios), samples)) + 0.4 * shared
    return ratios[:, None] * np.exp(noise[0]), np.exp(noise[1])


def flags(
    random: np.random.Generator, own: float, other: float, samples: int = 60
) -> tuple[np.ndarray, np.ndarray]:
    """Two shares that go together: the same uniform number decides both on half of the samples."""
    shared = random.random(samples)
    apart = np.where(random.random(samples) < 0.5, shared, random.random(samples))
    return shared < own, apart < other


def rising(
    random: np.random.Generator, medians: np.ndarray, samples: int = 30
) -> dict[str, np.ndarray]:
    """A profile of one network."""
    noise = 0.4 * random.standard_normal(samples) + 0.5 * random.standard_normal(
        (len(medians), samples)
    )
    return {"own": (medians[:, None] * np.exp(noise))[None]}


def trainings(
    random: np.random.Generator,
    slope: float,
    settings: np.ndarray,
    spread: float = 1.0,
    samples: int = 30,
) -> dict[str, np.ndarray]:
    """Networks, one at each setting, that differ by their training; the samples' noise is small and
    common to all.
    """
    level = slope * np.log(settings) + spread * random.standard_normal(len(settings))
    return {"own": np.exp(level[:, None] + 0.5 * random.standard_normal(samples))[None]}


def of_seeds(
    random: np.random.Generator,
    seeds: int,
    between: float,
    samples: int = 40,
    medians: np.ndarray | None = None,
    heavy: bool = False,
) -> np.ndarray:
    """Trainings with several seeds on the same samples: noise of the seeds, of the samples, and of
    both together.
    """
    medians = np.ones(1) if medians is None else medians
    of_seed = between * (random.standard_t(5, seeds) if heavy else random.standard_normal(seeds))
    noise = (
        of_seed[:, None, None]
        + 0.4 * random.standard_normal(samples)
        + 0.3 * random.standard_normal((seeds, len(medians), samples))
    )
    return medians[:, None] * np.exp(noise)


EQUAL, OF_21 = np.full(BLOCKS, 1.3), np.full(21, 1.3)
LOW = np.where(np.arange(BLOCKS) == 5, 1.1, 1.5)
STEEP, GENTLE = np.exp(np.arange(BLOCKS) * 0.7), np.exp(np.arange(BLOCKS) / 10)
BUMP = np.exp(np.array([0, 2, 3, 2.5, 4, 5]) / 4)
GRID = np.array([0.25, 0.5, 1.0, 1.5, 2.0, 3.0])


def rank_correlation(slope: float, spread: float = 1.0) -> float:
    """Of very many networks at these settings, ties of the settings sharing their mean rank."""
    random = np.random.default_rng(1)
    place = random.integers(0, len(GRID), 200_000)
    level = slope * np.log(GRID[place]) + spread * random.standard_normal(len(place))
    return float(np.corrcoef(place, level.argsort().argsort())[0, 1])


CASES = [
    Case("level, median, log-normal", Level("x", X), one(lambda r: r.lognormal(0, 1, 40)), 1.0),
    Case("level, median, Cauchy", Level("x", X), one(lambda r: r.standard_cauchy(25)), 0.0),
    Case("level, median, ties", Level("x", X), one(lambda r: r.poisson(2.3, 30)), 2.0),
    Case("level, mean, normal", Level("x", MEAN), one(lambda r: r.normal(2, 1, 20)), 2.0),
    Case(
        "level, mean, log-normal",
        Level("x", MEAN),
        one(lambda r: r.lognormal(0, 1, 60)),
        float(np.exp(0.5)),
    ),
    Case("level, mean, t of 3 degrees", Level("x", MEAN), one(lambda r: r.standard_t(3, 40)), 0.0),
    Case("level, share of 2 %", Level("x", MEAN), one(lambda r: r.random(60) < 0.02), 0.02),
    Case("level, share of 90 %", Level("x", MEAN), one(lambda r: r.random(60) < 0.9), 0.9),
    Case("ratio of medians", Ratio("x", X, "other"), two(lambda r: alike(r, 40)), 1.5),
    Case(
        "ratio of medians, heavy tails",
        Ratio("x", X, "other"),
        two(lambda r: alike(r, 40, heavy=True)),
        1.5,
    ),
    Case("ratio of means", Ratio("x", MEAN, "other"), two(lambda r: alike(r, 60)), 1.5),
    Case("ratio of shares", Ratio("x", MEAN, "other"), two(lambda r: flags(r, 0.7, 0.5)), 1.4),
    Case(
        "ratio of small shares", Ratio("x", MEAN, "other"), two(lambda r: flags(r, 0.05, 0.1)), 0.5
    ),
    Case(
        "smallest of 21 equal ratios",
        Ratio("x", OVER, "other"),
        two(lambda r: profiles(r, OF_21)),
        1.3,
    ),
    Case(
        "smallest ratio, one low", Ratio("x", OVER, "other"), two(lambda r: profiles(r, LOW)), 1.1
    ),
    Case(
        "smallest ratio of means",
        Ratio("x", OVER_MEAN, "other"),
        two(lambda r: profiles(r, EQUAL)),
        1.3,
    ),
    Case(
        "smallest of 21 paired ratios",
        Ratio("x", OVER, "other", paired=True),
        two(lambda r: profiles(r, OF_21)),
        1.3,
    ),
    Case(
        "highest over lowest",
        Ratio("x", OVER, "other", position=-1, per=0),
        two(lambda r: profiles(r, STEEP)),
        float(STEEP[-1]),
    ),
    Case(
        "ratio, paired",
        Ratio("x", X, "other", paired=True),
        two(lambda r: alike(r, 40, heavy=True)),
        1.5,
    ),
    Case(
        "ratio, paired, geometric mean",
        Ratio("x", MEAN, "other", paired=True),
        two(lambda r: alike(r, 40)),
        1.5,
    ),
    Case(
        "difference, paired mean",
        Difference("x", MEAN, "other"),
        two(lambda r: alike(r, 60)),
        float(0.5 * np.exp(0.4)),
    ),
    Case(
        "difference of medians",
        Difference("x", X, "other", paired=False),
        two(lambda r: alike(r, 40)),
        0.5,
    ),
    Case(
        "difference, paired median",
        Difference("x", X, "other"),
        two(lambda r: [r.standard_cauchy(30) + at for at in (1, 0)]),
        1.0,
    ),
    Case(
        "difference of shares",
        Difference("x", MEAN, "other"),
        two(lambda r: flags(r, 0.05, 0.02)),
        0.03,
    ),
    Case(
        "share below another",
        Share("x", X, "other"),
        two(lambda r: alike(r, 40, ratio=1.0, heavy=True)),
        0.5,
    ),
    Case("share below a number", Share("x", X, than=0.1), one(lambda r: r.random(50)), 0.1),
    Case(
        "share with ties",
        Share("x", X, "other"),
        two(lambda r: [r.integers(0, 3, 50) for _ in range(2)]),
        0.5,
    ),
    Case("trend, steep", Trend("x", OVER), lambda r: rising(r, STEEP), 1.0),
    Case("trend, gentle", Trend("x", OVER), lambda r: rising(r, GENTLE), 1.0),
    Case(
        "trend, with a bump",
        Trend("x", OVER),
        lambda r: rising(r, BUMP),
        float(np.corrcoef(BUMP.argsort().argsort(), range(6))[0, 1]),
    ),
    Case("trend, none", Trend("x", OVER), lambda r: rising(r, np.ones(6)), 0.0),
    Case("trend, means", Trend("x", OVER_MEAN), lambda r: rising(r, GENTLE[::-1]), -1.0),
    *(
        Case(
            f"trend over six networks, {slope}",
            Trend("x", OVER),
            lambda r, s=slope: trainings(r, s, GRID),
            rank_correlation(slope),
            True,
        )
        for slope in (0.0, 0.5, -1.5, 4.0)
    ),
    Case(
        "power",
        Power("x", OVER),
        lambda r: rising(r, np.arange(1, 9) ** -0.5),
        -0.5,
        positions=np.arange(1, 9),
    ),
    Case(
        "power over networks", Power("x", OVER), lambda r: trainings(r, 0.7, GRID), 0.7, True, GRID
    ),
    *(
        Case(
            f"level, {seeds} seeds",
            Level("x", X),
            lambda r, s=seeds: {"own": of_seeds(r, s, 0.2)},
            float(np.exp(0.02)),
        )
        for seeds in (2, 3, 5)
    ),
    Case(
        "level, 3 seeds that hardly differ",
        Level("x", X),
        lambda r: {"own": of_seeds(r, 3, 0.01)},
        1.0,
    ),
    Case(
        "level, mean, 4 seeds",
        Level("x", MEAN),
        lambda r: {"own": of_seeds(r, 4, 0.2)},
        float(np.exp((0.04 + 0.16 + 0.09) / 2)),
    ),
    *(
        Case(
            f"ratio, {seeds} seeds, heavy tails, paired {paired}",
            Ratio("x", X, "other", paired=paired),
            lambda r, s=seeds: {
                "own": of_seeds(r, s, 0.3, heavy=True),
                "other": of_seeds(r, s, 0.3, heavy=True),
            },
            1.0,
        )
        for seeds in (2, 4)
        for paired in (False, True)
    ),
    Case(
        "smallest ratio, 3 seeds",
        Ratio("x", OVER, "other"),
        lambda r: {
            "own": of_seeds(r, 3, 0.2, medians=LOW),
            "other": of_seeds(r, 3, 0.2, medians=np.ones(BLOCKS)),
        },
        1.1,
    ),
    Case(
        "trend, 3 seeds",
        Trend("x", OVER),
        lambda r: {"own": of_seeds(r, 3, 0.2, medians=GENTLE)},
        1.0,
    ),
    Case(
        "share, 3 seeds",
        Level("x", MEAN),
        lambda r: {
            "own": (r.random((3, 1, 60)) < np.clip(r.normal(0.5, 0.1, (3, 1, 1)), 0, 1)) * 1.0
        },
        0.5,
    ),
]


LIKE_OTHERS = (
    *("trend, steep", "trend, with a bump", "trend, means", "smallest ratio of means"),
    "ratio, 2 seeds, heavy tails, paired False",
)
"""Names of cases of the slow part: dear ones, beside which one of the same kind stands."""


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(
            case, id=case.name, marks=[pytest.mark.slow] if case.name in LIKE_OTHERS else []
        )
        for case in CASES
    ],
)
def test_of_95_percent_intervals_at_least_90_percent_hold_the_truth(case: Case) -> None:
    random = np.random.default_rng(0)
    found = [case.claim.measure(tables(case, case.make(random))) for _ in range(RUNS)]
    held = sum(own.low <= case.truth + 1e-9 and case.truth - 1e-9 <= own.high for own in found)
    assert held >= 0.9 * RUNS


@pytest.mark.parametrize(
    ("name", "limits"),
    [
        ("level, median, log-normal", {"at_least": 0.4}),
        ("level, share of 90 %", {"at_least": 0.7}),
        ("ratio of medians", {"at_least": 0.9}),
        ("ratio, paired", {"at_least": 1}),
        ("smallest of 21 paired ratios", {"at_least": 0.5}),
        ("difference of medians", {"at_least": -0.2}),
        ("trend, steep", {"at_least": 0.7}),
        ("trend over six networks, 4.0", {"at_least": 0}),
        ("power", {"at_least": -0.8, "at_most": -0.2}),
        ("level, 3 seeds that hardly differ", {"at_least": 0.5}),
    ],
)
def test_the_intervals_are_short_enough_to_say_yes(name: str, limits: dict[str, float]) -> None:
    (case,) = (case for case in CASES if case.name == name)
    random = np.random.default_rng(1)
    found = [
        replace(case.claim, **limits).measure(tables(case, case.make(random))) for _ in range(30)
    ]
    assert sum(own.verdict == "yes" for own in found) >= 20
    assert all(own.verdict != "no" for own in found)
