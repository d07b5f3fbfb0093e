"""The answers that attacks without gradients see, query by query, and their accounting."""

from collections.abc import Callable

import torch
from torch import Tensor

from advcore.attacks.attack import SearchResult
from advcore.classifier import Classifier, check_finite, logits_of, take_rows
from advcore.criteria import Criterion
from advcore.hard_label import one_hot_labels
from advcore.norms import Norm, per_sample

TRACE_POINTS = 32
"""Largest number of points of a trace."""
LEAST_QUERIES = 2
"""The check before and the one after."""
PASS = 512
"""Largest number of inputs of a forward pass: what a larger one computes leaves the cache."""


class Decisions:
    """The answers of a classifier to a batch of samples, each with `limit` queries.

    Only the label of an input is read. A sample is at query 1, the check before the attack, and
    keeps one for the check after it; what would be asked beyond is not sent forward, and counts as
    not adversarial. The shortest adversarial input of each sample so far is `best`, its size
    `shortest` (inf where none).
    """

    def __init__(
        self, classifier: Classifier, images: Tensor, criterion: Criterion, norm: Norm, limit: int
    ) -> None:
        self.classifier, self.images, self.criterion, self.norm = (
            classifier,
            images,
            criterion,
            norm,
        )
        self.limit = limit
        self.used = torch.ones(len(images), dtype=torch.int64, device=images.device)
        self.best = images.clone()
        self.shortest = images.new_full((len(images),), torch.inf)
        self.numbers = trace_numbers(limit).to(images.device)
        self.trace = images.new_full((len(images), len(self.numbers)), torch.inf)

    @property
    def left(self) -> Tensor:
        """The queries that are left of each sample, `(B,)`."""
        return self.limit - 1 - self.used

    def ask(self, points: Tensor, wanted: Tensor) -> Tensor:
        """Return which of the points `(B, *shape)`, one a sample, are adversarial, `(B,)` bool.

        Those of samples that are not `wanted` `(B,)` are not asked.
        """
        return self.ask_many(points[:, None], wanted.long())[:, 0]

    def ask_many(self, points: Tensor, counts: Tensor) -> Tensor:
        """Return which of points `(B, k, *shape)` are adversarial, `(B, k)` bool.

        A sample asks the first `counts` `(B,)` of its points, in forward passes with all others.
        """
        counts = counts.minimum(self.left)
        asked = torch.arange(points.shape[1], device=counts.device) < counts[:, None]
        rows = asked.nonzero()[:, 0]
        answers = torch.zeros_like(asked)
        if len(rows):
            parts = zip(points[asked].split(PASS), rows.split(PASS), strict=True)
            answers[asked] = torch.cat([self._holds(part, own) for part, own in parts])
            self._note(points, counts.clamp(min=0), answers)
        return answers

    def _holds(self, points: Tensor, rows: Tensor) -> Tensor:
        """Return which points `(n, *shape)`, of the samples `rows`, are adversarial."""
        logits = logits_of(take_rows(self.classifier, rows), points)
        check_finite(logits)
        return self.criterion.take(rows).holds(one_hot_labels(logits))

    def _note(self, points: Tensor, counts: Tensor, answers: Tensor) -> None:
        """Count the queries, keep the shortest adversarial input, and go on with the trace."""
        sizes = self.shortest.new_full(answers.shape, torch.inf)
        rows = answers.nonzero()[:, 0]
        if len(rows):
            sizes[answers] = self.norm.size(points[answers] - self.images[rows])
        running = sizes.cummin(1).values.minimum(self.shortest[:, None])
        offset = self.numbers - self.used[:, None] - 1
        hit = (offset >= 0) & (offset < counts[:, None])
        reached = running.gather(1, offset.clamp(0, answers.shape[1] - 1))
        self.trace = torch.where(hit, reached, self.trace)
        least, place = sizes.min(1)
        better = (least < self.shortest).nonzero()[:, 0]
        self.best[better] = points[better, place[better]]
        self.shortest = running[:, -1]
        self.used = self.used + counts

    def result(self) -> SearchResult:
        """The shortest adversarial inputs, and what was spent on them."""
        trace = torch.where(self.numbers > self.used[:, None], self.shortest[:, None], self.trace)
        numbers = self.numbers.to(trace.dtype).expand_as(trace)
        return SearchResult(
            self.best,
            self.used - 1,
            torch.zeros_like(self.used),
            claimed=self.shortest.isfinite(),
            trace=torch.stack([numbers, trace], 2),
        )


def trace_numbers(limit: int) -> Tensor:
    """Return the numbers of queries at which a trace is taken, log-spaced from 1 to `limit`."""
    exponents = torch.linspace(0, 1, TRACE_POINTS, dtype=torch.float64)
    return (float(limit) ** exponents).round().long().unique()


def check_queries(queries: int) -> None:
    """Raise ValueError unless the queries suffice for the checks before and after."""
    if queries < LEAST_QUERIES:
        raise ValueError(
            f"queries must be at least {LEAST_QUERIES}, the checks before and after; got {queries}"
        )


def bisect_path(
    decisions: Decisions,
    path: Callable[[Tensor], Tensor],
    adversarial: Tensor,
    other: Tensor,
    steps: int | Tensor,
    wanted: Tensor,
) -> Tensor:
    """Return the place on a path, `(B,)`, closest to the boundary on its adversarial side.

    `path` gives the inputs `(B, *shape)` of places `(B,)`; that of `adversarial` is adversarial,
    that of `other` is not. The gap halves `steps` times, a number or `(B,)`, for `wanted` samples.
    """
    steps = torch.as_tensor(steps, device=wanted.device).expand_as(wanted)
    for step in range(int(steps[wanted].max()) if wanted.any() else 0):
        now = wanted & (steps > step)
        middle = (adversarial + other) / 2
        holds = decisions.ask(path(middle), now)
        adversarial = torch.where(now & holds, middle, adversarial)
        other = torch.where(now & ~holds, middle, other)
    return adversarial


def bisected(
    decisions: Decisions, inside: Tensor, outside: Tensor, wanted: Tensor, steps: int | Tensor = 10
) -> Tensor:
    """Return points `(B, *shape)` of the boundary between `inside` and adversarial `outside`.

    They are adversarial, and at most `2^-steps` of the segment away from the boundary; `outside`
    where not `wanted` `(B,)`.
    """

    def segment(share: Tensor) -> Tensor:
        return torch.lerp(inside, outside, per_sample(share, inside))

    end = torch.ones_like(decisions.shortest)
    share = bisect_path(decisions, segment, end, torch.zeros_like(end), steps, wanted)
    return torch.where(per_sample(share < 1, inside), segment(share), outside)
