"""Frank-Wolfe: ascent without a projection (Frank and Wolfe 1956; Wu et al. 2020)."""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from advcore import objectives
from advcore.attacks.ascent import ascend_by
from advcore.attacks.attack import Adversarial, SearchResult
from advcore.attacks.budget import check_eps
from advcore.attacks.regions import climb_in_regions, solve_in_regions
from advcore.classifier import Classifier
from advcore.criteria import Criterion
from advcore.norms import Radius
from advcore.objectives import ObjectiveName
from advcore.randomness import Randomness
from advcore.threats.region import Convex, Region, ThreatModel


@dataclass(frozen=True)
class FrankWolfe:
    """Maximise an objective over a convex threat model by steps to its farthest points.

    `phi <- phi + 2 / (i + 2) (v - phi)`, v the parameters of the region with the largest inner
    product with the gradient, i from 0. So no step leaves the region, and none is projected. In
    `wasserstein` v is the solution of a linear programme, found by bisection of one price.

    Guarantee: an image that it calls found is adversarial and inside the region; not found proves
    nothing. Where none is found, the image handed back is the iterate with the largest objective.

    Attributes:
        threat: threat model that knows its farthest points: `wasserstein` or `additive`.
        eps: size of the region, in the threat model's unit, one for all or `(B,)`; a study's grid
            of eps takes its place when None.
        steps: gradient steps.
        objective: function that is maximised.
    """

    threat: ThreatModel
    eps: Radius | None = None
    steps: int = 40
    objective: ObjectiveName = "cross_entropy"

    def __post_init__(self) -> None:
        objectives.objective_by_name(self.objective)
        check_eps(self.eps)
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1; got {self.steps}")

    @property
    def norm(self) -> str:
        """The name of the threat model."""
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

    def climb(
        self, classifier: Classifier, images: Tensor, criterion: Criterion, randomness: Randomness
    ) -> SearchResult:
        """Take all steps for all samples, broken or not. Call it under `frozen`."""
        search = partial(self._search, leave=False)
        return climb_in_regions(
            self.threat, self.eps, search, classifier, images, criterion, randomness
        )

    def _search(
        self,
        classifier: Classifier,
        region: Region,
        criterion: Criterion,
        randomness: Randomness,
        leave: bool = True,
    ) -> SearchResult:
        if not isinstance(region, Convex):
            raise ValueError(f"{self.threat.name} does not know its farthest points: take pgd")
        objective = objectives.objective_by_name(self.objective)
        start = region.rest()
        return ascend_by(
            _to_farthest, classifier, region, start, criterion, objective, self.steps, leave
        )


def _to_farthest(region: Region, parameters: Tensor, gradient: Tensor, i: int) -> Tensor:
    assert isinstance(region, Convex), "checked before"
    return torch.lerp(parameters, region.farthest(gradient), 2 / (i + 2))
