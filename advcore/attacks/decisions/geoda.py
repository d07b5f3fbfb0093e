"""GeoDA (Rahmati et al. 2020): normals of a flat boundary from labels, and a step along them."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from advcore import norms
from advcore.attacks.attack import Adversarial
from advcore.attacks.decisions.answers import Decisions, bisected, check_queries
from advcore.attacks.decisions.boundary_paths import along_circle, along_ray, along_saturation
from advcore.attacks.decisions.label_normals import Noise, normal_from_labels
from advcore.attacks.decisions.label_search import solve_by_labels, start_on_boundary
from advcore.attacks.decisions.low_frequencies import LowFrequencies, check_band
from advcore.classifier import Classifier
from advcore.criteria import Criterion
from advcore.norms import NormName
from advcore.randomness import Randomness

Step = Literal["ray", "circle"]
GROWTH = 0.6 ** (-2 / 3)
"""Factor from the noises of one iteration to those of the next, as published."""
FIRST_NOISES = 50
"""Least number of noises of the first iteration, as published."""
SEARCH_QUERIES = 25
"""Queries that an iteration keeps for its step, as published."""
MOST_ITERATIONS = 40
"""Largest number of iterations that is planned."""


@dataclass(frozen=True)
class GeoDA:
    """Find the shortest `r` with another label, where the boundary is nearly flat.

    An iteration estimates the normal at a point of the boundary from the labels of noise around it
    (`normal_from_labels`), in the lowest frequencies where `band` is given; more and more of the
    queries go into later ones. Then it steps to a new point of the boundary. In l2 and linf the
    `ray` goes from the image along the sum of all normals so far (their signs in linf) up to the
    boundary. The `circle` (l2; Reza et al. 2023, CGBA) goes through the image and the last point,
    in the plane of the last normal: where the boundary is flat it ends in the closest point of that
    plane, so nothing found before is lost. In l1 the coordinates with the largest sums go to the
    faces of the box, one after the other, until the label changes.

    The published attack draws normal noise with a standard deviation of 2e-4, along rays.

    Sees labels alone. Guarantee: an image that it calls found is adversarial and in the box; its
    distance is an upper bound on the margin.

    Attributes:
        norm: norm of the perturbation.
        queries: hard limit of the images sent forward for a sample, all of them counted.
        band: number of the lowest DCT frequencies along each side of a picture in which normals are
            sought, at most the side; all of the space when None.
        sigma: standard deviation of the noise along a direction, as a share of the distance in l2
            of the point on the boundary from the image.
        noise: kind of noise: normal, or random orthogonal bases, which tell more.
        step: way to the next point on the boundary; a circle in l2 alone.
    """

    norm: NormName = "l2"
    queries: int = 1000
    band: int | None = None
    sigma: float = 0.02
    noise: Noise = "orthogonal"
    step: Step = "ray"

    def __post_init__(self) -> None:
        norms.check_norm(self.norm, NormName)
        check_queries(self.queries)
        check_band(self.band)
        if not self.sigma > 0:
            raise ValueError(f"sigma must be positive; got {self.sigma}")
        check_choice("noise", self.noise, get_args(Noise))
        check_choice("step", self.step, get_args(Step))
        if self.step == "circle" and self.norm != "l2":
            raise ValueError(f"step circle needs norm l2; got {self.norm}: take step ray")

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
        images = decisions.images
        basis = LowFrequencies(tuple(images.shape[1:]), self.band)
        points, found = start_on_boundary(decisions, basis, randomness)
        plan, total = planned_noises(decisions.left), torch.zeros_like(images)
        for turn in range(MOST_ITERATIONS):
            going = found & (decisions.left > SEARCH_QUERIES)
            if not going.any():
                break
            counts = plan[:, turn].minimum(decisions.left - SEARCH_QUERIES) * going
            sigma = self.sigma * norms.L2.size(points - images)
            normal, _ = normal_from_labels(
                decisions, points, basis, counts, sigma, randomness.stream("turn", turn), self.noise
            )
            total = total + norms.L2.steepest(normal)
            points = self._next(decisions, points, normal, total, going)
        bisected(decisions, images, decisions.best, found)

    def _next(
        self, decisions: Decisions, points: Tensor, normal: Tensor, total: Tensor, going: Tensor
    ) -> Tensor:
        """The next points of the boundary."""
        if self.norm == "l1":
            return along_saturation(decisions, points, total, going)
        if self.step == "circle":
            return along_circle(decisions, points, normal, going)
        return along_ray(decisions, points, total if self.norm == "l2" else total.sign(), going)


def planned_noises(left: Tensor) -> Tensor:
    """Return the noises of each iteration, `(B, MOST_ITERATIONS)`, for the queries that are left.

    They grow by `GROWTH`, from at least `FIRST_NOISES` on, in as many iterations as that allows;
    those after the last planned one take all that is left.
    """
    turns = torch.arange(MOST_ITERATIONS, device=left.device)
    lengths = (GROWTH ** (turns + 1.0) - 1) / (GROWTH - 1)
    first = (left[:, None] - SEARCH_QUERIES * (turns + 1)) / lengths
    number = (first >= FIRST_NOISES).sum(1, keepdim=True)
    first = first.gather(1, (number - 1).clamp(min=0))
    return torch.where(turns < number, first * GROWTH**turns, left[:, None]).long()


def check_choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raise ValueError unless a setting is one of `allowed`."""
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}; got {value!r}")
