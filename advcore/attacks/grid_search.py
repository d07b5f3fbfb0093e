"""Attacks that try parameters of a threat model: all of a grid, or some at random.

Source: Engstrom et al. 2019.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from advcore import norms, objectives
from advcore.attacks.attack import Adversarial, SearchResult
from advcore.attacks.budget import check_eps
from advcore.attacks.regions import climb_in_regions, keeps_to_box, solve_in_regions
from advcore.classifier import Classifier, check_finite, logits_of
from advcore.criteria import Criterion
from advcore.norms import Radius
from advcore.randomness import Randomness
from advcore.threats.region import Gridded, Region, ThreatModel


@dataclass(frozen=True)
class Tries(ABC):
    """An attack that tries parameters of a threat model, each for all samples."""

    threat: ThreatModel
    eps: Radius | None = None

    def __post_init__(self) -> None:
        check_eps(self.eps)

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
        return solve_in_regions(
            self.threat, self.eps, self._search, classifier, images, criterion, randomness
        )

    def climb(
        self, classifier: Classifier, images: Tensor, criterion: Criterion, randomness: Randomness
    ) -> SearchResult:
        """Try for all samples, wrong already or not: what training on the worst wants."""
        return climb_in_regions(
            self.threat, self.eps, self._search, classifier, images, criterion, randomness
        )

    def _search(
        self, classifier: Classifier, region: Region, criterion: Criterion, randomness: Randomness
    ) -> SearchResult:
        return worst_of(classifier, region, criterion, self._parameters(region, randomness))

    @abstractmethod
    def _parameters(self, region: Region, randomness: Randomness) -> Iterator[Tensor]:
        """Yield what is tried, `(B, *parameters)` each."""


@dataclass(frozen=True)
class GridSearch(Tries):
    """Try every point of a grid of a threat model's parameters, and keep the worst for each sample.

    The worst is one that the criterion holds for before one that it does not, and then the one with
    the largest loss (logit margin). The grid covers each parameter from -eps to eps.

    Attributes:
        threat: threat model with few parameters: `spatial`.
        eps: size of the region, in the threat model's unit, one for all or `(B,)`; a study's grid
            of eps takes its place when None.
        points: values of each parameter that is not held.
    """

    points: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.points < 2:
            raise ValueError(f"points must be at least 2; got {self.points}")

    def _parameters(self, region: Region, randomness: Randomness) -> Iterator[Tensor]:
        reach = region.radius[:, None]
        yield from (point * reach for point in grid_of(self.threat, region, self.points))


@dataclass(frozen=True)
class WorstOfK(Tries):
    """Try some random parameters of a threat model, and keep the worst for each sample.

    Attributes:
        threat: threat model.
        eps: size of the region, in the threat model's unit, one for all or `(B,)`; a study's grid
            of eps takes its place when None.
        tries: number of random parameters.
    """

    tries: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tries < 1:
            raise ValueError(f"tries must be at least 1; got {self.tries}")

    def _parameters(self, region: Region, randomness: Randomness) -> Iterator[Tensor]:
        yield from (region.random(randomness.stream("try", place)) for place in range(self.tries))


def grid_of(threat: ThreatModel, region: Region, points: int) -> Tensor:
    """Return the grid of a threat model's region, as `Gridded` says.

    Raises ValueError where it has none.
    """
    if not isinstance(region, Gridded):
        raise ValueError(f"{threat.name} has no grid: take pgd or worst_of_k")
    return region.grid(points)


def worst_of(
    classifier: Classifier, region: Region, criterion: Criterion, tries: Iterator[Tensor]
) -> SearchResult:
    """Return the worst of some parameters `(B, *parameters)` for each sample."""
    seen = region.through(classifier)
    worst, count = region.rest(), 0
    highest, held = torch.full_like(region.radius, -torch.inf), region.radius < 0  # False
    with torch.no_grad():
        for parameters in tries:
            count += 1
            logits = logits_of(seen, parameters)
            check_finite(logits)
            value = objectives.logit_margin(logits, criterion)
            holds = criterion.holds(logits)
            wins = torch.where(holds == held, value > highest, holds)
            highest, held = torch.where(wins, value, highest), held | holds
            worst = torch.where(norms.per_sample(wins, parameters), parameters, worst)
        spent = torch.full((len(worst),), count, device=worst.device)
        return SearchResult(worst, spent, torch.zeros_like(spent))
