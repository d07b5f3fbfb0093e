"""The fast gradient sign method (Goodfellow et al. 2015), and its l2 form."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from advcore import norms, objectives
from advcore.attacks.ascent import ascend
from advcore.attacks.attack import Adversarial, Status, Tries, solve
from advcore.attacks.pgd import check_eps
from advcore.classifier import Classifier
from advcore.criteria import Criterion
from advcore.randomness import Randomness


@dataclass(frozen=True)
class FGSM:
    """One step of length eps along the steepest direction of the cross-entropy: `x + eps sign(gradient)` in linf,
    `x + eps gradient / ||gradient||` in l2, clipped to [0, 1].

    Attributes:
        eps: radius in pixel units; a study's grid of eps takes its place when None.
        norm: the ball.
    """

    eps: float | None = None
    norm: Literal["l2", "linf"] = "linf"

    def __post_init__(self) -> None:
        norms.get(self.norm)
        check_eps(self.eps)

    def __call__(
        self, classifier: Classifier, images: Tensor, criterion: Criterion, randomness: Randomness | None = None
    ) -> Adversarial:
        return solve(self.climb, norms.get(self.norm), Status.ROBUST, classifier, images, criterion, randomness)

    def climb(self, classifier: Classifier, images: Tensor, criterion: Criterion, randomness: Randomness) -> Tries:
        """The step alone, for all samples: no check, no status. Call it under `frozen`."""
        eps = check_eps(self.eps, wanted=True)
        norm = norms.get(self.norm)
        return ascend(classifier, images, images, criterion, objectives.cross_entropy, norm, eps, eps, 1, leave=False)
