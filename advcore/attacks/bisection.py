"""Bisection onto the decision boundary."""

from dataclasses import dataclass

import torch
from torch import Tensor

from advcore import norms
from advcore.attacks.around import AroundOne
from advcore.attacks.attack import Adversarial, Status, has_budget, norm_of
from advcore.attacks.search import check_arguments
from advcore.classifier import Classifier, frozen, logits_of, take_rows
from advcore.criteria import Criterion
from advcore.norms import per_sample
from advcore.randomness import Randomness


def bisect(
    classifier: Classifier, inside: Tensor, outside: Tensor, criterion: Criterion, steps: int = 20
) -> Tensor:
    """Return the share `t` in (0, 1], `(B,)`, at which a segment becomes adversarial.

    The segment goes from `inside` to `outside` `(B, *shape)`.

    `inside + t (outside - inside)` is adversarial; at `t - 2^-steps` it is not. `outside` must be
    adversarial and `inside` not; where a segment crosses the boundary more than once, one of the
    crossings is found.
    """
    low = torch.zeros(len(inside), dtype=inside.dtype, device=inside.device)
    high = torch.ones_like(low)
    with frozen(classifier), torch.no_grad():
        for _ in range(steps):
            middle = (low + high) / 2
            adversarial = criterion.holds(
                logits_of(classifier, torch.lerp(inside, outside, per_sample(middle, inside)))
            )
            low, high = (
                torch.where(adversarial, low, middle),
                torch.where(adversarial, middle, high),
            )
    return high


@dataclass(frozen=True)
class Bisected(AroundOne):
    """Another attack, whose adversarial images are drawn back onto the boundary.

    They move along their perturbation.

    Never longer than the attack's own result, and exact for affine classifiers where the attack's
    direction is.

    Attributes:
        attack: attack whose results are bisected.
        steps: number of halvings; the distance is then within 2^-steps of the crossing, as a share.
            In float32, images drawn by more than about 12 lie within rounding of the boundary: in a
            batch of another size they may fall on its other side.
    """

    steps: int = 12

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1; got {self.steps}")
        if has_budget(self.attack):
            raise ValueError(
                "bisected wraps a minimal-norm attack; one with a budget eps has no distance "
                "to shorten"
            )
        norms.norm_by_name(norm_of(self.attack))  # counts of pixels do not shrink along a segment

    def __call__(
        self,
        classifier: Classifier,
        images: Tensor,
        criterion: Criterion,
        randomness: Randomness | None = None,
    ) -> Adversarial:
        check_arguments(images, criterion)
        images = images.detach()
        result = self.attack(classifier, images, criterion, randomness)
        broken = (result.status == Status.BROKEN).nonzero()[:, 0]
        if not len(broken):
            return result
        own, rest = take_rows(classifier, broken), criterion.take(broken)
        share = bisect(own, images[broken], result.images[broken], rest, self.steps)
        drawn, distance, queries = (
            result.images.clone(),
            result.distance.clone(),
            result.queries.clone(),
        )
        drawn[broken] = torch.lerp(images[broken], result.images[broken], per_sample(share, images))
        distance[broken] *= share
        queries[broken] += self.steps
        return Adversarial(drawn, result.found, distance, result.status, queries, result.gradients)
