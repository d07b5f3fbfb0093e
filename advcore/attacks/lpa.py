"""The Lagrangian perceptual attack: ascent with a penalty on the feature distance.

Source: Laidlaw, Singla and Feizi 2021.
"""

from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from advcore import objectives
from advcore.attacks.attack import Adversarial, SearchResult
from advcore.attacks.budget import check_eps
from advcore.attacks.regions import solve_in_regions
from advcore.classifier import Classifier, check_finite
from advcore.criteria import Criterion
from advcore.norms import Radius, per_sample
from advcore.randomness import Randomness
from advcore.threats.feature import Feature, FeatureRegion


@dataclass(frozen=True)
class LPA:
    """Maximise `objective - weight * max(0, d - eps)`, d the distance in the network's features.

    Unlike PGD it may leave the region on its way. In each round the steps fall from eps to a tenth
    of it, in feature distance; after a round the weight of a sample that lies outside is ten times
    as large. A sample stops at its first adversarial image inside; the last of the others is drawn
    back on the segment to the input.

    Guarantee: an image that it calls found is adversarial and within eps; not found proves nothing.

    Attributes:
        eps: feature distance, one for all or `(B,)`, one for each sample; a study's grid of eps
            takes its place when None.
        rounds: number of weights.
        steps: gradient steps in a round.
        weight: the first weight.
        objective: function that is maximised.
        threat: feature distance and its settings.
    """

    eps: Radius | None = None
    rounds: int = 5
    steps: int = 20
    weight: float = 0.01
    objective: objectives.ObjectiveName = "logit_margin"
    threat: Feature = field(default_factory=Feature)

    def __post_init__(self) -> None:
        objectives.objective_by_name(self.objective)
        check_eps(self.eps)
        if self.rounds < 1 or self.steps < 1 or not self.weight > 0:
            raise ValueError(
                "rounds and steps must be at least 1 and weight above 0; got "
                f"{self.rounds}, {self.steps} and {self.weight}"
            )

    @property
    def norm(self) -> str:
        """`feature`: no lp norm."""
        return self.threat.name

    def __call__(
        self,
        classifier: Classifier,
        images: Tensor,
        criterion: Criterion,
        randomness: Randomness | None = None,
    ) -> Adversarial:
        return solve_in_regions(
            self.threat, self.eps, self._search, classifier, images, criterion, randomness
        )

    def _search(
        self,
        classifier: Classifier,
        region: FeatureRegion,
        criterion: Criterion,
        randomness: Randomness,
    ) -> SearchResult:
        objective = objectives.objective_by_name(self.objective)
        current = region.random(randomness.stream("start"))
        weight = torch.full_like(region.radius, self.weight)
        result, active = current.clone(), torch.arange(len(current), device=current.device)
        spent = torch.full((len(current),), self.rounds * self.steps, device=current.device)
        for i in range(self.rounds * self.steps):
            value = partial(_lagrangian, objective, criterion, region.radius, weight)
            gradient, sizes, logits = region.slope(current, value)
            check_finite(logits)
            outside = sizes > region.radius
            done = criterion.holds(logits) & ~outside
            if done.any():
                result[active[done]], spent[active[done]] = current[done], i + 1
                keep = (~done).nonzero()[:, 0]
                if not len(keep):
                    return SearchResult(result, spent, spent)
                active, current, gradient = active[keep], current[keep], gradient[keep]
                weight, outside = weight[keep], outside[keep]
                region, criterion = region.take(keep), criterion.take(keep)
            if i and i % self.steps == 0:
                weight = torch.where(outside, 10 * weight, weight)
            stride = region.radius * 0.1 ** (i % self.steps / self.steps)
            way = region.steepest(gradient, current)
            current = torch.addcmul(current, way, per_sample(stride, way)).clamp(0, 1)
        result[active] = region.project(current)
        return SearchResult(result, spent, spent)


def _lagrangian(
    objective: objectives.Objective,
    criterion: Criterion,
    radius: Tensor,
    weight: Tensor,
    logits: Tensor,
    sizes: Tensor,
) -> Tensor:
    return objective(logits, criterion) - weight * (sizes - radius).relu()
