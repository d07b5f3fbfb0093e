"""The fast gradient sign method (Goodfellow et al. 2015), and its l2 form."""

from dataclasses import dataclass, field

from torch import Tensor

from advcore import norms, objectives
from advcore.attacks.ascent import ascend
from advcore.attacks.attack import Adversarial, SearchResult, Status
from advcore.attacks.budget import check_eps, radii
from advcore.attacks.regions import at_inputs, region_of
from advcore.attacks.search import solve
from advcore.classifier import Classifier
from advcore.criteria import Criterion
from advcore.norms import L2OrLinf, Radius
from advcore.randomness import Randomness
from advcore.threats.region import ThreatModel


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

    def __call__(
        self,
        classifier: Classifier,
        images: Tensor,
        criterion: Criterion,
        randomness: Randomness | None = None,
    ) -> Adversarial:
        radius = radii(self.eps, images)
        return solve(
            self._search,
            norms.norm_by_name(self.norm),
            Status.ROBUST,
            classifier,
            images,
            criterion,
            randomness,
            self.box,
            radius,
        )

    def climb(
        self, classifier: Classifier, images: Tensor, criterion: Criterion, randomness: Randomness
    ) -> SearchResult:
        """The step alone, for all samples: no check, no status. Call it under `frozen`."""
        return self._search(classifier, images, criterion, randomness, radii(self.eps, images))

    def _search(
        self,
        classifier: Classifier,
        images: Tensor,
        criterion: Criterion,
        randomness: Randomness,
        radius: Tensor,
    ) -> SearchResult:
        region = region_of(self.threat, self.norm, images, radius, self.box, classifier)
        result = ascend(
            classifier,
            region,
            region.rest(),
            criterion,
            objectives.cross_entropy,
            step=1,
            steps=1,
            leave=False,
        )
        return at_inputs(region, result)
