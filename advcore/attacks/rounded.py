"""Rounded: adversarial images that survive 8-bit storage."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from advcore import norms
from advcore.attacks import l0
from advcore.attacks.around import AroundOne
from advcore.attacks.attack import Adversarial, Status, has_budget, norm_of
from advcore.attacks.search import check_arguments
from advcore.classifier import Classifier, check_finite, frozen, logits_of, take_rows
from advcore.criteria import Criterion
from advcore.norms import Norm, Radius, per_sample
from advcore.randomness import Randomness

HALVINGS = 12
"""Values of the share of a level that is rounded up, when the nearest levels lie outside the
ball."""


@dataclass(frozen=True)
class Rounded(AroundOne):
    """Another attack, whose adversarial images are put on a grid and verified there.

    The grid is `k / (levels - 1)`.

    With `r` the attack's perturbation, try `i` rounds `x + c_i r`, `c_i = 1 + 0.01 (2^i - 1)` = 1,
    1.01, 1.03, 1.07, ..., to the nearest levels; the first that is adversarial, by a forward pass
    of exactly that image, is kept and its distance measured anew. A budget attack's `c_i r` is
    first projected onto the eps-ball; where the nearest levels lie outside, the share of a level
    from which a pixel is rounded away from `x` rises from a half, by bisection, as far as the ball
    demands; at 1 all go toward `x`.

    Where no try is adversarial, or none inside the ball, the sample is not found: robust for a
    budget attack, failed for a minimal-norm one. The image is then the last rounding in the ball,
    the clean image if there is none.

    Samples that were wrong before the attack keep their image. A clean image that is itself off the
    grid is rounded too, at a cost of up to half a level a pixel: in linf an eps of half a level
    always leaves room, in other norms the ball may hold no image on the grid. Rounded images lie in
    the box, whatever the attack's do. Queries count one more forward pass a try.

    Attributes:
        attack: attack whose results are rounded.
        levels: number of levels of a pixel; 256 for 8 bits.
        tries: largest number of roundings; ten reach 6 r.
    """

    box: ClassVar[bool] = True

    levels: int = 256
    tries: int = 10

    def __post_init__(self) -> None:
        if self.levels < 2:
            raise ValueError(f"levels must be at least 2, black and white; got {self.levels}")
        if self.tries < 1:
            raise ValueError(f"tries must be at least 1; got {self.tries}")

    @property
    def eps(self) -> Radius | None:
        """The attack's radius; an AttributeError when it has none, as `has_budget` asks."""
        return self.attack.eps  # type: ignore[attr-defined]

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
        norm, eps = l0.size_by_name(norm_of(self)), self.eps if has_budget(self) else None
        left = (result.status == Status.BROKEN).nonzero()[:, 0]
        rounded, found, queries = (
            result.images.clone(),
            result.found.clone(),
            result.queries.clone(),
        )
        rounded[left] = images[left]
        for i in range(self.tries):
            if not len(left):
                break
            clean, way = images[left], (result.images - images)[left] * (1 + 0.01 * (2**i - 1))
            radius = eps[left] if isinstance(eps, Tensor) else eps
            tried = (
                self._nearest(clean, way)
                if radius is None
                else self._inside(clean, norm.project(way, radius), norm, radius)
            )
            with frozen(classifier), torch.no_grad():
                logits = logits_of(take_rows(classifier, left), tried)
            check_finite(logits)
            fits = (
                found.new_ones(len(left))
                if radius is None
                else norms.inside(norm, tried - clean, radius)
            )
            found[left] = fits & criterion.take(left).holds(logits)
            rounded[left] = torch.where(per_sample(fits, tried), tried, rounded[left])
            queries[left] += 1
            left = left[~found[left]]
        status = result.status.clone()
        status[left] = Status.ROBUST if has_budget(self) else Status.FAILED
        distance = norm.size(rounded - images).masked_fill(~found, torch.inf)
        return replace(
            result,
            images=rounded,
            found=found,
            distance=distance,
            status=status,
            queries=queries,
            trace=None,
        )

    def _nearest(self, clean: Tensor, way: Tensor) -> Tensor:
        return self._round(clean, way, clean.new_full((len(clean),), 0.5))

    def _inside(self, clean: Tensor, way: Tensor, norm: Norm, radius: Radius) -> Tensor:
        """Return the rounding closest to the nearest one that lies in the ball.

        It is the one toward `clean` where none does.
        """
        low, high = (clean.new_full((len(clean),), share) for share in (0.5, 1.0))
        nearest = self._nearest(clean, way)
        fits = norms.inside(norm, nearest - clean, radius)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            smaller = norms.inside(norm, self._round(clean, way, middle) - clean, radius)
            low, high = torch.where(smaller, low, middle), torch.where(smaller, middle, high)
        return torch.where(per_sample(fits, clean), nearest, self._round(clean, way, high))

    def _round(self, clean: Tensor, way: Tensor, share: Tensor) -> Tensor:
        """Return `clean + way` in the box and on the grid.

        A pixel goes to the level farther out from a `share` `(B,)` of a level on.
        """
        top = self.levels - 1
        home = (clean * top).round()
        steps = (clean + way).clamp(0, 1) * top - home
        whole = steps.round()
        on_grid = (steps - whole).abs() <= 4 * top * torch.finfo(steps.dtype).eps
        out = steps.abs()
        outward = out.floor() + (out - out.floor() >= per_sample(share, out))
        return (home + torch.where(on_grid, whole, steps.sign() * outward)) / top
