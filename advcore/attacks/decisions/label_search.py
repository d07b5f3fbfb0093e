"""The frame of attacks that see labels alone: a search that asks, and hands back nothing else."""

from collections.abc import Callable

import torch
from torch import Tensor

from advcore.attacks.attack import Adversarial, SearchResult, Status
from advcore.attacks.decisions.answers import Decisions, bisected
from advcore.attacks.decisions.label_starts import noisy_start
from advcore.attacks.decisions.low_frequencies import LowFrequencies
from advcore.attacks.search import solve
from advcore.classifier import Classifier
from advcore.criteria import Criterion
from advcore.norms import Norm
from advcore.randomness import Randomness

LabelSearch = Callable[[Decisions, Randomness], None]
"""The part of an attack that is its own: it asks `Decisions`, which keep the best input."""


def solve_by_labels(
    search: LabelSearch,
    norm: Norm,
    queries: int,
    classifier: Classifier,
    images: Tensor,
    criterion: Criterion,
    randomness: Randomness | None,
) -> Adversarial:
    """Search with that many queries a sample, and return the shortest adversarial inputs.

    The check before and the one after are among the queries. Raises ValueError as `solve` does.
    """

    @torch.no_grad()
    def answered(
        classifier: Classifier, images: Tensor, criterion: Criterion, randomness: Randomness
    ) -> SearchResult:
        decisions = Decisions(classifier, images, criterion, norm, queries)
        search(decisions, randomness)
        return decisions.result()

    return solve(answered, norm, Status.FAILED, classifier, images, criterion, randomness)


def start_on_boundary(
    decisions: Decisions, basis: LowFrequencies, randomness: Randomness, steps: int = 10
) -> tuple[Tensor, Tensor]:
    """Return points `(B, *shape)` of the boundary, adversarial, and which samples have one, `(B,)`.

    They lie between the images and noise in the basis, at most `2^-steps` of the way beyond it.
    """
    start, found = noisy_start(decisions, basis, randomness)
    return bisected(decisions, decisions.images, start, found, steps), found
