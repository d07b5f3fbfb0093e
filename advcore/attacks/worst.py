"""Worst: per sample the best of several attacks."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from advcore.attacks.attack import Adversarial, Attack, has_budget, norm_of
from advcore.attacks.budget import take_attack
from advcore.classifier import Classifier, take_rows
from advcore.criteria import Criterion
from advcore.norms import Radius, per_sample
from advcore.randomness import Randomness

Run = tuple[Attack, Randomness | None]
"""An attack and its source of noise."""


@dataclass(frozen=True)
class Worst:
    """Several attacks of one norm, per sample the best.

    Budget attacks run one after the other, each on what still stands; minimal-norm attacks all run
    on all samples, and the shortest perturbation is kept.

    Queries and gradients add up, with each attack's own checks before and after.

    Attributes:
        attacks: attacks, all with a budget, the same eps in each, or all without; the quickest
            first.
    """

    attacks: tuple[Attack, ...]

    def __post_init__(self) -> None:
        if not self.attacks:
            raise ValueError("worst needs at least one attack; got none")
        names = sorted({norm_of(attack) for attack in self.attacks})
        if len(names) > 1:
            raise ValueError(
                f"the attacks of worst must share a norm; got {', '.join(names)}: worst_of_threats "
                "takes several, with a limit for each"
            )
        if len({has_budget(attack) for attack in self.attacks}) > 1:
            raise ValueError(
                "worst takes budget attacks or minimal-norm attacks, not both; put the latter "
                "into Within(attack, eps)"
            )
        budgets = [attack.eps for attack in self.attacks if has_budget(attack)]
        if len(set(budgets)) > 1:
            raise ValueError(f"the attacks of worst must share eps; got {budgets}")

    @property
    def norm(self) -> str:
        return norm_of(self.attacks[0])

    @property
    def eps(self) -> Radius | None:
        """The attacks' radius; an AttributeError when they have none, as `has_budget` asks."""
        return self.attacks[0].eps  # type: ignore[attr-defined]

    @property
    def wrapped(self) -> tuple[Attack, ...]:
        """The attacks."""
        return self.attacks

    def with_wrapped(self, attacks: tuple[Attack, ...]) -> "Worst":
        """The best of others."""
        return replace(self, attacks=attacks)

    def __call__(
        self,
        classifier: Classifier,
        images: Tensor,
        criterion: Criterion,
        randomness: Randomness | None = None,
    ) -> Adversarial:
        runs = [(attack, randomness) for attack in self.attacks]
        return (
            in_turn(runs, classifier, images, criterion)
            if has_budget(self)
            else shortest(runs, classifier, images, criterion)
        )


def in_turn(
    runs: Iterable[Run], classifier: Classifier, images: Tensor, criterion: Criterion
) -> Adversarial:
    """Run one attack after the other, each on the samples that still stand.

    The last try is returned where all fail.
    """
    result: Adversarial | None = None
    for attack, randomness in runs:
        if result is None:
            result = attack(classifier, images, criterion, randomness)
            continue
        standing = (~result.found).nonzero()[:, 0]
        if not len(standing):
            break
        randomness = randomness or Randomness(0, torch.arange(len(images), device=images.device))
        own, rest, noise = (
            take_rows(classifier, standing),
            criterion.take(standing),
            randomness.take(standing),
        )
        part = take_attack(attack, standing)(own, images.detach()[standing], rest, noise)
        result = _put(result, part, standing)
    assert result is not None, "runs hold at least one"
    return result


def shortest(
    runs: Iterable[Run], classifier: Classifier, images: Tensor, criterion: Criterion
) -> Adversarial:
    """Every attack on every sample; per sample the shortest perturbation."""
    results = [attack(classifier, images, criterion, randomness) for attack, randomness in runs]
    result = results[0]
    for other in results[1:]:
        wins = other.distance < result.distance
        result = Adversarial(
            torch.where(per_sample(wins, images), other.images, result.images),
            torch.where(wins, other.found, result.found),
            torch.where(wins, other.distance, result.distance),
            torch.where(wins, other.status, result.status),
            result.queries + other.queries,
            result.gradients + other.gradients,
        )
    return result


def _put(result: Adversarial, part: Adversarial, index: Tensor) -> Adversarial:
    """The result with the rows `index` as in `part`; what was spent on them adds up."""
    rows = {
        name: getattr(result, name).index_copy(0, index, getattr(part, name))
        for name in ("images", "found", "distance", "status")
    }
    spent = {
        name: getattr(result, name).index_add(0, index, getattr(part, name))
        for name in ("queries", "gradients")
    }
    return replace(result, **rows, **spent, trace=None)
