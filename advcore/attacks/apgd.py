"""Auto-PGD: ascent that finds its own step sizes, per sample.

Source: Croce and Hein 2020; in l1 Croce and Hein 2021.
"""

from dataclasses import dataclass, field

from torch import Tensor

from advcore import objectives
from advcore.attacks.adaptive import ascend_all_steps, check_ascent
from advcore.attacks.attack import Adversarial, SearchResult
from advcore.attacks.regions import solve_in_regions
from advcore.classifier import Classifier
from advcore.criteria import Criterion
from advcore.norms import NormName, Radius
from advcore.objectives import ObjectiveName
from advcore.randomness import Randomness
from advcore.threats.ball import Balls
from advcore.threats.region import Region, ThreatModel


@dataclass(frozen=True)
class APGD:
    """Maximise an objective over `||r||_p <= eps`, `x + r` in [0, 1].

    Projected ascent with momentum and halved steps.

    With `P` the projection and `u` the steepest unit vector: `z = P(x + eta u(gradient))`, then
    `x <- P(x + .75 (z - x) + .25 (x - x_before))`, `eta = 2 eps` at first. At checkpoints a sample
    halves its `eta` and goes on from its best iterate, when its objective rose in at most `rho` of
    the steps since the last one, or when neither its `eta` nor its best objective has moved since.
    The spans between checkpoints shrink from .22 to .06 of the steps by .03 each.

    In l1 (2021, Mind the box) a step moves the signs of the largest share of the movable
    coordinates, without momentum; at a checkpoint, each .04 of the steps, that share becomes 2/3 of
    what the best iterate has changed. Where this was sparser by 5 % than before, `eta` is eps again
    and the sample goes on from its best iterate; otherwise `eta` falls by 1.5, to eps / 10 at most.

    Guarantee: an image that it calls found is adversarial and inside the ball; not found proves
    nothing. Where none is found, the image handed back is the iterate with the largest objective.

    Attributes:
        eps: radius in pixel units, one for all or `(B,)`, one for each sample; a study's grid of
            eps takes its place when None.
        norm: norm of the ball.
        steps: gradient steps.
        rho: share of rising steps at or below which a checkpoint halves the step.
        objective: function that is maximised; `logit_ratio` is the DLR loss, untargeted or targeted
            as the criterion is.
        box: keep `x + r` in [0, 1].
        threat: threat model in place of the ball, in whose unit eps is then; `norm` and `box` say
            nothing with one.
    """

    eps: Radius | None = None
    norm: NormName = "linf"
    steps: int = 100
    rho: float = 0.75
    objective: ObjectiveName = "cross_entropy"
    box: bool = True
    threat: ThreatModel | None = field(default=None, metadata={"later": True})

    def __post_init__(self) -> None:
        objectives.objective_by_name(self.objective)
        check_ascent(self.norm, self.eps, self.steps, self.rho)

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

    def _search(
        self, classifier: Classifier, region: Region, criterion: Criterion, randomness: Randomness
    ) -> SearchResult:
        objective = objectives.objective_by_name(self.objective)
        return ascend_all_steps(
            classifier, criterion, criterion, objective, region, self.steps, self.rho, randomness
        )
