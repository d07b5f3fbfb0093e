"""APGDT: Auto-PGD with one target after the other (Croce and Hein 2020, section 4)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from advcore import objectives
from advcore.attacks.adaptive import ascend_all_steps, check_ascent
from advcore.attacks.attack import Adversarial, SearchResult
from advcore.attacks.regions import solve_in_regions
from advcore.classifier import Classifier, logits_of, take_rows
from advcore.criteria import Criterion, Targeted
from advcore.norms import NormName, Radius
from advcore.randomness import Randomness
from advcore.threats.ball import Balls
from advcore.threats.region import Region


@dataclass(frozen=True)
class APGDT:
    """APGD on the targeted difference-of-logits ratio.

    One run for each of the likeliest classes, on the samples that still stand.

    With an untargeted criterion the targets are the `targets` likeliest other classes, or all K - 1
    where there are fewer, and any class but the label breaks a sample; with a targeted one there is
    that target alone.

    Attributes:
        eps: radius in pixel units, as in `APGD`.
        norm: norm of the ball.
        steps: gradient steps of each run.
        rho: share of rising steps at or below which a checkpoint halves the step.
        targets: number of classes that are tried, the likeliest first.
        box: keep `x + r` in [0, 1].
    """

    eps: Radius | None = None
    norm: NormName = "linf"
    steps: int = 100
    rho: float = 0.75
    targets: int = 9
    box: bool = True

    def __post_init__(self) -> None:
        check_ascent(self.norm, self.eps, self.steps, self.rho)
        if self.targets < 1:
            raise ValueError(f"targets must be at least 1; got {self.targets}")

    def __call__(
        self,
        classifier: Classifier,
        images: Tensor,
        criterion: Criterion,
        randomness: Randomness | None = None,
    ) -> Adversarial:
        return solve_in_regions(
            Balls(self.norm, self.box),
            self.eps,
            self._search,
            classifier,
            images,
            criterion,
            randomness,
        )

    def _search(
        self, classifier: Classifier, region: Region, criterion: Criterion, randomness: Randomness
    ) -> SearchResult:
        images = region.rest()
        with torch.no_grad():
            goals = criterion.goals(logits_of(classifier, images), self.targets)
        result = images.clone()
        queries = torch.ones(len(images), dtype=torch.int64, device=images.device)
        gradients = torch.zeros_like(queries)
        active = torch.arange(len(images), device=images.device)
        for place in range(goals.shape[1]):
            own, rest = take_rows(classifier, active), criterion.take(active)
            goal, noise = (
                Targeted(goals[active, place]),
                randomness.take(active).stream("target", place),
            )
            tries = ascend_all_steps(
                own,
                rest,
                goal,
                objectives.logit_ratio,
                region.take(active),
                self.steps,
                self.rho,
                noise,
            )
            result[active] = tries.images
            queries[active] += tries.queries
            gradients[active] += tries.gradients
            if place + 1 == goals.shape[1]:
                break
            with torch.no_grad():
                standing = ~rest.holds(logits_of(own, tries.images))
            queries[active] += 1
            active = active[standing]
            if not len(active):
                break
        return SearchResult(result, queries, gradients)
