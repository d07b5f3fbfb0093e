"""The counterfactuals of Wachter et al. (2017): few usual changes, and a weight that rises."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from advcore import norms
from advcore.attacks.ascent import evaluate
from advcore.attacks.attack import Adversarial, SearchResult, Status
from advcore.attacks.search import solve
from advcore.classifier import Classifier, take_rows
from advcore.criteria import Criterion
from advcore.labelled_samples import kept_samples
from advcore.learnt import Learnt
from advcore.norms import per_sample
from advcore.objectives import logit_margin
from advcore.randomness import Randomness

RAISED_BY = 2.0
"""The factor by which the weight of a sample that is not valid yet is raised."""


@dataclass(frozen=True)
class Wachter:
    """Find inputs of another label whose few changes are usual ones of the data.

    Minimise

        lambda max(confidence - m(x'), 0)^2 + sum_k |x'_k - x_k| / MAD_k

    with Adam, from `x`; m is the logit margin, positive if adversarial, and `MAD_k` the median over
    the fit's samples of the distance of entry k to its median: so an entry that varies is cheap.
    The weight lambda, one per sample, is doubled until the end of a minimisation is adversarial,
    each time from where the last one ended; of that minimisation the adversarial input of the
    smallest sum is handed back (Wachter, Mittelstadt and Russell 2017, Counterfactual explanations
    without opening the black box, section III, with a logit margin in place of a score; the squared
    hinge is 0 beyond the confidence, where nothing is left to gain).

    Guarantee: an upper bound on the minimal l1 distance. On an affine classifier of two classes,
    without a box, the least sum is that of changing the entry of the largest slope times MAD alone,
    and the end exceeds it by at most `confidence` over that product, up to the steps' length.

    Attributes:
        fit: fit with `inputs` (n, *shape), as `exemplars` learns; none for a MAD of 1.
        steps: steps of Adam for one weight; one forward and one backward pass each. The learning
            rate falls linearly to 0 over them.
        raises: number of weights that are tried.
        learning_rate: first learning rate of Adam, pixel units.
        weight: first weight lambda.
        confidence: logit margin that is asked for, in units of the logits.
        least: smallest MAD, in pixel units: an entry that hardly varies is dear, not fixed.
        box: keep to [0, 1]; the inputs must lie there.
    """

    norm: ClassVar[str] = "l1"

    fit: Learnt | None = None
    steps: int = 100
    raises: int = 20
    learning_rate: float = 0.05
    weight: float = 0.1
    confidence: float = 0.1
    least: float = 0.02
    box: bool = True

    def __post_init__(self) -> None:
        for name in ("steps", "raises"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)}")
        for name in ("learning_rate", "weight", "confidence", "least"):
            if not 0 < getattr(self, name) < torch.inf:
                raise ValueError(f"{name} must be positive and finite; got {getattr(self, name)}")

    def __call__(
        self,
        classifier: Classifier,
        images: Tensor,
        criterion: Criterion,
        randomness: Randomness | None = None,
    ) -> Adversarial:
        return solve(
            self._search,
            norms.L1,
            Status.FAILED,
            classifier,
            images,
            criterion,
            randomness,
            self.box,
        )

    def _search(
        self, classifier: Classifier, images: Tensor, criterion: Criterion, randomness: Randomness
    ) -> SearchResult:
        costs = self._costs(images)
        weight = images.new_full((len(images),), self.weight)
        result = images.clone()
        spent = torch.zeros(len(images), dtype=torch.int64, device=images.device)
        left = torch.arange(len(images), device=images.device)
        for _ in range(self.raises):
            own, goal = take_rows(classifier, left), criterion.take(left)
            ended, valid = self._minimise(
                own, images[left], result[left], goal, weight[left], costs
            )
            result[left] = ended
            spent[left] += self.steps + 1
            left = left[~valid]
            if not len(left):
                break
            weight[left] *= RAISED_BY
        return SearchResult(result, spent, spent.clone())

    def _costs(self, images: Tensor) -> Tensor:
        """Return what a change of each entry costs, `(*shape)`: one over its MAD."""
        if self.fit is None:
            return torch.ones_like(images[0])
        samples = kept_samples(self.fit, images.shape[1:])
        deviation = (samples - samples.median(0).values).abs().median(0).values
        return 1 / deviation.clamp(min=self.least).to(images)

    def _minimise(
        self,
        classifier: Classifier,
        images: Tensor,
        current: Tensor,
        criterion: Criterion,
        weight: Tensor,
        costs: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Minimise for one weight per sample; return the end, and whether it is adversarial.

        Where it is, the cheapest adversarial input on the way stands in its place.
        """
        best, cheapest = current, torch.full_like(weight, torch.inf)
        mean, square = torch.zeros_like(images), torch.zeros_like(images)
        valid = torch.zeros(len(images), dtype=torch.bool, device=images.device)
        for step in range(self.steps + 1):
            slope, margin, logits = evaluate(classifier, current, criterion, logit_margin)
            valid = criterion.holds(logits)
            cost = (costs * (current - images).abs()).flatten(1).sum(1)
            wins = valid & (cost < cheapest)
            best = torch.where(per_sample(wins, images), current, best)
            cheapest = torch.where(wins, cost, cheapest)
            if step == self.steps:
                break
            pull = per_sample(2 * weight * (self.confidence - margin).clamp(min=0), images)
            down = costs * (current - images).sign() - pull * slope
            mean, square = 0.9 * mean + 0.1 * down, 0.999 * square + 0.001 * down.square()
            way = mean / (1 - 0.9 ** (step + 1))
            way = way / ((square / (1 - 0.999 ** (step + 1))).sqrt() + 1e-8)
            current = current - self.learning_rate * (1 - step / self.steps) * way
            current = current.clamp(0, 1) if self.box else current
        return torch.where(per_sample(valid, images), best, current), valid
