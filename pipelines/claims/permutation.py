"""Claims about labels of samples, tested by permuting the labels."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from advcore.pipelines.claims import bootstrap, intervals
from advcore.pipelines.claims.grid import Grid, Numbers, without_missing
from advcore.pipelines.claims.intervals import Estimate
from advcore.pipelines.claims.measured import Measured, judge
from advcore.pipelines.claims.measuring import at_each, one_position, unit_of
from advcore.pipelines.claims.rows import Tables, lacking, matches
from advcore.pipelines.claims.seeds import over_seeds
from advcore.pipelines.claims.two_columns import rank_correlation

PERMUTATIONS = 1999
"""Permutations of the labels: the smallest p is 1 / 2,000."""

_AT_ONCE = 2_000_000
"""Numbers that are permuted in one piece."""


@dataclass(frozen=True)
class Permutation:
    """The difference or ratio of two groups of samples, or the rank correlation with a label.

    Its p is the share of permutations of the labels, this one included, that give an effect at
    least as far from none, on either side (Fisher 1935; Phipson and Smyth 2010): exact where labels
    could be exchanged. Seeds are averaged, with the same labels in each, for the labels belong to
    the samples. The interval asks for no exchange: percentiles of 1,000 bootstrap draws of each
    group, of two shares' difference that of Agresti and Caffo (2000), then over seeds as always,
    cut at -1 and 1 for shares.

    Attributes:
        says: claim in words.
        of: numbers of the claim.
        by: column that labels the samples: a group, or for a correlation a number.
        effect: number that is measured: difference and ratio are of the first group's statistic
            and the second's, correlation is Spearman's, without `statistic`.
        groups: labels of both groups; without it the column must have two labels.
        other_samples: switch for groups of other samples whose indices may be the same, as those of
            two data sets that have nothing in common; it needs `groups`.
        at_least: smallest value that is expected; -inf for no bound.
        at_most: largest value that is expected; inf for no bound.
        p_at_most: largest p at which the verdict may be yes.
    """

    says: str
    of: Numbers
    by: str
    effect: Literal["difference", "ratio", "correlation"] = "difference"
    groups: list[Any] | None = None
    at_least: float = -np.inf
    at_most: float = np.inf
    p_at_most: float = 1.0
    other_samples: bool = field(default=False, metadata={"later": True})

    def __post_init__(self) -> None:
        if self.other_samples and self.groups is None:
            raise ValueError("other_samples is of two groups: give their labels as groups")
        if self.groups is not None and (self.effect == "correlation" or len(self.groups) != 2):
            raise ValueError(
                f"groups are the two labels of a difference or a ratio; got {self.groups} for a "
                f"{self.effect}"
            )
        if self.groups is not None and self.groups[0] == self.groups[1]:
            raise ValueError(f"groups must be two different labels; got {self.groups}")

    def measure(self, tables: Tables) -> Measured:
        """Return the effect, with its p. Raises LookupError where the tables lack the numbers."""
        return self.with_p(tables)[0]

    def with_p(self, tables: Tables) -> tuple[Measured, float]:
        """Return the effect, and its p as a number. Raises LookupError as `measure` does."""
        whole, labels = self._apart(tables) if self.other_samples else self._together(tables)
        one_position("permutation", self.of, whole)
        (grid,), told = without_missing([whole])
        labels = labels[np.isin(whole.samples, grid.samples)]
        labelled = ~lacking(labels)
        grid, labels = grid.at(labelled), labels[labelled]
        if self.effect == "correlation":
            found, p = self._correlation(grid, labels)
        else:
            grid, first = self._two_groups(grid, labels)
            found, p = self._of_groups(grid.values[:, 0], first)
        value, low, high = over_seeds(found, in_logarithms=self.effect == "ratio")
        if np.isnan(value):
            raise LookupError("the effect is not a number: too many rows that were not found")
        if self.effect == "difference" and self._of_shares(grid.values):
            low, high = float(np.clip(low, -1, 1)), float(np.clip(high, -1, 1))
        verdict = judge(low, high, self.at_least, self.at_most)
        verdict = "undecided" if verdict == "yes" and p > self.p_at_most else verdict
        unit = f"{unit_of(grid)}; permutation p = {p:.2g}"
        return Measured(value, low, high, verdict, unit, told), p

    def _together(self, tables: Tables) -> tuple[Grid, np.ndarray]:
        """Return the numbers and the label of each sample."""
        grid = self.of.grid(tables)
        return grid, self.of.labels(self.by, tables, grid.samples)

    def _apart(self, tables: Tables) -> tuple[Grid, np.ndarray]:
        """Return the numbers of both groups beside each other, whose samples get new indices."""
        groups = self.groups or []
        parts = [
            replace(self.of, where={**self.of.where, self.by: group}).grid(tables)
            for group in groups
        ]
        names = [(own.seeds.tolist(), own.positions.tolist()) for own in parts]
        if str(names[0]) != str(names[1]):
            raise LookupError(
                f"both groups need the same seeds: {self.by} {groups[0]} has {names[0][0]}, "
                f"{groups[1]} has {names[1][0]}"
            )
        values = np.concatenate([own.values for own in parts], axis=-1)
        numbers = np.repeat(np.arange(2), [len(own.samples) for own in parts])
        whole = replace(parts[0], values=values, samples=np.arange(values.shape[-1]))
        return whole, np.array(list(map(str, groups)))[numbers]

    def _two_groups(self, grid: Grid, labels: np.ndarray) -> tuple[Grid, np.ndarray]:
        """Return the grid of both groups' samples, and which are of the first one."""
        known = list(np.unique(labels))
        groups = known if self.groups is None else self.groups
        if len(groups) != 2:
            shown = ", ".join(map(str, known[:5]))
            raise LookupError(f"{self.by} has {len(known)} labels ({shown}): give two as groups")
        member = [matches(labels, group) for group in groups]
        for group, own in zip(groups, member, strict=True):
            if own.sum() < 2:
                raise LookupError(
                    f"a group needs at least 2 samples: {self.by} {group} has {int(own.sum())}"
                )
        if (member[0] & member[1]).any():
            raise LookupError(f"groups share samples: a label of {self.by} is in both {groups}")
        chosen = member[0] | member[1]
        return grid.at(chosen), member[0][chosen]

    def _of_groups(self, values: np.ndarray, first: np.ndarray) -> tuple[list[Estimate], float]:
        """Estimate each seed's effect, and its p over all; `values` is `(seeds, samples)`."""
        if self.effect == "ratio" and (values < 0).any():
            raise LookupError("a ratio is of numbers that are not negative; take a difference")
        count, order = int(first.sum()), np.argsort(~first, kind="stable")
        values = values[:, order]

        def effects(drawn: np.ndarray) -> np.ndarray:
            """Return the mean effect over seeds for rows of `drawn` `(draws, samples)` places."""
            parts = values[:, drawn]
            own = self._effect(parts[..., :count], parts[..., count:])
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.mean(np.log(own) if self.effect == "ratio" else own, axis=0)

        found = [self._estimate(own[:count], own[count:]) for own in values]
        return found, permutation_p(effects, values.shape[1])

    def _estimate(self, one: np.ndarray, other: np.ndarray) -> Estimate:
        if self.effect == "difference" and self._of_shares(np.concatenate([one, other])):
            return intervals.of_difference_of_groups(one, other)
        return bootstrap.of_two_groups(self._effect, one, other)

    def _of_shares(self, values: np.ndarray) -> bool:
        return self.of.statistic == "mean" and bool(np.isin(values, (0, 1)).all())

    def _effect(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Return the effect of two groups, with the samples as the last axis."""
        own, its = at_each(self.of.statistic, one), at_each(self.of.statistic, other)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(own / its if self.effect == "ratio" else own - its)

    def _correlation(self, grid: Grid, labels: np.ndarray) -> tuple[list[Estimate], float]:
        """Estimate each seed's rank correlation with the labels, and its p over all."""
        if labels.dtype.kind not in "biuf":
            raise LookupError(f"a correlation needs numbers in {self.by}; got words")
        if len(labels) < 3:
            raise LookupError(f"a correlation needs at least 3 samples; got {len(labels)}")
        numbers = labels.astype(float)

        def effects(drawn: np.ndarray) -> np.ndarray:
            return np.mean(
                [
                    rank_correlation(np.broadcast_to(own[0], drawn.shape), numbers[drawn])
                    for own in grid.values
                ],
                axis=0,
            )

        found = [
            bootstrap.of_smooth(
                lambda *drawn: rank_correlation(drawn[0][0], drawn[1][0]), [own, numbers[None]]
            )
            for own in grid.values
        ]
        return found, permutation_p(effects, len(numbers))


def permutation_p(effects: Callable[[np.ndarray], np.ndarray], samples: int) -> float:
    """Return the two-sided p of an effect whose neutral value is 0.

    `effects` takes places `(permutations, samples)`, and gives one effect a row. An effect that is
    no number counts as large.
    """
    random, left, larger = np.random.default_rng(0), PERMUTATIONS, 1
    places = np.arange(samples)
    measured = abs(float(effects(places[None])[0]))
    while left:
        piece = min(left, max(1, _AT_ONCE // samples))
        drawn = effects(random.permuted(np.tile(places, (piece, 1)), axis=1))
        larger += int(np.sum(~(np.abs(drawn) < measured * (1 - 1e-9))))
        left -= piece
    return larger / (1 + PERMUTATIONS)
