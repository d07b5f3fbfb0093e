"""Projected gradient descent: steepest ascent of a loss inside the eps-ball and the box.

Source: Madry et al. 2018.
"""

from dataclasses import dataclass, field
from functools import partial

from torch import Tensor

from advcore import norms, objectives
from advcore.attacks.ascent import ascend
from advcore.attacks.attack import Adversarial, SearchResult
from advcore.attacks.budget import check_eps
from advcore.attacks.regions import climb_in_regions, solve_in_regions
from advcore.classifier import Classifier
from advcore.criteria import Criterion
from advcore.norms import NormName, Radius
from advcore.objectives import ObjectiveName
from advcore.randomness import Randomness
from advcore.threats.ball import Balls
from advcore.threats.region import Region, ThreatModel


@dataclass(frozen=True)
class PGD:
    """Maximise an objective over `||r||_p <= eps`, `x + r` in [0, 1].

    Projected steepest ascent: `x <- P(x + step u(gradient))`, `u` the sign in linf, the unit vector
    in l2.

    In l1 the steepest unit vector has one coordinate; `u` moves the signs of the largest hundredth
    of those that can move, equally (sparse l1 descent, Tramer and Boneh 2019), and `P` is the exact
    projection onto ball and box.

    Guarantee: an image that it calls found is adversarial and inside the ball; not found proves
    nothing. Where none is found, the image handed back is the iterate with the largest objective.

    Attributes:
        eps: radius in pixel units, one for all or `(B,)`, one for each sample; a study's grid of
            eps takes its place when None.
        norm: norm of the ball.
        steps: gradient steps.
        relative_step: step length as a share of eps; 2.5 / steps when None, as in Madry's l2
            evaluations.
        random_start: start at a random point of the ball: linf uniform, l1 and l2 a uniform
            direction at a uniform radius.
        objective: function that is maximised.
        box: keep `x + r` in [0, 1].
        threat: threat model in place of the ball, in whose unit eps is then; `norm` and `box` say
            nothing with one.
    """

    eps: Radius | None = None
    norm: NormName = "linf"
    steps: int = 40
    relative_step: float | None = None
    random_start: bool = True
    objective: ObjectiveName = "cross_entropy"
    box: bool = True
    threat: ThreatModel | None = field(default=None, metadata={"later": True})

    def __post_init__(self) -> None:
        norms.norm_by_name(self.norm)
        objectives.objective_by_name(self.objective)
        check_eps(self.eps)
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1; got {self.steps}")
        if not self.step * self.steps >= 1 - 1e-9:  # 49 * (1 / 49) is below 1
            raise ValueError(
                f"{self.steps} steps of {self.step:g} eps cannot reach eps: their product must be "
                "at least 1; take more steps, a larger relative_step, or leave relative_step out"
            )

    @property
    def step(self) -> float:
        """Step length as a share of eps."""
        return 2.5 / self.steps if self.relative_step is None else self.relative_step

    @property
    def _within(self) -> ThreatModel:
        """The threat model, or the balls of the norm."""
        return self.threat or Balls(self.norm, self.box)

    def __call__(
        self,
        classifier: Classifier,
        images: Tensor,
        criterion: Criterion,
        randomness: Randomness | None = None,
    ) -> Adversarial:
        return solve_in_regions(
            self._within, self.eps, self._search, classifier, images, criterion, randomness
        )

    def climb(
        self, classifier: Classifier, images: Tensor, criterion: Criterion, randomness: Randomness
    ) -> SearchResult:
        """Take all steps for all samples, broken or not: what adversarial training wants.

        Call it under `frozen`.
        """
        search = partial(self._search, leave=False)
        return climb_in_regions(
            self._within, self.eps, search, classifier, images, criterion, randomness
        )

    def _search(
        self,
        classifier: Classifier,
        region: Region,
        criterion: Criterion,
        randomness: Randomness,
        leave: bool = True,
    ) -> SearchResult:
        start = region.random(randomness.stream("start")) if self.random_start else region.rest()
        return ascend(
            classifier,
            region,
            start,
            criterion,
            objectives.objective_by_name(self.objective),
            self.step,
            self.steps,
            leave,
        )
