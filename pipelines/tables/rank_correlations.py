"""Rank correlations across networks: of two numbers, and with a third one held fixed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from advcore.pipelines.claims import Numbers, ranks
from advcore.pipelines.claims.intervals import Estimate
from advcore.pipelines.tables.kinds import Part
from advcore.pipelines.tables.spread import check_alone, statistic_of
from advcore.probes import Columns

LEAST = 4
"""Smallest number of networks whose partial correlation has an interval."""


@dataclass(frozen=True)
class RankCorrelations:
    """Spearman's and Kendall's rank correlation of two numbers of each network.

    With `given` also the partial one, Spearman's of what a third number leaves of both:
    `(r_xy - r_xz r_yz) / sqrt((1 - r_xz^2) (1 - r_yz^2))`, NaN where a rank is settled by the third
    alone. Ties share their mean rank; Kendall's is tau-b.

    Columns: the axes that are left; with `each` its labels, by its name; `networks`, their number;
    `spearman`, `kendall`, and `partial`, each with `_low` and `_high`, the ends of the 95 %
    interval over other networks like these: the correlations of normal variables at which a value
    as large, or as small, comes in 2.5 % of samples; the partial one as that of a network less.
    One row a label.

    Attributes:
        number: one number of each network; its probe is one of `of`.
        other: the other number, in the same way.
        axis: axis of the networks, one of those in `reduce`.
        each: axis, in `reduce`, along which `number` has several labels, each in a row.
        given: third number, held fixed.
    """

    number: Numbers
    other: Numbers
    axis: str
    each: str
    given: Numbers | None = None

    def __post_init__(self) -> None:
        for own in self._others().values():
            check_alone(own)
        check_alone(self.number)

    def _others(self) -> dict[str, Numbers]:
        given = {} if self.given is None else {"given": self.given}
        return {"other": self.other, **given}

    def rows(self, parts: Sequence[Part]) -> Columns:
        """Return a row for each label of `each`.

        Raises LookupError where a network lacks a number, or there are fewer than three.
        """
        others = {name: self._by_network(own, parts) for name, own in self._others().items()}
        labels = dict.fromkeys(
            own.at[self.each]
            for own in parts
            if own.probe == self.number.probe and self.each in own.at
        )
        columns: dict[str, list[float]] = {}
        for label in labels:
            chosen = [own for own in parts if own.at.get(self.each) == label]
            found = self._by_network(self.number, chosen)
            for name, number in self._correlated(found, others).items():
                columns.setdefault(name, []).append(number)
        if not labels:
            raise LookupError(f"no rows of {self.number.place} along {self.each} are there")
        tensors = {name: torch.tensor(own, dtype=torch.float64) for name, own in columns.items()}
        return {self.each: [str(label) for label in labels], **tensors}

    def _by_network(self, numbers: Numbers, parts: Sequence[Part]) -> dict[str, float]:
        """Return the statistic of each network, by its label."""
        found: dict[str, float] = {}
        for own in parts:
            if own.probe != numbers.probe:
                continue
            label = str(own.at.get(self.axis))
            if label in found:
                raise LookupError(
                    f"{numbers.place} has several members at {self.axis}={label}: choose one in of "
                    "by where, or leave their axis out of reduce"
                )
            found[label] = statistic_of(numbers, own)
        return found

    def _correlated(
        self, number: Mapping[str, float], others: Mapping[str, Mapping[str, float]]
    ) -> dict[str, float]:
        """Return the numbers of a row."""
        networks = list(number)
        for name, own in others.items():
            lacking = [label for label in networks if label not in own]
            if lacking:
                raise LookupError(f"{name} has no number at {self.axis}={', '.join(lacking)}")
        if len(networks) < 3:
            raise LookupError(f"a rank correlation needs three networks; got {len(networks)}")
        x = np.array(list(number.values()))
        y, *given = (np.array([own[label] for label in networks]) for own in others.values())
        if any(np.isnan(own).any() for own in (x, y, *given)):
            raise LookupError("a network's number is NaN, which has no rank")
        count = len(networks)
        found = {
            "spearman": ranks.over_networks(_spearman(x, y), count),
            "kendall": ranks.kendall_over_networks(_kendall(x, y), count),
        }
        for third in given:
            found["partial"] = _partial(x, y, third)
        ends = {
            f"{name}{end}": number
            for name, own in found.items()
            for end, number in zip(("", "_low", "_high"), own, strict=True)
        }
        return {"networks": float(count), **ends}


def _spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Return Spearman's rank correlation, 0 where all numbers of one are equal."""
    from scipy.stats import rankdata

    own, other = rankdata(x), rankdata(y)
    if not np.ptp(own) or not np.ptp(other):
        return 0.0
    return float(np.corrcoef(own, other)[0, 1])


def _kendall(x: np.ndarray, y: np.ndarray) -> float:
    """Return Kendall's tau-b, 0 where all numbers of one are equal."""
    from scipy.stats import kendalltau

    if len(set(x.tolist())) == 1 or len(set(y.tolist())) == 1:
        return 0.0
    return float(kendalltau(x, y).statistic)


def _partial(x: np.ndarray, y: np.ndarray, given: np.ndarray) -> Estimate:
    """Return Spearman's correlation of two numbers with a third one held fixed."""
    own, first, second = _spearman(x, y), _spearman(x, given), _spearman(y, given)
    left = (1 - first**2) * (1 - second**2)
    if left < 1e-12:
        return Estimate(np.nan, -1.0, 1.0)
    value = float(np.clip((own - first * second) / np.sqrt(left), -1, 1))
    if len(x) < LEAST:
        return Estimate(value, -1.0, 1.0)
    return ranks.over_networks(value, len(x) - 1)
