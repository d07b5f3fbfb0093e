"""Integrated gradients (Sundararajan et al. 2017)."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from advcore.batch_rows import check_batch_rows, rows_at_once
from advcore.classifier import Classifier, frozen, full_precision, take_rows
from advcore.explain.attribution import (
    AttributionMaps,
    ScalarName,
    check_explained,
    check_scalar,
    gradient_of,
    graphed_gradient,
    incompleteness,
    scalar_of,
    value_of,
)
from advcore.midpoint_rule import midpoints
from advcore.randomness import Randomness

LEAST_CHANGE = 1.0
"""The residual is compared with a share of the change of the scalar, and of this many logits where
that is smaller."""


@dataclass(frozen=True)
class IntegratedGradients:
    """The gradient averaged along the straight way from a baseline, times that way.

    `(x - x') mean_j ds/dx (x' + (j - 1/2)/m (x - x'))`, j = 1..m: the midpoint rule. Its sum tends
    to `s(x) - s(x')` as m grows (completeness). The m of a sample is doubled from `steps` until the
    residual is at most `tolerance` times the larger of |s(x) - s(x')| and 1 logit, or m reaches
    `most_steps`; the residual then stands as it is.

    Attributes:
        scalar: number that is explained: the label's logit, or its margin over the other logits.
        baseline: value of all numbers of the baseline input x', in pixel units; 0 is black.
        steps: number of gradients of the first try.
        most_steps: largest number of gradients of a sample's last try.
        tolerance: largest residual, as a share of the change of the scalar.
        rows: number of inputs that go forward at a time; 1,024 at most when not given, and fewer of
            large images, see `advcore.batch_rows`. It changes memory and speed.
    """

    scalar: ScalarName = "logit"
    baseline: float = 0.0
    steps: int = 32
    most_steps: int = 512
    tolerance: float = 0.01
    rows: int | None = field(default=None, metadata={"cost": True})

    def __post_init__(self) -> None:
        check_scalar(self.scalar)
        if not 1 <= self.steps <= self.most_steps:
            raise ValueError(
                "steps must be at least 1 and at most most_steps; got "
                f"{self.steps} and {self.most_steps}"
            )
        if not self.tolerance >= 0:
            raise ValueError(f"tolerance must be a share, 0 or more; got {self.tolerance}")
        check_batch_rows(self.rows)

    def __call__(
        self,
        classifier: Classifier,
        inputs: Tensor,
        labels: Tensor,
        randomness: Randomness | None = None,
    ) -> AttributionMaps:
        check_explained(classifier, inputs, labels)
        scalar = scalar_of(self.scalar, labels)
        with full_precision(), frozen(classifier):
            start = torch.full_like(inputs, self.baseline)
            change = value_of(classifier, inputs, scalar) - value_of(classifier, start, scalar)
            allowed = self.tolerance * change.abs().clamp(min=LEAST_CHANGE)
            maps, residual = torch.empty_like(inputs), torch.full_like(change, torch.inf)
            taken = torch.zeros_like(labels)
            steps, left = self.steps, torch.arange(len(inputs), device=inputs.device)
            while len(left) and steps <= self.most_steps:
                own = take_rows(classifier, left)
                maps[left] = self._maps(own, inputs[left], labels[left], steps)
                residual[left] = incompleteness(maps[left], change[left])
                taken[left] = steps
                left = left[residual[left] > allowed[left]]
                steps *= 2
        return AttributionMaps(maps, residual, change, taken)

    def differentiable(self, classifier: Classifier, inputs: Tensor, labels: Tensor) -> Tensor:
        """Return the maps `(B, *shape)` with their graph, at inputs that require gradients.

        They are those of `steps` gradients, never doubled, all at once. Call it under `frozen`.
        """
        way = inputs - self.baseline
        along = midpoints(self.baseline, way, self.steps)
        sample = torch.arange(len(inputs), device=inputs.device).repeat(self.steps)
        slopes = graphed_gradient(
            take_rows(classifier, sample),
            along.flatten(0, 1),
            scalar_of(self.scalar, labels[sample]),
        )
        return way * slopes.view_as(along).mean(0)

    def _maps(self, classifier: Classifier, inputs: Tensor, labels: Tensor, steps: int) -> Tensor:
        """The maps of `steps` points each, with as many at a time as there are `rows` for."""
        way, count, rows = (
            inputs - self.baseline,
            len(inputs),
            rows_at_once(self.rows, inputs, 1024),
        )
        total = torch.zeros_like(inputs)
        places = (torch.arange(steps, dtype=inputs.dtype, device=inputs.device) + 0.5) / steps
        for some in places.split(max(1, rows // count)):
            sample = torch.arange(count, device=inputs.device).repeat(len(some))
            along = some.repeat_interleave(count).view(-1, *[1] * (inputs.dim() - 1))
            slopes = gradient_of(
                take_rows(classifier, sample),
                self.baseline + along * way[sample],
                scalar_of(self.scalar, labels[sample]),
            )
            total += slopes.unflatten(0, (len(some), count)).sum(0)
        return way * total / steps
