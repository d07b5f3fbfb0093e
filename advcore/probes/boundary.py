"""Principal curvatures of the decision boundary where the minimal perturbation ends (Fawzi et al. 2018)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from advcore.classifier import Classifier, full_precision
from advcore.curvature import Ends, Tangential, boundary_points, hutchinson, lanczos, shape_operator
from advcore.norms import L2
from advcore.probes.charts import Chart, Lines, over_samples
from advcore.probes.probe import Batch, Columns, Curve, Summary
from advcore.probes.profiles import UNSETTLED
from advcore.randomness import Randomness


@dataclass(frozen=True)
class Boundary:
    """The most curved directions of the boundary, both ways, at the end of DeepFool's l2 perturbation; one row per sample.

    Columns: `sample`; `curvatures` `(top + bottom,)`, descending, the largest principal curvatures by sign and after them the
    smallest, 1 / pixel unit, positive where a step along the boundary's tangent leaves the sample's own class (a ball of radius r
    that is all of the class has 1/r everywhere); `residual`, the largest `||S v - value v||` of them, S the shape operator;
    `mean_curvature`, over all D - 1 directions, by Hutchinson's estimate, and `mean_curvature_error`, its standard error; `slope`
    of the logits' difference across the boundary, per pixel unit; `distance` of the boundary from the sample along the
    perturbation, l2, pixel units; `status`: `found`, `not_found` (the distance is inf, the other numbers NaN), or `no_gradient`,
    where that difference is flat (the curvatures are NaN).

    A piecewise linear network (ReLU, max-pooling) has flat pieces, so at step 0 all of it is 0. At a step h a value is the normal
    curvature along its own direction v, `v^T (g(x + h v) - g(x - h v)) / (2 h ||g||)`, how far the boundary turns over that
    segment, but S is no matrix there and the residuals stay large: the extremes are seen from inside, and some directions curve
    more (see `advcore.curvature.DifferenceHessian`).

    Attributes:
        top: how many of the largest.
        bottom: how many of the smallest.
        step: h, l2, pixel units; 0 for the exact Hessian of a smooth network. It must be long enough to cross many pieces, and
            short beside the distance: on a LeNet of digits, 28 x 28, whose boundary is 1.8 away, the residual is all of the
            curvature up to 0.1 (few pieces), and less of it from 0.3 on. 0.5 moves a pixel by 4.6 of 256 grey levels in the root
            mean square, as sqrt(D) 10/512 does, the step in use (Jetley et al. 2018); 1.1 for 3 x 32 x 32 by that rule.
        steps: of Lanczos, the same for all samples; a sample takes `steps` D numbers of memory.
        draws: random vectors of the mean curvature.
    """

    top: int = 10
    bottom: int = 10
    step: float = 0.5
    steps: int = 60
    draws: int = 50

    def __post_init__(self) -> None:
        if min(self.top, self.bottom) < 1:
            raise ValueError(f"top and bottom must be at least 1; got {self.top} and {self.bottom}")
        if not 0 <= self.step < math.inf:
            raise ValueError(f"step must be a length in pixel units, 0 for the exact Hessian; got {self.step}")
        if self.steps < self.top + self.bottom:
            raise ValueError(f"steps must be at least top + bottom, {self.top + self.bottom}; got {self.steps}")
        if self.draws < 2:
            raise ValueError(f"draws must be at least 2; got {self.draws}")

    def validate(self, shape: tuple[int, int, int], classes: int) -> None:
        wanted, dimension = self.top + self.bottom, math.prod(shape) - 1
        if wanted > dimension:
            raise ValueError(f"top and bottom must not exceed the boundary's dimension, {dimension}, together; got {wanted}")

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Columns:
        dtype = batch.images.dtype
        with full_precision():
            points = boundary_points(classifier, batch.images)
            whole = shape_operator(classifier, points.images, points.beyond, points.own, self.step)
            operator = Tangential(whole)
            dimension = operator.shape[1]
            # with no tolerance every sample takes all steps, whoever stands beside it
            pairs = lanczos(operator, randomness, dimension, Ends(self.top, self.bottom), dtype, 0.0, self.steps)
            moments = hutchinson(operator, randomness, dimension, self.draws, dtype)
        curved = points.found & (whole.slope > 0)
        ends = [
            ("not_found", "no_gradient", "found")[found + bent]
            for found, bent in zip(points.found.tolist(), curved.tolist(), strict=True)
        ]
        return {
            "sample": batch.indices,
            "curvatures": pairs.values.sort(1, descending=True).values.masked_fill(~curved[:, None], torch.nan),
            "residual": pairs.residuals.amax(1).masked_fill(~curved, torch.nan),
            "mean_curvature": (moments.trace / dimension).masked_fill(~curved, torch.nan),
            "mean_curvature_error": (moments.trace_error / dimension).masked_fill(~curved, torch.nan),
            "slope": whole.slope.masked_fill(~points.found, torch.nan),
            "distance": L2.size(points.images - batch.images).masked_fill(~points.found, torch.inf),
            "status": ends,
        }

    def summarise(self, table: Columns) -> Summary:
        some = _curved(table)
        scalars = {"found": len(some["curvatures"]) / len(table["sample"])}
        if not len(some["curvatures"]):
            return Summary(scalars)
        largest, smallest = self._ends(some)
        mean = some["mean_curvature"].double()
        scalars |= {
            "median_distance": some["distance"].median().item(),
            "median_largest_curvature": largest[:, 0].median().item(),
            "median_smallest_curvature": smallest[:, 0].median().item(),
            "more_negative_share": (-smallest[:, 0] > largest[:, 0]).double().mean().item(),
            "mean_curvature": mean.mean().item(),
            "mean_curvature_error": (mean.std() / len(mean) ** 0.5).item(),
        }
        curves = {
            name: Curve(list(range(1, values.shape[1] + 1)), values.median(0).values.tolist())
            for name, values in (("median_largest_curvature_over_rank", largest), ("median_smallest_curvature_over_rank", smallest))
        }
        return Summary(scalars, curves, self._warnings(some))

    def charts(self, tables: Mapping[str, Columns]) -> list[Chart]:
        series = []
        for model, table in tables.items():
            some = _curved(table)
            for name, values in zip(("largest", "smallest"), self._ends(some), strict=True):
                if len(values):
                    series.append(over_samples(f"{model}, {name}", torch.arange(1, values.shape[1] + 1), values))
        if not series:
            return []
        return [
            Lines(
                name="principal_curvatures",
                title="Curvature of the decision boundary at its nearest point",
                x_label="rank, from the largest down or from the smallest up",
                y_label="principal curvature " + (f"at step {self.step:g} " if self.step else "") + "(per pixel unit)",
                series=series,
                references=[(0.0, "flat")],
                note="Median and quartiles. Positive: a step along the boundary leaves the sample's own class.",
            )
        ]

    def _ends(self, some: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The largest, descending, and the smallest, ascending."""
        return some["curvatures"][:, : self.top], some["curvatures"][:, self.top :].flip(1)

    def _warnings(self, some: Mapping[str, Tensor]) -> dict[str, str]:
        if (some["curvatures"] == 0).all():
            flat = "all curvatures are 0, as those of a piecewise linear network are where no step is taken: give a step, 0.5 say"
            return {"flat_boundary": flat}
        share = (some["residual"] > UNSETTLED * some["curvatures"].abs().amax(1)).double().mean().item()
        sentence = (
            f"the residual exceeds {UNSETTLED:.0%} of the largest curvature on {share:.1%} of the samples, so that the values are "
            "curvatures along the directions found, and some directions may curve more: "
            + ("as at any step of a piecewise linear network" if self.step else "take more steps")
        )
        return {"unsettled_curvatures": sentence} if share else {}


def _curved(table: Columns) -> dict[str, Tensor]:
    """The numbers of the samples whose boundary has a curvature."""
    chosen = torch.tensor([word == "found" for word in table["status"]], dtype=torch.bool)
    return {name: column[chosen] for name, column in table.items() if isinstance(column, Tensor)}
