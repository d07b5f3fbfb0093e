"""A statistic of each group of samples beside that of all others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from advcore.counts import counted
from advcore.pipelines.claims import Numbers
from advcore.pipelines.claims.grid import SEED, Grid
from advcore.pipelines.claims.intervals import of_share
from advcore.pipelines.claims.measuring import at_each, of_one, one_position
from advcore.pipelines.claims.permutation import Permutation
from advcore.pipelines.claims.rows import Tables, check_groups, lacking
from advcore.pipelines.claims.seeds import over_seeds
from advcore.pipelines.tables.kinds import Part
from advcore.pipelines.tables.spread import check_alone
from advcore.probes import Chart, Columns, Lines, Series

POINTS = 200
"""Number of thresholds at which the shares of a figure are drawn."""

EFFECTS: tuple[Literal["difference", "ratio"], ...] = ("difference", "ratio")


@dataclass(frozen=True)
class Groups:
    """A statistic of each group of samples, beside that of the samples of all other groups.

    A group is named by a column: a further column of the data set, `class` for the class, or one
    of the probe's own. Put the axis of the seeds into `reduce`: intervals are then over samples and
    seeds. The figure is equal robustness of Nanda et al. 2021 (Fairness through robustness), where
    the numbers are distances to the boundary: the share of each group that lies farther from it
    than tau, over tau. It is drawn of numbers that are not all 0 and 1.

    Columns: the axes that are left; `group`, `samples`; `value`, the group's statistic, with
    `value_low`, `value_high`; `others`, that of all other samples; `difference`, value less others,
    and `ratio`, value over others, with `_low` and `_high`; and
    `difference_p`, `ratio_p`, the share of permutations of the labels that give as large an effect,
    see the claim `permutation`. One row per group. The tests are of one group each: of ten groups
    one in two has a p below .05 somewhere by chance (Bonferroni: compare p with .05 / groups).
    What has no finite number in each seed is NaN, with its p: a median that is inf in one of
    several seeds, a difference from such a one, a ratio to 0 or of numbers that can be negative.

    Attributes:
        number: statistic over the samples; its probe is one of `of`.
        by: column that names the group of each sample.
        groups: groups that have a row, and make up all samples; every one that there is when not
            given.
    """

    number: Numbers
    by: str
    groups: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_alone(self.number)
        check_groups(self.groups)

    def rows(self, parts: Sequence[Part]) -> Columns:
        """Return a row for each group.

        Raises LookupError for fewer than two groups, and for one of fewer than two samples.
        """
        tables = self._tables(parts)
        grid, column = self._labelled(tables)
        groups = self._groups(column)
        columns: dict[str, list[float]] = {}
        for group in groups:
            own = self._of_group(tables, grid, column, group, groups)
            for name, number in own.items():
                columns.setdefault(name, []).append(number)
        numbers = {name: torch.tensor(own, dtype=torch.float64) for name, own in columns.items()}
        return {"group": list(groups), **numbers}

    def charts(self, parts: Sequence[Part]) -> list[Chart]:
        """Return the share of each group whose number is above tau, over tau."""
        grid, column = self._labelled(self._tables(parts))
        labels = column.astype(str)
        finite = grid.values[np.isfinite(grid.values)]
        if grid.binary or not len(finite):
            return []
        limits = np.linspace(min(0.0, finite.min()), np.quantile(finite, 0.98), POINTS)
        series = [
            _share_above(grid, labels == group, group, limits) for group in self._groups(column)
        ]
        return [
            Lines(
                name="groups",
                title=f"Share of each group with a {self.number.column} above tau",
                x_label=f"tau ({self.number.column}, in units of the input)",
                y_label="samples of the group above tau (%)",
                series=series,
                y_limits=(-2, 102),
                note=f"Groups by {self.by}; {counted(len(grid.seeds), 'seed')}, their mean; band: "
                "95 % interval over samples.",
            )
        ]

    def _tables(self, parts: Sequence[Part]) -> Tables:
        """Return the rows of all members, with the column of the seeds."""
        own = [part for part in parts if part.probe == self.number.probe]
        if not own:
            raise LookupError(f"no rows of {self.number.place} are there; name it in of, too")
        seeds = [part.at.get(SEED, np.nan) for part in own]
        lengths = [len(next(iter(part.rows.values()))) for part in own]
        joined: dict[str, np.ndarray] = {
            name: np.concatenate([np.asarray(part.rows[name]) for part in own])
            for name in own[0].rows
        }
        joined[SEED] = np.repeat(np.array(seeds, dtype=float), lengths)
        return {self.number.probe or "": {"": joined}}  # type: ignore[dict-item]

    def _labelled(self, tables: Tables) -> tuple[Grid, np.ndarray]:
        """Return the numbers, and the label of each sample; those of no group are left out.

        Raises LookupError where a sample has several numbers.
        """
        grid = self.number.grid(tables)
        one_position("statistic of a group", self.number, grid)
        column = self.number.labels(self.by, tables, grid.samples)
        chosen = ~lacking(column)
        if self.groups:
            chosen &= np.isin(column.astype(str), self.groups)
        return grid.at(chosen), column[chosen]

    def _groups(self, column: np.ndarray) -> dict[str, Any]:
        """Return the label of each group, as the column holds it, by its name.

        Raises LookupError for fewer than two groups, and for one of fewer than two samples.
        """
        labels = column.astype(str)
        found = list(self.groups) or list(map(str, np.unique(labels)))
        if len(found) < 2:
            raise LookupError(
                f"{self.by} names {len(found)} group ({', '.join(found)}): two at least"
            )
        members = {name: column[labels == name] for name in found}
        for name, own in members.items():
            if len(own) < 2:
                raise LookupError(
                    f"a group needs at least 2 samples: {self.by} {name} has {len(own)}"
                )
        return {name: own[0].item() for name, own in members.items()}

    def _of_group(
        self,
        tables: Tables,
        grid: Grid,
        column: np.ndarray,
        group: str,
        groups: Mapping[str, Any],
    ) -> dict[str, float]:
        """Return the numbers of a row."""
        inside = column.astype(str) == group
        others = [label for other, label in groups.items() if other != group]
        own, apart = (self._value(grid, chosen) for chosen in (inside, ~inside))
        has_effect = self._has_effect(grid, inside)
        result = {"samples": float(inside.sum())}
        result |= {"value": own[0], "value_low": own[1], "value_high": own[2], "others": apart[0]}
        for effect in EFFECTS:
            numbers = [np.nan] * 4
            if has_effect[effect]:
                test = Permutation("", self.number, self.by, effect, [groups[group], others])
                measured, p = test.with_p(tables)
                numbers = [measured.value, measured.low, measured.high, p]
            names = [effect, f"{effect}_low", f"{effect}_high", f"{effect}_p"]
            result |= dict(zip(names, numbers, strict=True))
        return result

    def _value(self, grid: Grid, chosen: np.ndarray) -> tuple[float, float, float]:
        """Return the statistic of some samples, averaged over seeds, and its interval."""
        found = [of_one(self.number.statistic, own[:, chosen], grid.binary) for own in grid.values]
        if len(found) > 1 and not all(np.isfinite(own.value) for own in found):
            return np.nan, np.nan, np.nan
        value, low, high = over_seeds(found)
        return (value, max(low, 0.0), min(high, 1.0)) if grid.binary else (value, low, high)

    def _has_effect(self, grid: Grid, inside: np.ndarray) -> dict[str, bool]:
        """Return whether each effect is a finite number, in all seeds."""
        own, apart = (
            at_each(self.number.statistic, grid.values[..., chosen]) for chosen in (inside, ~inside)
        )
        finite = bool(np.isfinite([own, apart]).all())
        ratio = finite and bool((grid.values >= 0).all()) and bool((apart > 0).all())
        return {"difference": finite, "ratio": ratio}


def _share_above(grid: Grid, chosen: np.ndarray, label: str, limits: np.ndarray) -> Series:
    """Return the share of some samples above each limit, in %, with its interval over samples."""
    values = grid.values[:, 0, chosen]
    found = np.array([of_share((values > limit).mean(0)) for limit in limits])
    share, low, high = (torch.from_numpy(100 * own) for own in found.T.copy())
    x = torch.from_numpy(limits)
    return Series(f"{label} ({int(chosen.sum())})", x, share, low, high, style="line")
