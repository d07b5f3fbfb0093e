"""The transformation of a grid that fools along the shortest path (Kanbak et al. 2018)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from advcore import norms
from advcore.attacks.attack import Adversarial, SearchResult, Status
from advcore.attacks.grid_search import grid_of
from advcore.attacks.regions import keeps_to_box
from advcore.attacks.search import solve
from advcore.classifier import Classifier, check_finite, logits_of
from advcore.criteria import Criterion
from advcore.norms import per_sample
from advcore.randomness import Randomness
from advcore.threats.geodesic_score import path_length, straight_length
from advcore.threats.region import Region, ThreatModel


@dataclass(frozen=True)
class ShortestPath:
    """Find the parameters with another label whose way from the image is shortest.

    The distance is the length of the path `t -> T_{t phi}(x)` over the image's l2 norm, as ManiFool
    measures: a number without unit, in which turns, shifts, shears and changes of size compare. All
    points of a grid within the threat model's limits (eps 1) are tried; the one of the shortest
    path that the criterion holds for is then drawn back along its path by bisection. ManiFool
    itself goes along the gradient, step by step, and may stay in a local minimum. Of p parameters
    that are not held, the grid asks `points` to the power of p queries: 3,125 of five for p = 5.

    Guarantee: an image that it calls found is adversarial; its distance is an upper bound on that
    of the nearest transformation.

    Attributes:
        threat: threat model with few parameters: `spatial`.
        points: values of each parameter that is not held.
        halvings: number of bisections of the path.
    """

    threat: ThreatModel
    points: int = 5
    halvings: int = 5

    def __post_init__(self) -> None:
        if self.points < 2 or self.halvings < 0:
            raise ValueError(
                "points must be at least 2 and halvings not negative; got "
                f"{self.points} and {self.halvings}"
            )

    @property
    def norm(self) -> str:
        """The name of the threat model."""
        return self.threat.name

    @property
    def box(self) -> bool:
        """True unless the threat model itself says what inputs may hold."""
        return keeps_to_box(self.threat)

    def __call__(
        self,
        classifier: Classifier,
        images: Tensor,
        criterion: Criterion,
        randomness: Randomness | None = None,
    ) -> Adversarial:
        return solve(
            self._search,
            norms.L2,  # the search says how long the paths are
            Status.FAILED,
            classifier,
            images,
            criterion,
            randomness,
            self.box,
        )

    @torch.no_grad()
    def _search(
        self, classifier: Classifier, images: Tensor, criterion: Criterion, randomness: Randomness
    ) -> SearchResult:
        region = self.threat.around(images, images.new_ones(len(images)), classifier)
        seen = region.through(classifier)

        def holds(parameters: Tensor) -> Tensor:
            logits = logits_of(seen, parameters)
            check_finite(logits)
            return criterion.holds(logits)

        best, shortest = region.rest(), torch.full_like(region.radius, torch.inf)
        grid = grid_of(self.threat, region, self.points)
        for point in grid:
            parameters = point.expand_as(best)
            best, shortest = _shorter(region, parameters, holds(parameters), best, shortest)
        near, far = torch.zeros_like(shortest), torch.ones_like(shortest)
        for _ in range(self.halvings):
            middle = (near + far) / 2
            fooled = holds(_drawn_back(region, best, middle))
            near, far = torch.where(fooled, near, middle), torch.where(fooled, middle, far)
        best = _drawn_back(region, best, far)
        spent = torch.full((len(best),), len(grid) + self.halvings, device=best.device)
        return SearchResult(
            region.apply(best),
            spent,
            torch.zeros_like(spent),
            claimed=shortest.isfinite(),
            sizes=path_length(region, best),
        )


def _shorter(
    region: Region, parameters: Tensor, fooled: Tensor, best: Tensor, shortest: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the best parameters and their paths' lengths, once those that fool are measured."""
    rows = (fooled & (straight_length(region, parameters) < shortest)).nonzero()[:, 0]
    if not len(rows):
        return best, shortest
    lengths = path_length(region.take(rows), parameters[rows])
    wins = lengths < shortest[rows]
    rows = rows[wins]
    return (
        best.index_copy(0, rows, parameters[rows]),
        shortest.index_copy(0, rows, lengths[wins]),
    )


def _drawn_back(region: Region, parameters: Tensor, share: Tensor) -> Tensor:
    """Return the parameters at a share `(B,)` of their path from rest."""
    rest = region.rest()
    return rest + per_sample(share, rest) * (parameters - rest)
