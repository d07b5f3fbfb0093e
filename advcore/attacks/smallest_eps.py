"""The smallest budget with which an attack succeeds, by bisection."""

from dataclasses import dataclass, replace

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
from advcore.norms import per_sample
from advcore.randomness import Randomness
from advcore.threats.region import Counts, ThreatModel


@dataclass(frozen=True)
class SmallestEps:
    """A budget attack, asked how far one must go: a minimal-norm attack in any threat model.

    Its eps is halved between none and `largest` for each sample; the nearest success is kept. The
    distance is an upper bound, and no attack need succeed at every larger eps.

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
        attack = with_budget(self.budget, self._farthest(images))
        best = attack(classifier, images, criterion, randomness)
        missed = best.status == Status.ROBUST
        best = replace(best, status=best.status.masked_fill(missed, Status.FAILED))
        left = (best.status == Status.BROKEN).nonzero()[:, 0]
        if not len(left):
            return best
        own, rest, noise = (
            take_rows(classifier, left),
            criterion.take(left),
            randomness.take(left),
        )
        low = torch.zeros(len(left), dtype=images.dtype, device=images.device)
        for _ in range(self.steps):
            high = best.distance[left]
            middle = (low + high) / 2
            tried = with_budget(self.budget, middle)(own, images[left], rest, noise)
            low = torch.where(tried.found, low, middle)
            best = _nearer(best, left, tried)
        return best

    def _farthest(self, images: Tensor) -> float:
        """Return the largest eps for inputs `(B, *shape)`."""
        if self.largest is not None:
            return self.largest
        threat = _threat(self.budget)
        return float(threat.most(images.shape[1:])) if isinstance(threat, Counts) else 1.0


def _threat(attack: Attack) -> ThreatModel | None:
    """Return the threat model in which an attack searches, or what it wraps."""
    if isinstance(attack, OverThreat):
        return attack.threat
    return next(map(_threat, alike(attack)), None)


def _nearer(best: Adversarial, rows: Tensor, tried: Adversarial) -> Adversarial:
    """Return a result with those of another one, of some rows, that lie nearer; costs add up."""
    wins = tried.found & (tried.distance < best.distance[rows])
    images, distance = best.images.clone(), best.distance.clone()
    images[rows] = torch.where(per_sample(wins, images[rows]), tried.images, images[rows])
    distance[rows] = torch.where(wins, tried.distance, distance[rows])
    return replace(
        best,
        images=images,
        distance=distance,
        queries=best.queries.index_add(0, rows, tried.queries),
        gradients=best.gradients.index_add(0, rows, tried.gradients),
    )
