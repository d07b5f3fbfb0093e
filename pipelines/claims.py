"""Claims of the article as numbers, beside what a study measured, with bootstrap intervals over the samples."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
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
class Numbers:
    """Which numbers of a model's rows a claim is about, and what is taken of them over the samples.

    Attributes:
        probe, model, column: where they stand.
        over: the column that numbers positions (subspaces, dimensions), at each of which there is one row for each sample.
        where: only rows with these values: `{attack: pgd-l2}`.
        entry: of a column that holds vectors, 0 for the first.
        above: whether a number is larger than this, instead of the number.
        statistic: over the samples; the median is the lower one, so that inf, not found, stays inf and is never averaged.
    """

    probe: str
    model: str
    column: str
    over: str | None = None
    where: dict[str, Any] = field(default_factory=dict)
    entry: int | None = None
    above: float | None = None
    statistic: Literal["median", "mean"] = "median"

    def positions(self, tables: Tables) -> np.ndarray:
        """The values of `over`, ascending; a single 0 without it."""
        return np.zeros(1) if self.over is None else np.unique(self._column(tables, self.over))

    def samples(self, tables: Tables) -> np.ndarray:
        """The indices of the samples, ascending."""
        return np.unique(self._column(tables, "sample"))

    def values(self, tables: Tables) -> Values:
        """Samples in the order of their indices; LookupError where the rows are not one for each sample and position."""
        values = self._column(tables, self.column)
        if values.dtype.kind not in "biuf":
            raise LookupError(f"column {self.column} of probe {self.probe} holds words, no numbers")
        if (values.ndim > 1) != (self.entry is not None):
            held = "vectors: give entry" if self.entry is None else "numbers: leave entry out"
            raise LookupError(f"column {self.column} of probe {self.probe} holds {held}")
        values = values if self.entry is None else values[:, self.entry]
        positions = np.zeros(len(values)) if self.over is None else self._column(tables, self.over)
        (steps, place), (own, row) = (np.unique(part, return_inverse=True) for part in (positions, self._column(tables, "sample")))
        if len(values) != len(steps) * len(own) or len(np.unique(place * len(own) + row)) != len(values):
            wanted = f"one for each sample and {self.over or 'model'}"
            raise LookupError(f"probe {self.probe} on model {self.model}: {len(values)} rows are not {wanted}")
        if self.above is not None:
            values = values > np.asarray(self.above, values.dtype)  # as the probe wrote it: 0.1 in float32 is not above 0.1
        grid = np.empty((len(steps), len(own)))
        grid[place, row] = values
        return grid

    def at_each(self, values: Values) -> np.ndarray:
        """The statistic at each position."""
        if self.statistic == "mean":
            return values.mean(1)
        middle = (values.shape[1] - 1) // 2
        return np.partition(values, middle, axis=1)[:, middle]

    def _column(self, tables: Tables, name: str) -> np.ndarray:
        """A column of the rows that are as `where` says."""
        table = tables.get(self.probe, {}).get(self.model)
        if table is None:
            raise LookupError(f"no rows of probe {self.probe} on model {self.model}")
        for wanted in (name, *self.where):
            if wanted not in table:
                raise LookupError(f"probe {self.probe} has no column {wanted!r}; it has {', '.join(table)}")
        chosen = np.ones(len(table["sample"]), dtype=bool)
        for condition, value in self.where.items():
            chosen &= np.asarray(table[condition]) == value
        if not chosen.any():
            raise LookupError(f"probe {self.probe} on model {self.model} has no row with {self.where}")
        return np.asarray(table[name])[chosen]


@dataclass(frozen=True)
class Level:
    """A statistic over the samples: the median of a ratio, the share that holds at an eps.

    Attributes:
        says: the claim in words.
        of: the numbers.
        at_least, at_most: what the article says of the result.
    """

    says: str
    of: Numbers
    at_least: float = -np.inf
    at_most: float = np.inf

    def measure(self, tables: Tables) -> Measured:
        values = self.of.values(tables)
        if len(values) > 1:
            raise LookupError(f"a level is one number: {self.of.column} has {len(values)} positions over {self.of.over}")
        return _bootstrap(lambda own: self.of.at_each(own)[0], [values], self.at_least, self.at_most)


@dataclass(frozen=True)
class Ratio:
    """A statistic of one model over that of another, on the same samples.

    Attributes:
        says, of, at_least, at_most: as in `Level`.
        to: the other model.
        position: of the ratio that counts, -1 for the last; the smallest of all when None.
        per: divide it by the ratio at this position.
    """

    says: str
    of: Numbers
    to: str
    at_least: float = -np.inf
    at_most: float = np.inf
    position: int | None = None
    per: int | None = None

    def measure(self, tables: Tables) -> Measured:
        other = replace(self.of, model=self.to)
        for part in (Numbers.samples, Numbers.positions):
            if not np.array_equal(part(self.of, tables), part(other, tables)):
                raise LookupError(f"models {self.of.model} and {self.to} have not the same samples and positions")
        return _bootstrap(self._ratio, [self.of.values(tables), other.values(tables)], self.at_least, self.at_most)

    def _ratio(self, own: Values, other: Values) -> float:
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = self.of.at_each(own) / self.of.at_each(other)
        one = ratios.min() if self.position is None else ratios[self.position]
        return float(one if self.per is None else one / ratios[self.per])


@dataclass(frozen=True)
class Trend:
    """The rank correlation (Spearman) of a statistic with the position: 1 where it rises all along, -1 where it falls.

    Attributes:
        says, of, at_least, at_most: as in `Level`.
    """

    says: str
    of: Numbers
    at_least: float = -np.inf
    at_most: float = np.inf

    def measure(self, tables: Tables) -> Measured:
        return _bootstrap(lambda own: _spearman(self.of.at_each(own)), [self.of.values(tables)], self.at_least, self.at_most)


@dataclass(frozen=True)
class Power:
    """The exponent p of a statistic that goes as `over^p`: the slope of a straight line through both logarithms.

    Attributes:
        says, of, at_least, at_most: as in `Level`; `of.over` holds positive numbers.
    """

    says: str
    of: Numbers
    at_least: float = -np.inf
    at_most: float = np.inf

    def measure(self, tables: Tables) -> Measured:
        positions = np.log(self.of.positions(tables).astype(float))
        return _bootstrap(
            lambda own: _slope(positions, self.of.at_each(own)), [self.of.values(tables)], self.at_least, self.at_most
        )


CLAIMS: dict[str, type] = {"level": Level, "ratio": Ratio, "trend": Trend, "power": Power}
"""The claims that a study can name by `kind`."""


def expected(claim: Claim) -> str:
    """What the article says of the number."""
    low, high = getattr(claim, "at_least", -np.inf), getattr(claim, "at_most", np.inf)
    if np.isfinite(low) and np.isfinite(high):
        return f"{low:g} to {high:g}"
    return f">= {low:g}" if np.isfinite(low) else f"<= {high:g}" if np.isfinite(high) else "-"


def _slope(positions: np.ndarray, values: np.ndarray) -> float:
    """Of the logarithm of `values`; NaN where a value is not finite and positive, or there is one alone."""
    if len(values) < 2 or not (np.isfinite(values) & (values > 0)).all():
        return np.nan
    return float(np.polyfit(positions, np.log(values), 1)[0])


def _spearman(values: np.ndarray) -> float:
    if len(values) < 2:
        return np.nan
    ranks = np.array([(np.sum(values < value) + np.sum(values <= value) - 1) / 2 for value in values])  # ties share their mean
    if np.ptp(ranks) == 0:
        return 0.0
    return float(np.corrcoef(ranks, np.arange(len(values)))[0, 1])


def _bootstrap(statistic: Callable[..., float], columns: list[Values], at_least: float, at_most: float) -> Measured:
    """The statistic, and the middle 95 % of it over samples drawn anew, the same ones in all columns."""
    count = columns[0].shape[1]
    value = float(statistic(*columns))
    if np.isnan(value):
        raise LookupError("the statistic is not a number: too few positions, or too many rows that were not found")
    random = np.random.default_rng(0)
    draws = [statistic(*(values[:, index] for values in columns)) for index in random.integers(0, count, (DRAWS, count))]
    low, high = np.quantile(np.asarray(draws, dtype=float), [0.025, 0.975], method="nearest")
    return Measured(value, float(low), float(high), bool(at_least <= value <= at_most))
