"""Greedy change of binary features or tokens, one after the other (Ebrahimi et al. 2018)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from advcore import objectives
from advcore.attacks.ascent import evaluate
from advcore.attacks.attack import Adversarial, SearchResult
from advcore.attacks.budget import check_eps
from advcore.attacks.regions import solve_in_regions
from advcore.classifier import Classifier, check_finite, logits_of, take_rows
from advcore.criteria import Criterion
from advcore.norms import Radius
from advcore.objectives import ObjectiveName
from advcore.randomness import Randomness
from advcore.threats.discrete import DiscreteRegion, counting
from advcore.threats.region import Region, ThreatModel


@dataclass(frozen=True)
class Greedy:
    """Make the one change that is best, again and again, until the criterion holds.

    Each round tries single changes by a forward pass, and makes the one with the largest objective,
    also where that falls. All of them are tried; or, with `candidates`, those of the largest gain
    to first order, from one gradient (HotFlip).

    Guarantee: an input that it calls found is adversarial, with at most eps changes; not found
    proves nothing, for what two changes do together it does not see.

    Attributes:
        threat: threat model that counts changes: `flips`, `tokens` or `neighbours`.
        eps: largest number of changes, one for all or `(B,)`; a study's grid of eps takes its place
            when None.
        candidates: number of changes that are tried in a round, chosen by the gradient; every one
            when None.
        objective: function that is maximised.
    """

    threat: ThreatModel
    eps: Radius | None = None
    candidates: int | None = None
    objective: ObjectiveName = "logit_margin"

    def __post_init__(self) -> None:
        objectives.objective_by_name(self.objective)
        check_eps(self.eps)
        if self.candidates is not None and self.candidates < 1:
            raise ValueError(f"candidates must be at least 1; got {self.candidates}")

    @property
    def norm(self) -> str:
        """The name of the threat model."""
        return self.threat.name

    @property
    def name(self) -> str:
        """The changes that are tried, for tables and legends."""
        return "all" if self.candidates is None else f"top{self.candidates}"

    @property
    def box(self) -> bool:
        """False: the threat model says what inputs may hold."""
        return False

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

    def _search(
        self, classifier: Classifier, region: Region, criterion: Criterion, randomness: Randomness
    ) -> SearchResult:
        region = counting(region, self.threat.name)
        result = current = region.rest()
        active = torch.arange(len(current), device=current.device)
        queries, gradients = torch.zeros_like(active), torch.zeros_like(active)
        holds = torch.zeros_like(active, dtype=torch.bool)
        for changes in range(int(region.allowed.max())):
            keep = (~holds & (region.allowed > changes)).nonzero()[:, 0]
            if not len(keep):
                break
            active, current, region = active[keep], current[keep], region.take(keep)
            classifier, criterion = take_rows(classifier, keep), criterion.take(keep)
            current, holds, tries = self._best_change(classifier, region, current, criterion)
            result = result.index_copy(0, active, current)
            queries[active] += tries + (self.candidates is not None)
            gradients[active] += self.candidates is not None
        return SearchResult(result, queries, gradients)

    def _best_change(
        self, classifier: Classifier, region: DiscreteRegion, current: Tensor, criterion: Criterion
    ) -> tuple[Tensor, Tensor, int]:
        """The parameters after the best change, if the criterion holds there, and the tries."""
        objective, seen = objectives.objective_by_name(self.objective), region.through(classifier)
        slope, most = torch.zeros_like(current), region.held.shape[1] * (region.choices - 1)
        if self.candidates is not None:
            slope, _, _ = evaluate(seen, current, criterion, objective)
            most = min(most, self.candidates)
        changed = current.argmax(2) != region.held
        gains = region.gains(slope, current).masked_fill(changed[:, :, None], -torch.inf)
        chosen = gains.flatten(1).topk(most, 1)
        best, held = current, torch.zeros(len(current), dtype=torch.bool, device=current.device)
        highest = torch.full_like(region.radius, -torch.inf)
        with torch.no_grad():
            for own, gain in zip(chosen.indices.T, chosen.values.T, strict=True):
                place, value = own // region.choices, own % region.choices
                tried = region.holding(current.argmax(2).scatter(1, place[:, None], value[:, None]))
                logits = logits_of(seen, tried)
                check_finite(logits)
                score = objective(logits, criterion).masked_fill(gain == -torch.inf, -torch.inf)
                wins = score > highest
                highest = torch.where(wins, score, highest)
                held = torch.where(wins, criterion.holds(logits), held)
                best = torch.where(wins[:, None, None], tried, best)
        return best, held, most
