"""The smallest budget with which an attack succeeds, by bisection."""

from dataclasses import dataclass, replace
from itertools import count, pairwise, takewhile

import torch
from torch import Tensor

from advcore.attacks.attack import (
    Adversarial,
    Attack,
    OverThreat,
    Status,
    alike,
    has_budget,
    norm_of,
    with_budget,
)
from advcore.attacks.search import check_arguments
from advcore.classifier import Classifier, take_rows
from advcore.criteria import Criterion
from advcore.randomness import Randomness
from advcore.threats.region import Counts, ThreatModel


@dataclass(frozen=True)
class SmallestEps:
    """A budget attack, asked how far one must go: a minimal-norm attack in any threat model.

    Its eps is halved between none and `largest` for each sample; the nearest success is kept. The
    distance is an upper bound, and no attack need succeed at every larger eps. In a threat model
    that counts changes eps is first doubled from 1 until the attack succeeds: random ones that
    change all have but one input to try.

    Attributes:
        budget: attack with a budget; its eps is left out.
        largest: largest eps that is tried, in the attack's unit; when None 1, or every change of a
            threat model that counts them.
        steps: number of halvings.
    """

    budget: Attack
    largest: float | None = None
    steps: int = 8

    def __post_init__(self) -> None:
        if not has_budget(self.budget):
            raise ValueError("smallest_eps needs an attack with a budget; this one has no eps")
        if not (self.largest is None or self.largest > 0) or self.steps < 0:
            raise ValueError(
                "largest must be above 0 and steps not negative; got "
                f"{self.largest} and {self.steps}"
            )

    @property
    def norm(self) -> str:
        """The attack's norm, or the name of its threat model."""
        return norm_of(self.budget)

    @property
    def wrapped(self) -> tuple[Attack, ...]:
        """The attack."""
        return (self.budget,)

    def with_wrapped(self, attacks: tuple[Attack, ...]) -> "SmallestEps":
        """The same around another attack."""
        (budget,) = attacks
        return replace(self, budget=budget)

    def __call__(
        self,
        classifier: Classifier,
        images: Tensor,
        criterion: Criterion,
        randomness: Randomness | None = None,
    ) -> Adversarial:
        check_arguments(images, criterion)
        if randomness is None:
            randomness = Randomness(0, torch.arange(len(images), device=images.device))

        def tried(eps: float | Tensor, rows: Tensor) -> Adversarial:
            own, rest = take_rows(classifier, rows), criterion.take(rows)
            return with_budget(self.budget, eps)(own, images[rows], rest, randomness.take(rows))

        radii = self._radii(images)
        best = with_budget(self.budget, radii[0])(classifier, images, criterion, randomness)
        low = torch.zeros(len(images), dtype=images.dtype, device=images.device)
        for before, eps in pairwise(radii):
            missed = (~best.found).nonzero()[:, 0]
            if not len(missed):
                break
            low[missed] = before
            best = _nearer(best, missed, tried(eps, missed))
        left = (best.status == Status.BROKEN).nonzero()[:, 0]
        for _ in range(self.steps if len(left) else 0):
            middle = (low[left] + best.distance[left]) / 2
            nearer = tried(middle, left)
            low[left] = torch.where(nearer.found, low[left], middle)
            best = _nearer(best, left, nearer)
        robust = best.status == Status.ROBUST
        return replace(best, status=best.status.masked_fill(robust, Status.FAILED))

    def _radii(self, images: Tensor) -> list[float]:
        """Return the eps that are tried in turn, until one succeeds, on inputs `(B, *shape)`."""
        threat = _threat(self.budget)
        if not isinstance(threat, Counts):
            return [self.largest or 1.0]
        most = self.largest or float(threat.most(images.shape[1:]))
        doubled = takewhile(lambda eps: eps < most, (2.0**power for power in count()))
        return [*doubled, most]


def _threat(attack: Attack) -> ThreatModel | None:
    """Return the threat model in which an attack searches, or what it wraps."""
    if isinstance(attack, OverThreat):
        return attack.threat
    return next(map(_threat, alike(attack)), None)


def _nearer(best: Adversarial, rows: Tensor, tried: Adversarial) -> Adversarial:
    """Return a result with those of another one, of some rows, that lie nearer; costs add up.

    Where none was found yet the other one takes its place.
    """
    wins = ~best.found[rows] | tried.found & (tried.distance < best.distance[rows])
    won = rows[wins]
    return replace(
        best,
        images=best.images.index_copy(0, won, tried.images[wins]),
        found=best.found.index_copy(0, won, tried.found[wins]),
        distance=best.distance.index_copy(0, won, tried.distance[wins]),
        status=best.status.index_copy(0, won, tried.status[wins]),
        queries=best.queries.index_add(0, rows, tried.queries),
        gradients=best.gradients.index_add(0, rows, tried.gradients),
    )
