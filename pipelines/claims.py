"""Claims of the article as numbers, beside what a study measured, with bootstrap intervals over the samples."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np

from advcore.probes import Columns

Tables = Mapping[str, Mapping[str, Columns]]
"""By probe, then by model."""

Values = np.ndarray
"""One number for each position and sample, `(positions, samples)`."""

DRAWS = 1000
"""Bootstrap samples; an interval holds the middle 95 % of them."""


@dataclass(frozen=True)
class Measured:
    """A claim's number with the ends of its interval, and whether the number is as claimed."""

    value: float
    low: float
    high: float
    holds: bool


class Claim(Protocol):
    """A frozen dataclass: what the article says, and how to measure it."""

    says: str

    def measure(self, tables: Tables) -> Measured:
        """The number from the tables; LookupError where they lack it."""


@dataclass(frozen=True)
class Level:
    """A statistic over the samples: the median of a ratio, the share that holds at an eps.

    Attributes:
        says: the claim in words.
        probe, model, column: where the numbers stand.
        at_least, at_most: what the article says of the number.
        statistic: over the samples.
        where: only rows with these values: `{attack: pgd-l2}`.
        above: count whether a number is larger than this, instead of the number.
        entry: of a column that holds vectors, 0 for the first.
    """

    says: str
    probe: str
    model: str
    column: str
    at_least: float = -np.inf
    at_most: float = np.inf
    statistic: Literal["median", "mean"] = "median"
    where: dict[str, Any] = field(default_factory=dict)
    above: float | None = None
    entry: int | None = None

    def measure(self, tables: Tables) -> Measured:
        values = _values(tables, self.probe, self.model, self.column, None, self.where, self.above, self.entry)
        return _bootstrap(lambda own: _over_samples(own, self.statistic)[0], [values], self.at_least, self.at_most)


@dataclass(frozen=True)
class Ratio:
    """A statistic of one model over that of another, on the same samples.

    Attributes:
        says, probe, model, column, at_least, at_most, statistic, where, above, entry: as in `Level`.
        to: the other model.
        over: the column that numbers the positions (subspaces, say) at each of which a ratio is taken.
        position: of the ratio that counts, -1 for the last; the smallest of all when None.
        per: divide it by the ratio at this position.
    """

    says: str
    probe: str
    model: str
    to: str
    column: str
    at_least: float = -np.inf
    at_most: float = np.inf
    statistic: Literal["median", "mean"] = "median"
    where: dict[str, Any] = field(default_factory=dict)
    above: float | None = None
    entry: int | None = None
    over: str | None = None
    position: int | None = None
    per: int | None = None

    def measure(self, tables: Tables) -> Measured:
        both = [
            _values(tables, self.probe, model, self.column, self.over, self.where, self.above, self.entry)
            for model in (self.model, self.to)
        ]
        return _bootstrap(self._ratio, both, self.at_least, self.at_most)

    def _ratio(self, own: Values, other: Values) -> float:
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = _over_samples(own, self.statistic) / _over_samples(other, self.statistic)
        one = ratios.min() if self.position is None else ratios[self.position]
        return float(one if self.per is None else one / ratios[self.per])


@dataclass(frozen=True)
class Trend:
    """The rank correlation (Spearman) of a statistic with the position: 1 where it rises all along, -1 where it falls.

    Attributes:
        says, probe, model, column, at_least, at_most, statistic, where: as in `Level`.
        over: the column that numbers the positions.
    """

    says: str
    probe: str
    model: str
    column: str
    over: str
    at_least: float = -np.inf
    at_most: float = np.inf
    statistic: Literal["median", "mean"] = "median"
    where: dict[str, Any] = field(default_factory=dict)

    def measure(self, tables: Tables) -> Measured:
        values = _values(tables, self.probe, self.model, self.column, self.over, self.where)
        return _bootstrap(lambda own: _spearman(_over_samples(own, self.statistic)), [values], self.at_least, self.at_most)


@dataclass(frozen=True)
class Power:
    """The exponent p of a statistic that goes as `over^p`: the slope of a straight line through both logarithms.

    Attributes:
        says, probe, model, column, over, at_least, at_most, statistic, where: as in `Trend`; `over` holds positive numbers.
    """

    says: str
    probe: str
    model: str
    column: str
    over: str
    at_least: float = -np.inf
    at_most: float = np.inf
    statistic: Literal["median", "mean"] = "median"
    where: dict[str, Any] = field(default_factory=dict)

    def measure(self, tables: Tables) -> Measured:
        values = _values(tables, self.probe, self.model, self.column, self.over, self.where)
        positions = np.unique(np.asarray(_column(tables, self.probe, self.model, self.over, self.where), dtype=float))
        return _bootstrap(
            lambda own: float(np.polyfit(np.log(positions), np.log(_over_samples(own, self.statistic)), 1)[0]),
            [values],
            self.at_least,
            self.at_most,
        )


