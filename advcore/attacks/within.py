"""Within: a minimal-norm attack asked the question of a budget attack."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from advcore.attacks.attack import Adversarial, Attack, Status, has_budget, norm_of
from advcore.attacks.budget import check_eps, radii
from advcore.attacks.search import check_arguments
from advcore.classifier import Classifier
from advcore.criteria import Criterion
from advcore.norms import Radius
from advcore.randomness import Randomness


@dataclass(frozen=True)
class Within:
    """A minimal-norm attack whose result counts if its distance is at most eps.

    Else the sample is robust.

    Attributes:
        minimal: minimal-norm attack; its images should stay in the box.
        eps: radius in pixel units, one for all or `(B,)`, one for each sample; a study's grid of
            eps takes its place when None.
    """

    minimal: Attack
    eps: Radius | None = None

    def __post_init__(self) -> None:
        check_eps(self.eps)
        if has_budget(self.minimal):
            raise ValueError(
                "within takes a minimal-norm attack; this one has a budget eps already"
            )

    @property
    def norm(self) -> str:
        return norm_of(self.minimal)

    @property
    def wrapped(self) -> tuple[Attack, ...]:
        """The attack."""
        return (self.minimal,)

    def with_wrapped(self, attacks: tuple[Attack, ...]) -> "Within":
        """The same around another attack."""
        (minimal,) = attacks
        return replace(self, minimal=minimal)

    def __call__(
        self,
        classifier: Classifier,
        images: Tensor,
        criterion: Criterion,
        randomness: Randomness | None = None,
    ) -> Adversarial:
        check_arguments(images, criterion)
        radius = radii(self.eps, images)
        result = self.minimal(classifier, images, criterion, randomness)
        far = result.distance > radius  # inf where none was found
        return replace(
            result,
            images=torch.where(
                far.view(-1, *[1] * (images.dim() - 1)), images.detach(), result.images
            ),
            found=~far,
            distance=result.distance.masked_fill(far, torch.inf),
            status=result.status.masked_fill(far, Status.ROBUST),
        )
