"""HopSkipJump (Chen et al. 2020): a walk along the boundary by normals from labels."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from advcore import norms
from advcore.attacks.attack import Adversarial
from advcore.attacks.decisions.answers import Decisions, bisect_path, bisected, check_queries
from advcore.attacks.decisions.label_normals import normal_from_labels
from advcore.attacks.decisions.label_search import solve_by_labels
from advcore.attacks.decisions.label_starts import noisy_start
from advcore.attacks.decisions.low_frequencies import LowFrequencies, check_band
from advcore.classifier import Classifier
from advcore.criteria import Criterion
from advcore.norms import L2OrLinf, per_sample
from advcore.randomness import Randomness

FIRST_LENGTH = 0.1
"""Length in l2 of the first noise, in pixel units, as published."""
MOST_HALVINGS = 16
"""Largest number of halvings of a step, and of a bisection, which float32 can tell apart."""


@dataclass(frozen=True)
class HopSkipJump:
    """Find the shortest `r` with another label, from point to point of the boundary.

    Iteration t estimates the normal at a point of the boundary with `noises sqrt(t)` noises, goes
    along it (along its signs in linf) by the distance over sqrt(t), halved until the end is
    adversarial, and comes back to the boundary by bisection toward the image: on the segment in l2,
    by the radius of the ball to which it is clipped in linf.

    As published, but for the start, which is the closest of growing noise, and for normal noise in
    linf, too. The length of the noise, distance / D, and the precision of the bisection follow from
    the number D of coordinates: a classifier of half precision may not tell such noise apart.

    Sees labels alone. Guarantee: an image that it calls found is adversarial and in the box; its
    distance is an upper bound on the margin.

    Attributes:
        norm: norm of the perturbation.
        queries: hard limit of the images sent forward for a sample, all of them counted.
        band: number of the lowest DCT frequencies along each side of a picture in which normals are
            sought, at most the side; all of the space when None.
        noises: number of noises of the first iteration.
    """

    norm: L2OrLinf = "l2"
    queries: int = 1000
    band: int | None = None
    noises: int = 100

    def __post_init__(self) -> None:
        norms.check_norm(self.norm, L2OrLinf)
        check_queries(self.queries)
        check_band(self.band)
        if self.noises < 1:
            raise ValueError(f"noises must be at least 1; got {self.noises}")

    def __call__(
        self,
        classifier: Classifier,
        images: Tensor,
        criterion: Criterion,
        randomness: Randomness | None = None,
    ) -> Adversarial:
        return solve_by_labels(
            self._search,
            norms.norm_by_name(self.norm),
            self.queries,
            classifier,
            images,
            criterion,
            randomness,
        )

    def _search(self, decisions: Decisions, randomness: Randomness) -> None:
        images, norm = decisions.images, decisions.norm
        basis = LowFrequencies(tuple(images.shape[1:]), self.band)
        start, found = noisy_start(decisions, basis, randomness)
        points = self._to_boundary(decisions, start, found)
        for turn in range(1, self.queries):
            going = found & (decisions.left > 0)
            if not going.any():
                break
            distance = norm.size(points - images)
            length = distance / images[0].numel() if turn > 1 else FIRST_LENGTH
            counts = going * math.ceil(self.noises * math.sqrt(turn))
            normal, _ = normal_from_labels(
                decisions,
                points,
                basis,
                counts,
                length / math.sqrt(basis.dim),
                randomness.stream("turn", turn),
            )
            direction = norms.L2.steepest(normal) if self.norm == "l2" else normal.sign()
            step = _jump(decisions, points, direction, distance / math.sqrt(turn), going)
            moved = (points + per_sample(step, points) * direction).clamp(0, 1)
            landed = self._to_boundary(decisions, moved, going & (step > 0))
            points = torch.where(per_sample(step > 0, points), landed, points)

    def _to_boundary(self, decisions: Decisions, outside: Tensor, wanted: Tensor) -> Tensor:
        """The points of the boundary between the images and adversarial ones."""
        images, power = decisions.images, 1.5 if self.norm == "l2" else 2
        steps = min(math.ceil(power * math.log2(images[0].numel() + 1)), MOST_HALVINGS)
        if self.norm == "l2":
            return bisected(decisions, images, outside, wanted, steps)

        def clipped(radius: Tensor) -> Tensor:
            return (images + norms.LINF.project(outside - images, radius)).clamp(0, 1)

        size = norms.LINF.size(outside - images)
        radius = bisect_path(decisions, clipped, size, torch.zeros_like(size), steps, wanted)
        return torch.where(per_sample(radius < size, images), clipped(radius), outside)


def _jump(
    decisions: Decisions, points: Tensor, direction: Tensor, step: Tensor, going: Tensor
) -> Tensor:
    """Return the step `(B,)`, halved until its end is adversarial; 0 where none was."""
    done = torch.zeros_like(going)
    for _ in range(MOST_HALVINGS):
        seeking = going & ~done
        if not seeking.any():
            break
        tried = (points + per_sample(step, points) * direction).clamp(0, 1)
        done = done | decisions.ask(tried, seeking)
        step = torch.where(seeking & ~done, step / 2, step)
    return step * done
