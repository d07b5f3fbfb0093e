"""The nearest unlike neighbour, drawn back to the input as far as the criterion holds."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from advcore import norms
from advcore.attacks.attack import Adversarial, SearchResult, Status
from advcore.attacks.bisection import bisect
from advcore.attacks.search import solve
from advcore.classifier import Classifier, logits_of, take_rows
from advcore.criteria import Criterion
from advcore.labelled_samples import kept_labels, kept_samples
from advcore.learnt import Learnt
from advcore.norms import NormName, per_sample
from advcore.pairwise import sample_distances
from advcore.randomness import Randomness


@dataclass(frozen=True)
class NearestUnlike:
    """Search the segments from an input to the nearest samples whose label is wanted.

    Among the fit's samples whose label meets the criterion the nearest in l2 are taken, and of
    these the ones that the classifier, too, sees so; the segment to each is halved onto the
    decision boundary, and the shortest change is handed back. What it finds lies between two
    samples of the data: a counterfactual near a training sample (the nearest unlike neighbour of
    Keane and Smyth 2020, Good counterfactuals and where to find them).

    Guarantee: an upper bound on the minimal distance. No gradient is taken. It raises ValueError
    for a fit of other inputs, of NaN, or of labels that the classifier has no logit for.

    Attributes:
        fit: fit with `inputs` (n, *shape) and `labels` (n,), as `exemplars` learns.
        neighbours: number of samples that are tried.
        norm: norm in which the change is short.
        steps: number of halvings of a segment; with 0 the nearest sample itself is handed back.
        box: keep to [0, 1]; the inputs must lie there.
    """

    fit: Learnt
    neighbours: int = 5
    norm: NormName = "l2"
    steps: int = 12
    box: bool = True

    def __post_init__(self) -> None:
        norms.norm_by_name(self.norm)
        for name, least in {"neighbours": 1, "steps": 0}.items():
            if vars(self)[name] < least:
                raise ValueError(f"{name} must be at least {least}; got {vars(self)[name]}")

    def __call__(
        self,
        classifier: Classifier,
        images: Tensor,
        criterion: Criterion,
        randomness: Randomness | None = None,
    ) -> Adversarial:
        norm = norms.norm_by_name(self.norm)
        return solve(
            self._search,
            norm,
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
        norm = norms.norm_by_name(self.norm)
        candidates, wanted = self._neighbours(classifier, images, criterion)
        best, shortest = images.clone(), images.new_full((len(images),), torch.inf)
        queries = torch.ones(len(images), dtype=torch.int64, device=images.device)
        for place in range(candidates.shape[1]):
            rows = wanted[:, place].nonzero()[:, 0]
            if not len(rows):
                continue
            ends = candidates[rows, place]
            queries[rows] += 1
            with torch.no_grad():
                reached = criterion.take(rows).holds(logits_of(take_rows(classifier, rows), ends))
            rows, ends = rows[reached], ends[reached]
            if not len(rows):
                continue
            own, goal = take_rows(classifier, rows), criterion.take(rows)
            share = bisect(own, images[rows], ends, goal, self.steps)
            queries[rows] += self.steps
            moved = torch.lerp(images[rows], ends, per_sample(share, ends))
            size = norm.size(moved - images[rows])
            wins = size < shortest[rows]
            best[rows[wins]], shortest[rows[wins]] = moved[wins], size[wins]
        return SearchResult(best, queries, torch.zeros_like(queries))

    def _neighbours(
        self, classifier: Classifier, images: Tensor, criterion: Criterion
    ) -> tuple[Tensor, Tensor]:
        """Return the nearest samples `(B, n, *shape)`, and whether their labels are wanted."""
        inputs = kept_samples(self.fit, images.shape[1:]).to(images)
        with torch.no_grad():
            classes = logits_of(classifier, images).shape[1]
        labels = kept_labels(self.fit, classes).to(images.device)
        said = functional.one_hot(labels, classes).to(images)
        wanted = torch.stack(
            [criterion.take(torch.full_like(labels, row)).holds(said) for row in range(len(images))]
        )
        distances = sample_distances(images, inputs).masked_fill(~wanted, torch.inf)
        nearest = distances.topk(min(self.neighbours, len(inputs)), largest=False)
        return inputs[nearest.indices], nearest.values.isfinite()
