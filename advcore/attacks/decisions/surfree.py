"""SurFree (Maho et al. 2021): circles in random planes, without an estimate of the normal."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from advcore import norms
from advcore.attacks.attack import Adversarial
from advcore.attacks.decisions.answers import Decisions, bisect_path, check_queries
from advcore.attacks.decisions.boundary_paths import on_circle
from advcore.attacks.decisions.label_search import solve_by_labels, start_on_boundary
from advcore.attacks.decisions.low_frequencies import LowFrequencies, check_band
from advcore.classifier import Classifier
from advcore.criteria import Criterion
from advcore.randomness import Randomness

FIRST_ANGLE = math.radians(30)
"""Angle of the first tries, as published."""
CHANGE = 0.98
"""Factor of the angle after a failure, its inverse after a success, as published."""
HALVINGS = 6
"""Number of bisections of an angle."""


@dataclass(frozen=True)
class SurFree:
    """Find the shortest `r` with another label by turning toward random directions.

    With `u` the unit vector from the image to the closest point found, `d` its distance, and `w` a
    random direction orthogonal to `u` and to the last `memory` directions, it asks for the point
    `x + d cos a (cos a u + sin a w)` at an angle a, then at -a; the first that is adversarial is
    taken further by bisection, up to twice the angle. Each is shorter than the last by cos a. The
    angle shrinks by 2 % where both fail, and grows where one holds.

    The published attack multiplies the DCT of the image with random signs; here directions are
    normal noise, in the lowest frequencies where `band` is given.

    Sees labels alone. Guarantee: an image that it calls found is adversarial and in the box; its
    distance is an upper bound on the margin.

    Attributes:
        queries: hard limit of the images sent forward for a sample, all of them counted.
        band: number of the lowest DCT frequencies along each side of a picture from which
            directions are drawn, at most the side; all of the space when None.
        memory: number of the last directions to which a new one is orthogonal.
    """

    norm: ClassVar[str] = "l2"

    queries: int = 1000
    band: int | None = None
    memory: int = 10

    def __post_init__(self) -> None:
        check_queries(self.queries)
        check_band(self.band)
        if self.memory < 0:
            raise ValueError(f"memory must not be negative; got {self.memory}")

    def __call__(
        self,
        classifier: Classifier,
        images: Tensor,
        criterion: Criterion,
        randomness: Randomness | None = None,
    ) -> Adversarial:
        return solve_by_labels(
            self._search, norms.L2, self.queries, classifier, images, criterion, randomness
        )

    def _search(self, decisions: Decisions, randomness: Randomness) -> None:
        images = decisions.images
        basis = LowFrequencies(tuple(images.shape[1:]), self.band)
        points, found = start_on_boundary(decisions, basis, randomness)
        angle = torch.full_like(decisions.shortest, FIRST_ANGLE)
        last: list[Tensor] = []
        for turn in range(self.queries):
            going = found & (decisions.left > 0)
            if not going.any():
                break
            noise = randomness.stream("turn", turn).normal((basis.dim,)).to(images.dtype)
            way = _across(basis.lift(noise), [norms.L2.steepest(points - images), *last])
            last = [*last, way][-self.memory :] if self.memory else []
            points, angle = _turned(decisions, points, way, angle, going)


def _across(direction: Tensor, others: list[Tensor]) -> Tensor:
    """Return the unit part of `direction` `(B, *shape)` that is orthogonal to unit vectors.

    Those are taken off twice, one after the other; 0 where nothing is left.
    """
    flat = norms.L2.steepest(direction).flatten(1)
    for _ in range(2):
        for other in reversed(others):
            own = other.flatten(1)
            flat = flat - (flat * own).sum(1, keepdim=True) * own
    kept = flat.norm(dim=1, keepdim=True) > 1e-3
    return norms.L2.steepest(torch.where(kept, flat, 0)).view_as(direction)


def _turned(
    decisions: Decisions, points: Tensor, way: Tensor, angle: Tensor, going: Tensor
) -> tuple[Tensor, Tensor]:
    """The points after one direction, and the angle of the next."""
    circle = on_circle(decisions.images, points, way)
    ahead = decisions.ask(circle(angle), going)
    back = decisions.ask(circle(-angle), going & ~ahead)
    won = ahead | back
    signed = torch.where(back, -angle, angle)
    far = (2 * signed).clamp(-math.pi / 2, math.pi / 2)
    reached = bisect_path(decisions, circle, signed, far, HALVINGS, won)
    points = torch.where(won.view(-1, *[1] * (points.dim() - 1)), circle(reached), points)
    return points, torch.where(won, (angle / CHANGE).clamp(max=math.pi / 4), angle * CHANGE)
