"""The fast gradient sign method (Goodfellow et al. 2015), and its l2 form."""

from dataclasses import dataclass, field

from torch import Tensor

from advcore import norms, objectives
from advcore.attacks.ascent import ascend
from advcore.attacks.attack import Adversarial, SearchResult
from advcore.attacks.budget import check_eps
from advcore.attacks.regions import climb_in_regions, solve_in_regions
from advcore.classifier import Classifier
from advcore.criteria import Criterion
from advcore.norms import L2OrLinf, Radius
from advcore.randomness import Randomness
from advcore.threats.ball import Balls
from advcore.threats.region import Region, ThreatModel


@dataclass(frozen=True)
class FGSM:
    """One step of length eps along the steepest direction of the cross-entropy.

    `x + eps sign(gradient)` in linf, `x + eps gradient / ||gradient||` in l2, clipped to [0, 1].

    Attributes:
        eps: radius in pixel units, one for all or `(B,)`, one for each sample; a study's grid of
            eps takes its place when None.
        norm: norm of the ball.
        box: keep `x + r` in [0, 1].
        threat: threat model in place of the ball, in whose unit eps is then; `norm` and `box` say
            nothing with one.
    """

    eps: Radius | None = None
    norm: L2OrLinf = "linf"
    box: bool = True
    threat: ThreatModel | None = field(default=None, metadata={"later": True})

    def __post_init__(self) -> None:
        norms.check_norm(self.norm, L2OrLinf)
        check_eps(self.eps)

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
        """The step alone, for all samples: no check, no status. Call it under `frozen`."""
        return climb_in_regions(
            self._within, self.eps, self._search, classifier, images, criterion, randomness
        )

    def _search(
        self, classifier: Classifier, region: Region, criterion: Criterion, randomness: Randomness
    ) -> SearchResult:
        return ascend(
            classifier,
            region,
            region.rest(),
            criterion,
            objectives.cross_entropy,
            step=1,
            steps=1,
            leave=False,
        )