CLAIMS: dict[str, type] = {"level": Level, "ratio": Ratio, "trend": Trend, "power": Power}
"""The claims that a study can name by `kind`."""


def expected(claim: Claim) -> str:
    """What the article says of the number."""
    low, high = getattr(claim, "at_least", -np.inf), getattr(claim, "at_most", np.inf)
    if np.isfinite(low) and np.isfinite(high):
        return f"{low:g} to {high:g}"
    return f">= {low:g}" if np.isfinite(low) else f"<= {high:g}" if np.isfinite(high) else "-"


def _column(tables: Tables, probe: str, model: str, name: str, where: Mapping[str, Any]) -> np.ndarray:
    """A column of the rows that are as `where` says."""
    table = tables.get(probe, {}).get(model)
    if table is None:
        raise LookupError(f"no rows of probe {probe} on model {model}")
    for wanted in (name, *where):
        if wanted not in table:
            raise LookupError(f"probe {probe} has no column {wanted!r}; it has {', '.join(table)}")
    chosen = np.ones(len(table["sample"]), dtype=bool)
    for condition, value in where.items():
        chosen &= np.asarray(table[condition]) == value
    if not chosen.any():
        raise LookupError(f"probe {probe} on model {model} has no row with {dict(where)}")
    return np.asarray(table[name])[chosen]


def _values(
    tables: Tables,
    probe: str,
    model: str,
    column: str,
    over: str | None,
    where: Mapping[str, Any],
    above: float | None = None,
    entry: int | None = None,
) -> Values:
    """`(positions, samples)`, samples in the order of their indices; LookupError where a sample lacks a position."""
    values = _column(tables, probe, model, column, where).astype(float)
    if (values.ndim > 1) != (entry is not None):
        held = "vectors: give entry" if entry is None else "numbers: leave entry out"
        raise LookupError(f"column {column} of probe {probe} holds {held}")
    values = values if entry is None else values[:, entry]
    samples = _column(tables, probe, model, "sample", where)
    positions = np.zeros(len(samples)) if over is None else _column(tables, probe, model, over, where)
    (steps, place), (own, row) = (np.unique(part, return_inverse=True) for part in (positions, samples))
    if len(values) != len(steps) * len(own) or len(np.unique(place * len(own) + row)) != len(values):
        raise LookupError(f"probe {probe} on model {model}: {len(values)} rows are not one for each sample and {over or 'model'}")
    grid = np.empty((len(steps), len(own)))
    grid[place, row] = values
    return grid if above is None else (grid > above).astype(float)


def _over_samples(values: Values, statistic: str) -> np.ndarray:
    """A statistic of each position; the median is the lower one, so that inf, not found, stays inf and is never averaged."""
    if statistic == "mean":
        return values.mean(1)
    return np.partition(values, (values.shape[1] - 1) // 2, axis=1)[:, (values.shape[1] - 1) // 2]


def _spearman(values: np.ndarray) -> float:
    ranks = np.array([(np.sum(values < value) + np.sum(values <= value) - 1) / 2 for value in values])  # ties share their mean
    if np.ptp(ranks) == 0:
        return 0.0
    return float(np.corrcoef(ranks, np.arange(len(values)))[0, 1])


def _bootstrap(statistic: Callable[..., float], columns: list[Values], at_least: float, at_most: float) -> Measured:
    """The statistic, and the middle 95 % of it over samples drawn anew, the same ones in all columns."""
    count = columns[0].shape[1]
    if any(values.shape != columns[0].shape for values in columns):
        raise LookupError(f"the models have not the same samples and positions: {[values.shape for values in columns]}")
    value = float(statistic(*columns))
    random = np.random.default_rng(0)
    draws = [statistic(*(values[:, index] for values in columns)) for index in random.integers(0, count, (DRAWS, count))]
    low, high = np.quantile(np.asarray(draws, dtype=float), [0.025, 0.975], method="nearest")
    return Measured(value, float(low), float(high), bool(at_least <= value <= at_most))
