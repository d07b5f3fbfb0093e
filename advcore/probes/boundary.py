"""Principal curvatures of the boundary where the minimal perturbation ends.

Source: Fawzi et al. 2018.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from advcore.attacks import Attack, MinimalNorm
from advcore.classifier import Classifier, full_precision
from advcore.curvature import (
    BoundaryPoints,
    Ends,
    Tangential,
    boundary_points,
    hutchinson,
    lanczos,
    shape_operator,
)
from advcore.margins import check_attack
from advcore.norms import L2, per_sample
from advcore.probes.boundary_summary import boundary_charts, summarise_boundary
from advcore.probes.charts import Chart
from advcore.probes.probe import Batch, Summary, measure_some
from advcore.probes.table import Table
from advcore.randomness import Randomness

LEAST_STEP = 0.01
"""The shortest step of a finite difference, l2, pixel units: below it float32 gives rounding."""


@dataclass(frozen=True)
class Boundary:
    """The boundary's principal curvatures where the minimal l2 perturbation ends.

    Also the directions along which it curves most. There is one row per sample.

    Columns: `sample`; `curvatures` `(top + bottom,)`, descending, the largest principal curvatures
    by sign and after them the smallest, 1 / pixel unit, positive where a step along the boundary's
    tangent leaves the sample's own class (a ball of radius r that is all of the class has 1/r
    everywhere); `residual`, the largest `||S v - value v||` of them, S the shape operator;
    `mean_curvature`, over all D - 1 directions, by Hutchinson's estimate, and
    `mean_curvature_error`, its standard error; `rms_curvature`, the root mean square `||S||_F /
    sqrt(D - 1)` over them, so estimated; `relative_curvature`, the distance times that root mean
    square at the step h = distance, how much the boundary bends over as far as it is away (NaN at
    step 0); `random_curvature`, the mean magnitude along random directions, and `most_over_random`,
    the largest magnitude of `curvatures` over it; `slope` of the logits' difference across the
    boundary, per pixel unit; `distance` of the boundary from the sample along the perturbation, l2,
    pixel units; `status`: `found`, `not_found` (the distance is inf, the other numbers NaN), or
    `no_gradient`, where that difference is flat (the curvatures are NaN).

    Curvatures are of the boundary alone: the scale of the logits, and so how confident a network
    is, drops out of them.

    A piecewise linear network (ReLU, max-pooling) has flat pieces, so at step 0 all of it is 0. At
    a step h a value is the normal curvature along its own direction v, `v^T (g(x + h v) - g(x - h
    v)) / (2 h ||g||)`, how far the boundary turns over that segment, but S is no matrix there and
    the residuals stay large: the extremes are seen from inside, and some directions curve more (see
    `advcore.curvature.DifferenceHessian`).

    Attributes:
        top: number of largest curvatures.
        bottom: number of smallest curvatures.
        step: step h of the Hessian, l2, pixel units; 0 for the exact Hessian of a smooth network.
            It must be long enough to cross many pieces, and short beside the distance: on a LeNet
            of digits, 28 x 28, whose boundary is 1.8 away, the residual is all of the curvature up
            to 0.1 (few pieces), and less of it from 0.3 on. 0.5 moves a pixel by 4.6 of 256 grey
            levels in the root mean square, as sqrt(D) 10/512 does, the step in use (Jetley et al.
            2018); 1.1 for 3 x 32 x 32 by that rule.
        steps: steps of Lanczos, the same for all samples; a sample takes `steps` D numbers of
            memory.
        draws: number of random vectors of the mean curvatures.
        attack: attack that finds the minimal perturbation: a minimal-norm l2 attack without a box.
            The point matters: at the nearest one nearly every boundary of a LeNet curves more away
            from the sample than towards it, as Fawzi et al. saw; where DeepFool ends, a third
            farther on digits, little more than half of them do.
        count: number of samples, drawn from the study's by a hash of their indices; all when not
            given.
    """

    top: int = 10
    bottom: int = 10
    step: float = 0.5
    steps: int = 60
    draws: int = 50
    attack: Attack = field(default_factory=lambda: MinimalNorm(norm="l2", box=False))
    count: int | None = None

    def __post_init__(self) -> None:
        if min(self.top, self.bottom) < 1:
            raise ValueError(f"top and bottom must be at least 1; got {self.top} and {self.bottom}")
        if not 0 <= self.step < math.inf:
            raise ValueError(
                f"step must be a length in pixel units, 0 for the exact Hessian; got {self.step}"
            )
        if self.steps < self.top + self.bottom:
            raise ValueError(
                f"steps must be at least top + bottom, {self.top + self.bottom}; got {self.steps}"
            )
        if self.draws < 2:
            raise ValueError(f"draws must be at least 2; got {self.draws}")
        check_attack(self.attack)
        if self.count is not None and self.count < 1:
            raise ValueError(
                f"count must be at least 1, or not given for all samples; got {self.count}"
            )

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        wanted, dimension = self.top + self.bottom, math.prod(shape) - 1
        if wanted > dimension:
            raise ValueError(
                f"top and bottom must not exceed the boundary's dimension, {dimension}, "
                f"together; got {wanted}"
            )

    @property
    def drawn(self) -> int | None:
        """The number of samples that are measured."""
        return self.count

    def samples(self, batch: Batch) -> Batch:
        return batch if self.count is None else batch.drawn(self.count)

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        some = self.samples(batch)
        return measure_some(
            batch, some, randomness, lambda part, noise: self._measure(classifier, part, noise)
        )

    def _measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        dtype = batch.inputs.dtype
        with full_precision():
            points = boundary_points(
                classifier, batch.inputs, attack=self.attack, randomness=randomness
            )
            distance = L2.size(points.images - batch.inputs)
            whole = shape_operator(classifier, points.images, points.beyond, points.own, self.step)
            operator = Tangential(whole)
            dimension = operator.shape[1]
            # with no tolerance every sample takes all steps, whoever stands beside it
            pairs = lanczos(
                operator, randomness, dimension, Ends(self.top, self.bottom), dtype, 0.0, self.steps
            )
            moments = hutchinson(operator, randomness, dimension, self.draws, dtype)
            relative = self._relative(classifier, points, distance, randomness)
        curved = points.found & (whole.slope > 0)
        ends = [
            ("not_found", "no_gradient", "found")[found + bent]
            for found, bent in zip(points.found.tolist(), curved.tolist(), strict=True)
        ]
        columns = {
            "curvatures": pairs.values.sort(1, descending=True).values,
            "residual": pairs.residuals.amax(1),
            "mean_curvature": moments.trace / dimension,
            "mean_curvature_error": moments.trace_error / dimension,
            "rms_curvature": (moments.squares / dimension).sqrt(),
            "relative_curvature": relative,
            "random_curvature": moments.along_random,
            "most_over_random": pairs.values.abs().amax(1) / moments.along_random,
        }
        return Table(
            {
                "sample": batch.indices,
                **{
                    name: values.masked_fill(~per_sample(curved, values), torch.nan)
                    for name, values in columns.items()
                },
                "slope": whole.slope.masked_fill(~points.found, torch.nan),
                "distance": distance.masked_fill(~points.found, torch.inf),
                "status": ends,
            }
        )

    def _relative(
        self,
        classifier: Classifier,
        points: BoundaryPoints,
        distance: Tensor,
        randomness: Randomness,
    ) -> Tensor:
        """The distance times the root mean square of the curvatures at that step, `(B,)`."""
        if not self.step:
            return torch.full_like(distance, torch.nan)
        step = torch.where(points.found, distance.clamp(min=LEAST_STEP), 1)
        operator = Tangential(
            shape_operator(classifier, points.images, points.beyond, points.own, step)
        )
        moments = hutchinson(operator, randomness, operator.shape[1], self.draws, distance.dtype)
        return distance * (moments.squares / operator.shape[1]).sqrt()

    def summarise(self, table: Table) -> Summary:
        return summarise_boundary(table, self.top, self.step)

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        return boundary_charts(tables, self.top, self.step)
