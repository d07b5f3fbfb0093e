"""Schedulers, which stop trials early, and searchers, which choose points, as settings.

Nothing here imports Ray.
"""

import importlib.util
from dataclasses import dataclass
from typing import Literal

Mode = Literal["max", "min"]


@dataclass(frozen=True)
class FIFO:
    """Run every trial to its end, first point first: for a grid that is wanted whole."""


@dataclass(frozen=True)
class ASHA:
    """Asynchronous successive halving (Li et al. 2020): only the better trials continue.

    The decision is made at growing numbers of epochs.

    It decides as results come in, so which trials it stops differs from one run to the next.

    Attributes:
        metric: number of every epoch by which trials are judged.
        mode: direction of the metric: max or min.
        grace: epochs that each trial gets.
        reduction: factor of the trials: one in so many continues, at `grace`, `grace * reduction`,
            ... epochs.
    """

    metric: str
    mode: Mode = "max"
    grace: int = 1
    reduction: float = 3.0

    def __post_init__(self) -> None:
        if self.grace < 1 or not self.reduction > 1:
            raise ValueError(
                f"grace must be at least 1 and reduction above 1; got {self.grace} and "
                f"{self.reduction}"
            )


@dataclass(frozen=True)
class Median:
    """The median stopping rule (Golovin et al. 2017).

    A trial stops if its best is below the median of the other trials' means.

    It decides as results come in, so which trials it stops differs from one run to the next.

    Attributes:
        metric: number of every epoch by which trials are judged.
        mode: direction of the metric: max or min.
        grace: epochs that each trial gets.
        least: number of trials to compare with; before there are so many none is stopped.
    """

    metric: str
    mode: Mode = "max"
    grace: int = 1
    least: int = 3

    def __post_init__(self) -> None:
        if self.grace < 1 or self.least < 1:
            raise ValueError(
                f"grace and least must be at least 1; got {self.grace} and {self.least}"
            )


@dataclass(frozen=True)
class PBT:
    """Population-based training (Jaderberg et al. 2017).

    Every few epochs the worst trials continue from the states of the best ones, with settings close
    to theirs.

    The trials are a population that takes turns on the machines that are there. What may change
    between epochs are the numbers of `recipe.objective`, and `recipe.learning_rate`, `weight_decay`
    and `gradient_clip`; other settings of the space go over with the state. The settings in a
    network's JSON have these changes in their recipe, so it can be trained again by `advcore
    train`. Which trial goes on from which is decided as results come in, so it differs from one run
    to the next, on the same seed too. A trial's seconds, and so a budget of hours, also count its
    waiting for its turn.

    Attributes:
        metric: number of every epoch by which trials are judged.
        mode: direction of the metric: max or min.
        interval: epochs between two comparisons.
        share: share of the population, from the worst up, that continues from the same share at the
            top.
        resample: chance of a setting to be drawn anew; else it moves a little.
        seed: seed of these draws.
    """

    metric: str
    mode: Mode = "max"
    interval: int = 2
    share: float = 0.25
    resample: float = 0.25
    seed: int = 0

    def __post_init__(self) -> None:
        if self.interval < 1:
            raise ValueError(f"interval must be at least 1 epoch; got {self.interval}")
        if not 0 < self.share <= 0.5 or not 0 <= self.resample <= 1:
            raise ValueError(
                f"share must lie in (0, 0.5] and resample in [0, 1]; got {self.share} and "
                f"{self.resample}"
            )


Scheduler = FIFO | ASHA | Median | PBT
"""A rule that says whether and when trials are stopped before their last epoch."""


def judged_by(scheduler: Scheduler) -> str | None:
    """Return the number of every epoch by which trials are stopped; None where none is."""
    return None if isinstance(scheduler, FIFO) else scheduler.metric


SCHEDULERS: dict[str, type] = {"fifo": FIFO, "asha": ASHA, "median": Median, "pbt": PBT}
"""The schedulers that a sweep can name by `kind`."""


@dataclass(frozen=True)
class Random:
    """Grids whole, all other settings drawn at random; all points are known before the first trial.

    Attributes:
        seed: seed of the draws.
    """

    seed: int = 0


@dataclass(frozen=True)
class Optuna:
    """Optuna's tree-structured Parzen estimator.

    It chooses points near good ones, by the sweep's metric and mode.

    It has no grids. Which points it chooses depends on the order in which trials end, so with
    several at a time it differs from one run to the next; a sweep that goes on tells it what is
    known already.

    Attributes:
        seed: seed of its draws.
    """

    seed: int = 0

    def __post_init__(self) -> None:
        if importlib.util.find_spec("optuna") is None:
            raise ValueError(
                "the searcher optuna needs the package optuna: pip install optuna, or take "
                "kind: random"
            )


Searcher = Random | Optuna
"""A rule that chooses the points."""

SEARCHERS: dict[str, type] = {"random": Random, "grid": Random, "optuna": Optuna}
"""The searchers that a sweep can name by `kind`."""
