"""Principal curvatures of the decision boundary where the minimal perturbation ends (Fawzi et al.
2018).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

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
from advcore.probes.charts import Chart, Lines, medians
from advcore.probes.flatness import sorted_samples
from advcore.probes.probe import Batch, Curve, Summary, measure_some, median
from advcore.probes.profiles import UNSETTLED
from advcore.probes.table import Table
from advcore.randomness import Randomness

MEANINGS = {
    "found": (
        "share of samples whose nearest boundary was found and has a slope; the other numbers "
        "are of these"
    ),
    "median_distance": "median l2 distance of the boundary, out of the predicted class, no box",
    "median_largest_curvature": (
        "median over samples of the largest curvature by sign, per pixel unit"
    ),
    "median_smallest_curvature": "median over samples of the smallest curvature by sign",
    "more_negative_share": (
        "share of samples at which the most negative curvature exceeds the most positive one "
        "in magnitude"
    ),
    "mean_curvature": "mean over samples of the mean over all directions",
    "mean_curvature_error": "standard error of that mean",
    "median_rms_curvature": (
        "median over samples of the root mean square over all directions: lower is flatter"
    ),
    "median_random_curvature": "median over samples of the mean magnitude along random directions",
    "median_most_over_random": (
        "median over samples of the largest magnitude seen over that along random directions"
    ),
    "median_relative_curvature": (
        "median over samples of the distance times the root mean square at the step of that "
        "distance"
    ),
    "median_largest_curvature_over_rank": (
        "median over samples of the curvatures from the largest down"
    ),
    "median_smallest_curvature_over_rank": (
        "median over samples of the curvatures from the smallest up"
    ),
}
"""What the summary's numbers are."""

LEAST_STEP = 0.01
"""The shortest step of a finite difference, l2, pixel units: below it float32 gives rounding."""


@dataclass(frozen=True)
class Boundary:
    """How the boundary curves at the end of the minimal l2 perturbation, and along which directions
    most; one row per sample.

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
        top: how many of the largest.
        bottom: how many of the smallest.
        step: h, l2, pixel units; 0 for the exact Hessian of a smooth network. It must be long
            enough to cross many pieces, and short beside the distance: on a LeNet of digits, 28 x
            28, whose boundary is 1.8 away, the residual is all of the curvature up to 0.1 (few
            pieces), and less of it from 0.3 on. 0.5 moves a pixel by 4.6 of 256 grey levels in the
            root mean square, as sqrt(D) 10/512 does, the step in use (Jetley et al. 2018); 1.1 for
            3 x 32 x 32 by that rule.
        steps: of Lanczos, the same for all samples; a sample takes `steps` D numbers of memory.
        draws: random vectors of the mean curvatures.
        attack: what finds the minimal perturbation: a minimal-norm l2 attack without a box. The
            point matters: at the nearest one nearly every boundary of a LeNet curves more away from
            the sample than towards it, as Fawzi et al. saw; where DeepFool ends, a third farther on
            digits, little more than half of them do.
        count: so many samples, drawn from the study's by a hash of their indices; all when not
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

    def validate(self, shape: tuple[int, int, int], classes: int) -> None:
        wanted, dimension = self.top + self.bottom, math.prod(shape) - 1
        if wanted > dimension:
            raise ValueError(
                f"top and bottom must not exceed the boundary's dimension, {dimension}, "
                f"together; got {wanted}"
            )

    def samples(self, batch: Batch) -> Batch:
        return batch if self.count is None else batch.drawn(self.count)

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        some = self.samples(batch)
        return measure_some(
            batch, some, randomness, lambda part, noise: self._measure(classifier, part, noise)
        )

    def _measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        dtype = batch.images.dtype
        with full_precision():
            points = boundary_points(
                classifier, batch.images, attack=self.attack, randomness=randomness
            )
            distance = L2.size(points.images - batch.images)
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
        if not len(table["sample"]):
            return Summary()
        some = _curved(table)
        scalars = {"found": len(some["sample"]) / len(table["sample"])}
        if not len(some["sample"]):
            return Summary(scalars)
        largest, smallest = self._ends(some)
        mean = some.numbers("mean_curvature").double()
        scalars |= {
            "median_distance": median(some.numbers("distance")),
            "median_largest_curvature": median(largest[:, 0]),
            "median_smallest_curvature": median(smallest[:, 0]),
            "more_negative_share": (-smallest[:, 0] > largest[:, 0]).double().mean().item(),
            "mean_curvature": mean.mean().item(),
            "mean_curvature_error": (mean.std() / len(mean) ** 0.5).item(),
            **{
                f"median_{name}": median(some.numbers(name))
                for name in ("rms_curvature", "random_curvature", "most_over_random")
            },
        }
        if self.step:
            scalars["median_relative_curvature"] = median(some.numbers("relative_curvature"))
        curves = {
            name: Curve(
                list(range(1, values.shape[1] + 1)), [median(column) for column in values.unbind(1)]
            )
            for name, values in (
                ("median_largest_curvature_over_rank", largest),
                ("median_smallest_curvature_over_rank", smallest),
            )
        }
        return Summary(scalars, curves, self._warnings(some), MEANINGS)

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        series = []
        for shade, (model, table) in enumerate(tables.items()):
            some = _curved(table)
            for mark, (name, values) in enumerate(
                zip(("largest", "smallest"), self._ends(some), strict=True)
            ):
                if len(values):
                    line = medians(f"{model}, {name}", torch.arange(1, values.shape[1] + 1), values)
                    series.append(replace(line, shade=shade, mark=mark))
        if not series:
            return []
        at = f" at step {self.step:g}" if self.step else ""
        return [
            Lines(
                name="principal_curvatures",
                title="The decision boundary's most curved directions",
                x_label="rank, from the largest down or from the smallest up",
                y_label=f"principal curvature{at} (per pixel unit)",
                series=series,
                references=[(0.0, "flat")],
                note="At the nearest point: median over samples in its 95 % interval, and between "
                "the quartiles. "
                "Positive: a step along the boundary leaves the sample's own class.",
            ),
            sorted_samples(
                {model: _curved(table) for model, table in tables.items()},
                "rms_curvature",
                title="Curvature of the decision boundary over all its directions",
                y_label=f"root mean square curvature{at} (per pixel unit)",
                note=(
                    "At the boundary's nearest point, whatever the network's confidence. "
                    "Lower is flatter."
                ),
            ),
        ]

    def _ends(self, some: Table) -> tuple[Tensor, Tensor]:
        """The largest, descending, and the smallest, ascending."""
        curvatures = some.numbers("curvatures")
        return curvatures[:, : self.top], curvatures[:, self.top :].flip(1)

    def _warnings(self, some: Table) -> dict[str, str]:
        curvatures, residual = some.numbers("curvatures"), some.numbers("residual")
        if (curvatures == 0).all():
            flat = (
                "all curvatures are 0, as those of a piecewise linear network are where no "
                "step is taken: give a step, 0.5 say"
            )
            return {"flat_boundary": flat}
        share = (residual > UNSETTLED * curvatures.abs().amax(1)).double().mean().item()
        sentence = (
            f"the residual exceeds {UNSETTLED:.0%} of the largest curvature on {share:.1%} of "
            "the samples, so that the values are "
            "curvatures along the directions found, and some directions may curve more: "
            + ("as at any step of a piecewise linear network" if self.step else "take more steps")
        )
        return {"unsettled_curvatures": sentence} if share else {}


def _curved(table: Table) -> Table:
    """The rows of the samples whose boundary has a curvature."""
    return table.take(table.rows_with("status", "found"))
