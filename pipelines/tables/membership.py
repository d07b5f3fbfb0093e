"""Members of training sets, told by the scores of the networks that learnt them."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from advcore.counts import counted
from advcore.membership import likelihood_ratios
from advcore.pipelines.tables.kinds import Part
from advcore.probes import Chart, Columns, Lines, Series
from advcore.randomness import drawn_places
from advcore.separation import auroc, auroc_interval, roc_curve
from advcore.thresholds import balanced_accuracy, true_positives_at

SCORES = {
    "label": "correct",
    "score": "score",
    "attacked": "attacked_score",
    "margin": "margin",
}
"""The column of each attack on the network alone."""


@dataclass(frozen=True)
class MembershipInference:
    """Attacks that tell the members of a network's training set, larger scores being likelier ones.

    Members, which are the positives, are the samples that have rows of the probe `learnt`; all
    others of the probe `scores` are not. One row per network and attack: `label`, whether the
    prediction is right; `score`, how sure the network is of the true label, which orders as the
    confidence and the loss do; `attacked`, the same of the attacked image; `margin`; and with
    shadow networks `lira` and `lira_offline`, see `advcore.membership.likelihood_ratios`, of all
    views. `lira` is of those samples alone that shadows learnt and that shadows did not.

    Columns: the axes that are left; the one that numbers the networks, `seed`; `attack`; `auc`, the
    probability that a member has the larger score than another sample; `balanced_accuracy`, of
    thresholds that are chosen on one half of the samples and told on the other one, for both;
    `true_positives`, the share of the members that are found where at most `false_positives` of the
    others are taken for members; each with the ends of its 95 % interval over samples, as `auc_low`
    and `auc_high`; `members`, `others`, how many there are. An attack has no rows and no curve
    where a network's others with a score are fewer than 1 / `false_positives`.

    Attributes:
        scores: name of a probe `membership` of the networks that are attacked, one of those in
            `of`.
        learnt: name of a probe of the samples that each of them learnt, an `accuracy` say.
        shadows: name of a probe `membership` of the shadow networks; none for no LiRA.
        shadows_learnt: name of a probe of the samples that each shadow learnt.
        without: name of a probe of samples that are left out, once LiRA has its spreads: for a
            control, those that a network did learn, of which `learnt` has then the others.
        axis: axis that numbers the networks, one of those in `reduce`.
        shadow: axis that numbers the shadows, another of them.
        false_positives: share of the others that may be taken for members, in (0, 1).
    """

    scores: str
    learnt: str
    shadows: str | None = None
    shadows_learnt: str | None = None
    without: str | None = None
    axis: str = "seed"
    shadow: str = "shadow"
    false_positives: float = 0.01

    def __post_init__(self) -> None:
        if (self.shadows is None) != (self.shadows_learnt is None):
            raise ValueError("shadows and shadows_learnt belong together: give both or none")
        if not 0 < self.false_positives < 1:
            raise ValueError(f"false_positives must lie in (0, 1); got {self.false_positives}")

    def shares(self, known: Collection[str]) -> tuple[str, ...]:
        """Return the columns of shares."""
        return ("auc", "balanced_accuracy", "true_positives")

    def rows(self, parts: Sequence[Part]) -> Columns:
        """Return a row for each network and attack."""
        labels: dict[str, list[str]] = {self.axis: [], "attack": []}
        numbers: dict[str, list[float]] = {}
        for network, attacks in self._attacks(parts).items():
            for attack, (members, others) in attacks.items():
                labels[self.axis].append(network)
                labels["attack"].append(attack)
                for name, own in self._numbers(members, others).items():
                    numbers.setdefault(name, []).append(own)
        columns = {name: torch.tensor(own, dtype=torch.float64) for name, own in numbers.items()}
        return {**labels, **columns}

    def charts(self, parts: Sequence[Part]) -> list[Chart]:
        """Return the ROC curves on logarithmic axes, mean over networks."""
        found = list(self._attacks(parts).values())
        series, grids = [], []
        for attack in found[0]:
            fewest = min(len(attacks[attack][1]) for attacks in found)
            grid = np.geomspace(1 / fewest, 1, 200)
            reached = np.mean([_reached(*attacks[attack], grid) for attacks in found], axis=0)
            shown = reached > 0  # a logarithmic axis has no 0
            x, y = (torch.from_numpy(100 * own[shown]) for own in (grid, reached))
            series.append(Series(attack, x, y, style="line"))
            grids.append(grid)
        longest = min(grids, key=lambda own: float(own[0]))
        chance = torch.from_numpy(100 * longest)
        return [
            Lines(
                name="roc",
                title="ROC of members of the training set",
                x_label="others taken for members (%)",
                y_label="members found (%)",
                series=[*series, Series("", chance, chance, style="line", thin=True)],
                x_scale="log",
                y_scale="log",
                y_limits=(100 * float(longest[0]), 120),
                note=f"Mean over {counted(len(found), 'network')}. The thin line is chance.",
            )
        ]

    def _numbers(self, members: Tensor, others: Tensor) -> dict[str, float]:
        halves = tuple(drawn_places(torch.arange(len(own))) % 2 == 0 for own in (members, others))
        rates = {
            "auc": (auroc(members, others), *auroc_interval(members, others)),
            "balanced_accuracy": balanced_accuracy(members, others, (halves[0], halves[1])),
            "true_positives": true_positives_at(members, others, self.false_positives),
        }
        columns = {
            f"{name}{end}": own
            for name, rate in rates.items()
            for end, own in zip(("", "_low", "_high"), rate, strict=True)
        }
        return {**columns, "members": float(len(members)), "others": float(len(others))}

    def _attacks(self, parts: Sequence[Part]) -> dict[str, dict[str, tuple[Tensor, Tensor]]]:
        """Return the scores of members and others, by network and attack."""
        targets = self._by(parts, self.scores, self.axis)
        learnt = self._by(parts, self.learnt, self.axis)
        left_out = self._by(parts, self.without, self.axis) if self.without else {}
        shadows = self._shadows(parts)
        found: dict[str, dict[str, tuple[Tensor, Tensor]]] = {}
        for network, rows in targets.items():
            samples = _numbers_of(rows, "sample", self.scores)
            member = self._among(samples, self.learnt, learnt, network)
            scores = {
                attack: _numbers_of(rows, column, self.scores)
                for attack, column in SCORES.items()
                if column in rows
            }
            if shadows is not None:
                scores |= self._by_shadows(rows, samples, *shadows)
            kept = torch.ones_like(member)
            if self.without:
                kept = ~self._among(samples, self.without, left_out, network)
            self._check(member[kept], f"{self.axis}={network}")
            found[network] = {
                attack: _parted(own[kept], member[kept]) for attack, own in scores.items()
            }
        return self._resolved(found)

    def _among(
        self, samples: Tensor, probe: str, by_network: Mapping[str, Columns], network: str
    ) -> Tensor:
        """Return which samples `(N,)` a network's rows of a probe have."""
        if network not in by_network:
            raise LookupError(f"no rows of probe {probe} at {self.axis}={network}")
        return torch.isin(samples, _numbers_of(by_network[network], "sample", probe))

    def _resolved(
        self, found: Mapping[str, Mapping[str, tuple[Tensor, Tensor]]]
    ) -> dict[str, dict[str, tuple[Tensor, Tensor]]]:
        """Leave out the attacks that have too few samples with scores, of any network."""
        first = next(iter(found.values()))
        kept = [
            attack
            for attack in first
            if all(
                len(attacks[attack][0]) >= 4 and len(attacks[attack][1]) >= self._least
                for attacks in found.values()
            )
        ]
        return {
            network: {attack: attacks[attack] for attack in kept}
            for network, attacks in found.items()
        }

    def _check(self, member: Tensor, place: str) -> None:
        """Raise LookupError where samples `(N,)` are too few of a kind."""
        members, least = int(member.sum()), self._least
        others = len(member) - members
        if members < 4 or others < least:
            raise LookupError(
                f"at {place} {members} samples are members and {others} are not: at least 4 and "
                f"{least} are needed, for two halves and false_positives {self.false_positives:g}"
            )

    @property
    def _least(self) -> int:
        """The fewest others of which there is the share of false positives."""
        return max(4, math.ceil(1 / self.false_positives - 1e-9))

    def _by_shadows(
        self, rows: Columns, samples: Tensor, shadows: Sequence[Columns], learnt: Sequence[Columns]
    ) -> dict[str, Tensor]:
        """Return LiRA's scores, `(N,)` each."""
        name = str(self.shadows)
        for own in shadows:
            if not torch.equal(_numbers_of(own, "sample", name), samples):
                raise LookupError(f"probes {self.scores} and {name} must be of the same samples")
        inside = torch.stack(
            [
                torch.isin(samples, _numbers_of(own, "sample", str(self.shadows_learnt)))
                for own in learnt
            ]
        )
        views = torch.stack([_numbers_of(own, "views", name) for own in shadows])
        try:
            online, offline = likelihood_ratios(
                _numbers_of(rows, "views", self.scores), views, inside
            )
        except (ValueError, RuntimeError) as error:
            raise LookupError(str(error)) from error
        return {"lira": online, "lira_offline": offline}

    def _shadows(self, parts: Sequence[Part]) -> tuple[list[Columns], list[Columns]] | None:
        if self.shadows is None or self.shadows_learnt is None:
            return None
        scores = self._by(parts, self.shadows, self.shadow)
        learnt = self._by(parts, self.shadows_learnt, self.shadow)
        if scores.keys() != learnt.keys():
            raise LookupError(
                f"probes {self.shadows} and {self.shadows_learnt} must be of the same shadows"
            )
        return list(scores.values()), [learnt[label] for label in scores]

    def _by(self, parts: Sequence[Part], probe: str, axis: str) -> Mapping[str, Columns]:
        """Return the rows of a probe by the label of an axis."""
        found: dict[str, Columns] = {}
        for part in parts:
            if part.probe != probe:
                continue
            label = str(part.at.get(axis))
            if label in found:
                raise LookupError(
                    f"probe {probe} has several members at {axis}={label}: choose one in of by "
                    "where, or leave their axis out of reduce"
                )
            found[label] = part.rows
        if not found:
            raise LookupError(f"no rows of probe {probe} are there: name it in of")
        return found


def _numbers_of(rows: Columns, column: str, probe: str) -> Tensor:
    own = rows.get(column)
    if not isinstance(own, Tensor):
        raise LookupError(f"the rows of {probe} have no {column!r}: measure a probe membership")
    return own if column == "sample" else own.double()


def _parted(scores: Tensor, member: Tensor) -> tuple[Tensor, Tensor]:
    """Return the scores of the members and of the others, without samples that have none."""
    there = ~scores.isnan()
    return scores[member & there], scores[~member & there]


def _reached(members: Tensor, others: Tensor, grid: np.ndarray) -> np.ndarray:
    """Return the shares of the members found at shares `grid` of the others.

    The points of the ROC curve are joined, as the area under it has them: where scores are equal a
    coin decides.
    """
    false, true = (own.numpy() for own in roc_curve(members, others))
    highest = np.append(np.diff(false) > 0, True)
    return np.asarray(np.interp(grid, false[highest], true[highest]))
