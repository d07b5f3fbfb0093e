"""QFool (Liu et al. 2019): normals from labels with noise whose length adapts."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from advcore import norms
from advcore.attacks.attack import Adversarial
from advcore.attacks.decisions.answers import Decisions, check_queries
from advcore.attacks.decisions.boundary_paths import along_ray
from advcore.attacks.decisions.label_normals import normal_from_labels
from advcore.attacks.decisions.label_search import solve_by_labels, start_on_boundary
from advcore.attacks.decisions.low_frequencies import LowFrequencies, check_band
from advcore.classifier import Classifier
from advcore.criteria import Criterion
from advcore.norms import per_sample
from advcore.randomness import Randomness

FIRST_LENGTH = 0.03
"""Length in l2 of the first noise, in pixel units."""
SHORTENING = 0.7
"""Share of the first shortening at a point below which its next batch is asked elsewhere."""


@dataclass(frozen=True)
class QFool:
    """Find the shortest `r` with another label by normals from labels and rays along them.

    Batches of `noises` normal noises at a point of the boundary add up to an estimate of its
    normal; after each the ray from the image along it leads to the boundary. Once a batch shortens
    the way by less than 0.7 of what the first batch there did, the shortest point found is next.
    The length w of the noise adapts: `w (1 + f (1/2 - p))` with p the share of adversarial noises,
    and the sign f turns where p went away from a half.

    Sees labels alone. Guarantee: an image that it calls found is adversarial and in the box; its
    distance is an upper bound on the margin.

    Attributes:
        queries: hard limit of the images sent forward for a sample, all of them counted.
        band: number of the lowest DCT frequencies along each side of a picture in which normals are
            sought, at most the side; all of the space when None.
        noises: number of noises of a batch.
    """

    norm: ClassVar[str] = "l2"

    queries: int = 1000
    band: int | None = None
    noises: int = 100

    def __post_init__(self) -> None:
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
            self._search, norms.L2, self.queries, classifier, images, criterion, randomness
        )

    def _search(self, decisions: Decisions, randomness: Randomness) -> None:
        images = decisions.images
        basis = LowFrequencies(tuple(images.shape[1:]), self.band)
        points, found = start_on_boundary(decisions, basis, randomness)
        total, first = torch.zeros_like(images), torch.zeros_like(decisions.shortest)
        length, turned = torch.full_like(first, FIRST_LENGTH), torch.ones_like(first)
        uneven = torch.full_like(first, 0.5)
        for turn in range(self.queries):
            going = found & (decisions.left > 0)
            if not going.any():
                break
            before = decisions.shortest
            normal, share = normal_from_labels(
                decisions,
                points,
                basis,
                going * self.noises,
                length / basis.dim**0.5,
                randomness.stream("turn", turn),
            )
            total = total + normal
            tried = along_ray(decisions, points, total, going)
            turned = torch.where((share - 0.5).abs() > uneven, -turned, turned)
            uneven = (share - 0.5).abs()
            length = length * (1 + turned * (0.5 - share))
            gain = before - decisions.shortest
            leave = (gain < SHORTENING * first) | (first == 0)
            nearer = norms.L2.size(tried - images) < norms.L2.size(points - images)
            moving = per_sample(leave & nearer, images)
            points = torch.where(moving, tried, points)
            total = torch.where(moving, 0, total)
            first = torch.where(leave & nearer, 0, torch.where(first == 0, gain, first))
