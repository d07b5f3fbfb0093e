"""Curvature of the loss at each sample (article, Fig. 4a), and where the gradient points."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor

from advcore import objectives
from advcore.attacks import DeepFool
from advcore.attacks.ascent import evaluate
from advcore.classifier import Classifier, frozen, full_precision, predict
from advcore.criteria import Untargeted
from advcore.curvature import Ends, cross_entropy, eigenprofile, hutchinson, input_hessian, lanczos, linearity_error
from advcore.norms import L2
from advcore.probes.charts import Chart, Lines, Series
from advcore.probes.probe import Batch, Columns, Curve, Summary
from advcore.probes.profiles import profiles, unsettled
from advcore.randomness import Randomness

SHOWN = 20
"""So many of the largest eigenvalues stand in the summary; all are in the table."""


@dataclass(frozen=True)
class Curvature:
    """The input Hessian of cross-entropy with the true label, exact or at a step; one row per sample.

    Columns: `sample`; `eigenvalues`, descending: `(D,)`, the `top` largest in magnitude, or the `top` largest and after them the
    `bottom` smallest; `trace` and `frobenius`, with `trace_error` and `frobenius_error`, their standard errors, 0 when they are
    exact; `residual`, the largest `||H v - value v||` of the eigenpairs, 0 for the whole profile; `low_rank`, whether the
    Gauss-Newton path was taken (see `advcore.curvature.eigenprofile`); `gradient_norm`; `cosine` between the gradient of the loss
    and the minimal l2 perturbation, NaN where there is none; with `linearity`, `linearity_error`, the largest departure of the loss
    from its tangent that was seen in that ball. Eigenvalues, trace, Frobenius norm and residual are in units of loss per pixel unit
    squared, the gradient's norm in loss per pixel unit, the departure in those of the loss.

    Attributes:
        spectrum: `whole` for all D eigenvalues: K backward passes a sample for a piecewise linear network, but D Hessian products
            and a D x D eigenproblem for any other and at a step, which D of many thousands forbids (20,000: 1.6 GB a sample in
            float32); nothing is refused, as which network it is shows only when it is measured. There `top`: the extreme ones by
            Lanczos, trace and Frobenius norm by Hutchinson's estimates.
        top: how many, for `top`.
        bottom: how many of the smallest, by sign, for `top`, whose own are then the largest by sign; when not given the `top` are
            those of largest magnitude, from either end.
        draws: random vectors of the estimates, for `top`.
        step: the scale h of second differences of the loss, l2, pixel units; 0 for the exact Hessian. A piecewise linear network
            has negative curvature at a step alone, and other curvature at each, along other directions that of another matrix: the
            whole spectrum is that of the pixel axes, Hutchinson's estimates are those along random ones, and `residual` tells how
            far Lanczos' pairs are from being any. See `advcore.curvature.DifferenceHessian`; in float32 no less than 0.01.
        linearity: radius of the l2 ball of the linearity error, pixel units; not measured when not given.
    """

    spectrum: Literal["whole", "top"] = "whole"
    top: int = 10
    bottom: int | None = None
    draws: int = 50
    step: float = 0.0
    linearity: float | None = None

    def __post_init__(self) -> None:
        if self.spectrum not in ("whole", "top"):
            raise ValueError(f"spectrum must be one of whole, top; got {self.spectrum!r}")
        if self.top < 1:
            raise ValueError(f"top must be at least 1; got {self.top}")
        if self.bottom is not None and (self.bottom < 1 or self.spectrum == "whole"):
            raise ValueError(f"bottom must be at least 1, and is for spectrum: top alone; got {self.bottom} for {self.spectrum}")
        if self.draws < 2:
            raise ValueError(f"draws must be at least 2; got {self.draws}")
        if not 0 <= self.step < math.inf:
            raise ValueError(f"step must be a length in pixel units, 0 for the exact Hessian; got {self.step}")
        if self.linearity is not None and not 0 < self.linearity < math.inf:
            raise ValueError(f"linearity must be a positive radius in pixel units; got {self.linearity}")

    def validate(self, shape: tuple[int, int, int], classes: int) -> None:
        dimension, wanted = math.prod(shape), self.top + (self.bottom or 0)
        if self.spectrum == "top" and wanted > dimension:
            raise ValueError(f"top and bottom must not exceed the image's dimension, {dimension}, together; got {wanted}")

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Columns:
        around, still = batch.around(classifier)
        with full_precision():
            gradient = _gradient(classifier, batch)
            columns = {
                "sample": batch.indices,
                **self._spectrum(around, still, batch.labels, randomness),
                "gradient_norm": L2.size(gradient),
                "cosine": _cosine(classifier, batch.images, gradient),
            }
            if self.linearity is not None:
                loss = cross_entropy(batch.labels)
                columns["linearity_error"] = linearity_error(around, still, loss, "l2", self.linearity, randomness=randomness).error
        return columns

    def summarise(self, table: Columns) -> Summary:
        columns = cast(Mapping[str, Tensor], table)
        values = columns["eigenvalues"]
        scalars = {
            "mean_top_eigenvalue": values[:, 0].mean().item(),
            "median_top_eigenvalue": values[:, 0].median().item(),
            "mean_smallest_eigenvalue": values[:, -1].mean().item(),
            "mean_trace": columns["trace"].mean().item(),
            "mean_frobenius": columns["frobenius"].mean().item(),
            "mean_gradient_norm": columns["gradient_norm"].mean().item(),
            "median_cosine": columns["cosine"].nanmedian().item(),
            "low_rank_share": columns["low_rank"].double().mean().item(),
        }
        if "linearity_error" in columns:
            scalars["median_linearity_error"] = columns["linearity_error"].median().item()
        largest = values[:, :SHOWN]
        ranks = list(range(1, largest.shape[1] + 1))
        curves = {
            "mean_eigenvalue": Curve(ranks, largest.mean(0).tolist()),
            "median_eigenvalue": Curve(ranks, largest.median(0).values.tolist()),
        }
        return Summary(scalars, curves, unsettled(table))

    def charts(self, tables: Mapping[str, Columns]) -> list[Chart]:
        charts = [profiles(tables, self.spectrum == "whole", self.bottom, self.step), _alignments(tables)]
        return charts if self.linearity is None else [*charts, _departures(tables, self.linearity)]

    def _spectrum(self, classifier: Classifier, images: Tensor, labels: Tensor, randomness: Randomness) -> dict[str, Tensor]:
        """The columns of the Hessian."""
        if self.spectrum == "whole":
            profile = eigenprofile(classifier, images, labels, randomness=randomness, step=self.step)
            exact = torch.zeros_like(profile.trace)
            return {
                "eigenvalues": profile.values,
                "trace": profile.trace,
                "trace_error": exact,
                "frobenius": profile.frobenius,
                "frobenius_error": exact,
                "residual": exact,
                "low_rank": profile.low_rank,
            }
        hessian = input_hessian(classifier, images, cross_entropy(labels), self.step)
        dimension, wanted = hessian.shape[1], self.top if self.bottom is None else Ends(self.top, self.bottom)
        pairs = lanczos(hessian, randomness, dimension, wanted, images.dtype)
        moments = hutchinson(hessian, randomness, dimension, self.draws, images.dtype)
        return {
            "eigenvalues": pairs.values.sort(1, descending=True).values,
            "trace": moments.trace,
            "trace_error": moments.trace_error,
            "frobenius": moments.frobenius,
            "frobenius_error": torch.where(moments.squares > 0, moments.frobenius_error, 0),
            "residual": pairs.residuals.amax(1),
            "low_rank": torch.zeros_like(moments.trace, dtype=torch.bool),
        }


def _gradient(classifier: Classifier, batch: Batch) -> Tensor:
    """Of cross-entropy with the true label, `(B, D)`."""
    with frozen(classifier):
        return evaluate(classifier, batch.images, Untargeted(batch.labels), objectives.cross_entropy)[0].flatten(1)


def _cosine(classifier: Classifier, images: Tensor, gradient: Tensor) -> Tensor:
    """Between the gradient and the shortest way out of the predicted class, `(B,)`; the magnitude tells alignment, the sign
    whether the way climbs the loss."""
    result = DeepFool(norm="l2", box=False)(classifier, images, Untargeted(predict(classifier, images)))
    way = (result.images - images).flatten(1)
    cosine = (L2.steepest(way) * L2.steepest(gradient)).sum(1)
    return cosine.masked_fill(~result.found | (L2.size(gradient) == 0), torch.nan)


def _alignments(tables: Mapping[str, Columns]) -> Chart:
    series = []
    for model, table in tables.items():
        cosine = cast(Tensor, table["cosine"])
        ordered = cosine[~cosine.isnan()].sort().values
        series.append(Series(model, torch.linspace(0, 100, len(ordered)), ordered))
    return Lines(
        name="gradient_alignment",
        title="Gradient of the loss against the minimal perturbation",
        x_label="samples, sorted (%)",
        y_label="cosine of the angle between the two",
        series=series,
        note="1: the gradient points along the shortest way out of the predicted class.",
    )


def _departures(tables: Mapping[str, Columns], radius: float) -> Chart:
    series = []
    for model, table in tables.items():
        ordered = cast(Tensor, table["linearity_error"]).sort().values
        series.append(Series(model, torch.linspace(0, 100, len(ordered)), ordered))
    return Lines(
        name="linearity",
        title="Departure of the loss from its tangent",
        x_label="samples, sorted (%)",
        y_label="local linearity error (nats)",
        series=series,
        y_scale="log",
        note=f"The largest |loss - tangent| that was seen within l2 {radius:g} (pixels in [0, 1]) of each sample: a lower bound.",
    )
