"""The worst of several threat models, each with a budget of its own (Tramer and Boneh 2019)."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from advcore import objectives
from advcore.attacks.attack import (
    Adversarial,
    Attack,
    SearchResult,
    has_budget,
    norm_of,
    with_budget,
)
from advcore.attacks.budget import check_eps
from advcore.attacks.climbing import climbed
from advcore.attacks.worst import in_turn
from advcore.classifier import Classifier, logits_of
from advcore.criteria import Criterion
from advcore.norms import Radius, per_sample
from advcore.randomness import Randomness


@dataclass(frozen=True)
class WorstOfThreats:
    """Budget attacks in several threat models (balls of several norms, say), per sample the worst.

    The size is a share of the limit of the attack that succeeded: eps 1 allows each attack its
    limit. The attacks run one after the other, each on what still stands. In training all run on
    all samples, and the image with the largest cross-entropy is trained on (the `max` strategy).

    Queries and gradients add up.

    Attributes:
        attacks: attacks with a budget, the quickest first; their own eps are left out.
        limits: size that eps 1 allows each, in its own unit.
        eps: share of the limits, one for all or `(B,)`; a study's grid of eps takes its place when
            None.
    """

    attacks: tuple[Attack, ...]
    limits: tuple[float, ...]
    eps: Radius | None = None

    def __post_init__(self) -> None:
        check_eps(self.eps)
        if not self.attacks or len(self.attacks) != len(self.limits):
            raise ValueError(
                "worst_of_threats needs attacks, and one limit for each; got "
                f"{len(self.attacks)} and {len(self.limits)}"
            )
        if not all(limit > 0 for limit in self.limits):
            raise ValueError(f"limits must be above 0; got {self.limits}")
        for attack in self.attacks:
            if not has_budget(attack):
                raise ValueError(
                    "worst_of_threats takes attacks with a budget; put a minimal-norm attack into "
                    "Within(attack)"
                )
            if attack.eps is not None:
                raise ValueError(
                    "the attacks of worst_of_threats have their eps from limits; leave their own "
                    f"out: got {attack.eps}"
                )

    @property
    def norm(self) -> str:
        """The names of the norms and threat models, each once, joined."""
        return "+".join(dict.fromkeys(norm_of(attack) for attack in self.attacks))

    def __call__(
        self,
        classifier: Classifier,
        images: Tensor,
        criterion: Criterion,
        randomness: Randomness | None = None,
    ) -> Adversarial:
        return in_turn(
            [(attack, randomness) for attack in self._shares()], classifier, images, criterion
        )

    def climb(
        self, classifier: Classifier, images: Tensor, criterion: Criterion, randomness: Randomness
    ) -> SearchResult:
        """Run each attack on all samples, and keep the image with the largest cross-entropy.

        Its costs are not counted.
        """
        worst, highest = images, images.new_full((len(images),), -torch.inf)
        for attack in self._shares():
            tried = climbed(attack.within_budget(), classifier, images, criterion, randomness)
            with torch.no_grad():
                value = objectives.cross_entropy(logits_of(classifier, tried), criterion)
            wins = value > highest
            highest = torch.where(wins, value, highest)
            worst = torch.where(per_sample(wins, images), tried, worst)
        nothing = torch.zeros(len(images), dtype=torch.int64, device=images.device)
        return SearchResult(worst, nothing, nothing)

    def _shares(self) -> list["_Share"]:
        check_eps(self.eps, wanted=True)
        return [
            _Share(attack, limit, self.eps)
            for attack, limit in zip(self.attacks, self.limits, strict=True)
        ]


@dataclass(frozen=True)
class _Share:
    """An attack whose eps and distances are shares of a limit."""

    attack: Attack
    limit: float
    eps: Radius | None

    @property
    def norm(self) -> str:
        return norm_of(self.attack)

    def within_budget(self) -> Attack:
        """The attack with its radius in its own unit."""
        assert self.eps is not None, "checked before"
        return with_budget(self.attack, self.eps * self.limit)

    def __call__(
        self,
        classifier: Classifier,
        images: Tensor,
        criterion: Criterion,
        randomness: Randomness | None = None,
    ) -> Adversarial:
        result = self.within_budget()(classifier, images, criterion, randomness)
        return replace(result, distance=result.distance / self.limit)
