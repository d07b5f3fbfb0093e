"""Restarts: the same attack from several random starts."""

from dataclasses import dataclass

import torch
from torch import Tensor

from advcore.attacks.around import AroundOne
from advcore.attacks.attack import Adversarial, has_budget
from advcore.attacks.search import check_arguments
from advcore.attacks.worst import in_turn, shortest
from advcore.classifier import Classifier
from advcore.criteria import Criterion
from advcore.norms import Radius
from advcore.randomness import Randomness


@dataclass(frozen=True)
class Restarts(AroundOne):
    """An attack `count` times, each with noise of its own, the first with that of the attack alone.

    A budget attack runs again only on what still stands; a minimal-norm attack on all samples, and
    the shortest is kept. Never weaker than the attack alone. Queries and gradients add up, with
    each run's checks before and after.

    Attributes:
        attack: attack that draws noise; another one would do the same again.
        count: number of runs.
    """

    count: int = 5

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"count must be at least 1; got {self.count}")

    @property
    def eps(self) -> Radius | None:
        """The attack's radius; an AttributeError when it has none, as `has_budget` asks."""
        return self.attack.eps  # type: ignore[attr-defined]

    def __call__(
        self,
        classifier: Classifier,
        images: Tensor,
        criterion: Criterion,
        randomness: Randomness | None = None,
    ) -> Adversarial:
        check_arguments(images, criterion)
        first = randomness or Randomness(0, torch.arange(len(images), device=images.device))
        runs = [
            (self.attack, first.stream("restart", i) if i else first) for i in range(self.count)
        ]
        return (
            in_turn(runs, classifier, images, criterion)
            if has_budget(self)
            else shortest(runs, classifier, images, criterion)
        )
