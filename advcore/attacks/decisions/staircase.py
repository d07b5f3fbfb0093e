"""Staircases: the boundary's normal from labels, each coordinate asked where it is unsure."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from advcore import norms
from advcore.attacks.attack import Adversarial
from advcore.attacks.decisions.answers import Decisions, bisected, check_queries
from advcore.attacks.decisions.boundary_paths import along_circle
from advcore.attacks.decisions.label_search import solve_by_labels, start_on_boundary
from advcore.attacks.decisions.low_frequencies import LowFrequencies, check_band
from advcore.classifier import Classifier
from advcore.criteria import Criterion
from advcore.norms import per_sample
from advcore.randomness import Randomness

BLOCK = 64
"""Number of coordinates of each sample that are asked at once."""
HALVINGS = 12
"""Number of bisections of a path to the boundary."""
START_BAND = 7
"""Largest number of frequencies along each side of the noise at which it starts."""
FIRST_STEPS = 3.0
"""Length of the first steps of all coordinates together, as a share of the normal's."""
LOW = 3
"""Frequency from which on first steps are shorter."""
FIRST, ALIKE, REVERSED = 0.7, 1.3, 0.5
"""Factors of a step after its first answer, one like the last, and one unlike it."""


@dataclass(frozen=True)
class Staircase:
    """Find the shortest `r` with another label by staircases on the coordinates of the normal.

    An estimate `n`, a unit vector, is at first the way from the image to a point `p` of the
    boundary. A coordinate j is asked at `p + s (v - <n, v> n)`, `v` plus or minus its basis vector,
    `s` a share of the distance: a point of the plane that n takes for the boundary, whose label
    says on which side of `n_j` the normal's coordinate lies. The coordinate goes a step to that
    side; its step shrinks after an answer unlike the last one and grows after one like it, as in
    the staircases that measure thresholds of perception (Cornsweet 1962). So on a flat boundary the
    error falls exponentially with the queries (Baraniuk et al. 2017), that of a mean over labels of
    noise, which others take, with the root of their number. The coordinates with the longest steps
    are asked next; in a band those of low frequencies begin with longer ones. After each 64 answers
    `p` goes along the circle of `GeoDA`, in the plane of `n`.

    The combination is new here; its parts are not. Sees labels alone. Guarantee: an image that it
    calls found is adversarial and in the box; its distance is an upper bound on the margin.

    Attributes:
        queries: hard limit of the images sent forward for a sample, all of them counted.
        band: number of the lowest DCT frequencies along each side of a picture in which normals are
            sought, at most the side, which is all of them; with None pixels are asked in place of
            frequencies.
        sigma: length `s` of a displacement, as a share of the distance in l2 of the point on the
            boundary from the image.
    """

    norm: ClassVar[str] = "l2"

    queries: int = 1000
    band: int | None = None
    sigma: float = 0.1

    def __post_init__(self) -> None:
        check_queries(self.queries)
        check_band(self.band)
        if not self.sigma > 0:
            raise ValueError(f"sigma must be positive; got {self.sigma}")

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
        points, found = start_on_boundary(
            decisions, self._start_basis(images), randomness, HALVINGS
        )
        stairs = Stairs.toward(basis, points - images)
        for turn in range(self.queries):
            going = found & (decisions.left > HALVINGS)
            if not going.any():
                break
            length = self.sigma * norms.L2.size(points - images)
            noise = randomness.stream("turn", turn)
            stairs = stairs.asked(decisions, points, basis, length, going, noise)
            points = along_circle(decisions, points, basis.lift(stairs.normal), going, HALVINGS)
        bisected(decisions, images, decisions.best, found)

    def _start_basis(self, images: Tensor) -> LowFrequencies:
        band = None if self.band is None else min(self.band, START_BAND)
        return LowFrequencies(tuple(images.shape[1:]), band)


@dataclass(frozen=True, eq=False)
class Stairs:
    """The estimate of each sample's normal, and how its coordinates go on.

    All are `(B, dim)`: the unit vector `normal`, the `steps` of its coordinates, and the signs of
    the `last` steps (0 before the first); but `offset` `(B,)`, how far points are moved along the
    normal for as many of their labels to be adversarial as not, as a share of the displacement.
    """

    normal: Tensor
    steps: Tensor
    last: Tensor
    offset: Tensor

    @classmethod
    def toward(cls, basis: LowFrequencies, ways: Tensor) -> "Stairs":
        """The stairs that begin at the directions of `ways` `(B, *shape)`."""
        normal = norms.L2.steepest(basis.coordinates(ways))
        steps = 1 / (1 + basis.frequencies(normal) / LOW)
        steps = (FIRST_STEPS * steps / steps.norm()).expand_as(normal)
        return cls(normal, steps, torch.zeros_like(normal), torch.zeros_like(normal[:, 0]))

    def asked(
        self,
        decisions: Decisions,
        points: Tensor,
        basis: LowFrequencies,
        length: Tensor,
        going: Tensor,
        randomness: Randomness,
    ) -> "Stairs":
        """The stairs after an answer for each of the coordinates with the longest steps.

        `points` `(B, *shape)` of the boundary, `length` `(B,)` of a displacement.
        """
        chosen = self.steps.argsort(dim=1, descending=True, stable=True)[:, :BLOCK]
        counts = (decisions.left - HALVINGS).clamp(0, chosen.shape[1]) * going
        signs = torch.where(randomness.uniform((chosen.shape[1],)) < 0.5, -1.0, 1.0)
        signs = signs.to(points.dtype)
        inner = self.normal.gather(1, chosen) * signs
        ways = (self.offset[:, None] - inner)[:, :, None] * self.normal[:, None]
        ways.scatter_add_(2, chosen[:, :, None], signs[:, :, None])
        moved = points[:, None] + per_sample(length, points[:, None]) * basis.lift(ways)
        holds = decisions.ask_many(moved.clamp(0, 1), counts)
        answered = torch.arange(chosen.shape[1], device=counts.device) < counts[:, None]
        answers = torch.where(holds, 1.0, -1.0).to(points.dtype) * answered
        return self._after(chosen, answers, signs)

    def _after(self, chosen: Tensor, answers: Tensor, signs: Tensor) -> "Stairs":
        """The stairs after answers `(B, k)`, 1, -1, or 0 where none was given."""
        steps, last = self.steps.gather(1, chosen), self.last.gather(1, chosen)
        sides = answers * signs
        normal = self.normal.scatter_add(1, chosen, sides * steps)
        factors = torch.where(last == sides, ALIKE, torch.where(last == 0, FIRST, REVERSED))
        factors = torch.where(sides == 0, 1.0, factors).to(steps.dtype)
        size = normal.norm(dim=1, keepdim=True).clamp(min=1e-30)
        return replace(
            self,
            normal=normal / size,
            steps=self.steps.scatter(1, chosen, steps * factors) / size,
            last=self.last.scatter(1, chosen, torch.where(sides == 0, last, sides)),
            offset=self.offset - 0.5 * answers.mean(1) * steps.mean(1),
        )
