"""The standard ensemble of attacks (Croce and Hein 2020): AutoAttack's composition."""

from dataclasses import dataclass

from torch import Tensor

from advcore.attacks.apgd import APGD
from advcore.attacks.apgdt import APGDT
from advcore.attacks.attack import Adversarial, Attack, has_budget, norm_of
from advcore.attacks.bisection import Bisected
from advcore.attacks.budget import check_eps
from advcore.attacks.deepfool import DeepFool
from advcore.attacks.square import Square
from advcore.attacks.within import Within
from advcore.attacks.worst import Worst
from advcore.classifier import Classifier
from advcore.criteria import Criterion
from advcore.norms import L2OrLinf, Radius, check_norm
from advcore.randomness import Randomness


@dataclass(frozen=True)
class StandardEnsemble:
    """Four attacks one after the other, each on the samples that still stand.

    This is AutoAttack's composition; no setting is to be chosen but the ball.

    1. `APGD` on the cross-entropy;
    2. `APGDT`, the targeted difference-of-logits ratio, at most 9 targets;
    3. a minimal-norm attack, whose result counts where its distance is at most eps (AutoAttack's is
       FAB-T);
    4. `Square`, which needs no gradient.

    For any number of classes K >= 2. Guarantee: an image that it calls found is adversarial and
    inside the ball; the robust accuracy is an upper bound.

    Attributes:
        eps: radius in pixel units, one for all or `(B,)`, one for each sample; a study's grid of
            eps takes its place when None.
        norm: norm of the ball.
        steps: gradient steps of each of the two APGD attacks.
        targets: number of classes that `APGDT` tries.
        queries: number of squares that `Square` tries.
        minimal: third attack, in the same norm; bisected `DeepFool` when None.
    """

    eps: Radius | None = None
    norm: L2OrLinf = "linf"
    steps: int = 100
    targets: int = 9
    queries: int = 5000
    minimal: Attack | None = None

    def __post_init__(self) -> None:
        check_norm(self.norm, L2OrLinf)
        if self.minimal is not None and has_budget(self.minimal):
            raise ValueError("minimal must be a minimal-norm attack; this one has a budget eps")
        if self.minimal is not None and norm_of(self.minimal) != self.norm:
            raise ValueError(
                f"minimal must measure in {self.norm}, the ensemble's norm; it measures in "
                f"{norm_of(self.minimal)}"
            )
        check_eps(self.eps)
        self.stages()  # refuses what they refuse

    def stages(self) -> tuple[Attack, ...]:
        """The four attacks in their order."""
        minimal = Bisected(DeepFool(norm=self.norm)) if self.minimal is None else self.minimal
        return (
            APGD(eps=self.eps, norm=self.norm, steps=self.steps),
            APGDT(eps=self.eps, norm=self.norm, steps=self.steps, targets=self.targets),
            Within(minimal, eps=self.eps),
            Square(eps=self.eps, norm=self.norm, queries=self.queries),
        )

    def __call__(
        self,
        classifier: Classifier,
        images: Tensor,
        criterion: Criterion,
        randomness: Randomness | None = None,
    ) -> Adversarial:
        check_eps(self.eps, wanted=True)
        return Worst(self.stages())(classifier, images, criterion, randomness)
