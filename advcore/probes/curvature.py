"""Curvature of the loss at each sample (article, Fig. 4a), and where the gradient points."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor

from advcore.attacks import DeepFool
from advcore.classifier import Around, Classifier, frozen, full_precision, predict
from advcore.criteria import Untargeted
from advcore.curvature import InputHessian, cross_entropy, eigenprofile, hutchinson, lanczos
from advcore.norms import L2
from advcore.probes.charts import Chart, Lines, Series
from advcore.probes.probe import Batch, Columns, Curve, Summary
from advcore.randomness import Randomness

SHOWN = 20
"""So many of the largest eigenvalues stand in the summary; all are in the table."""


@dataclass(frozen=True)
class Curvature:
    """The input Hessian of cross-entropy with the true label; one row per sample.

    Columns: `sample`; `eigenvalues`, descending, `(D,)` or the `top` largest in magnitude; `trace`, and `trace_error`, its
    standard error, 0 when it is exact; `low_rank`, whether the Gauss-Newton path was taken (see `advcore.curvature.eigenprofile`);
    `gradient_norm`; `cosine` between the gradient of the loss and the minimal l2 perturbation, NaN where there is none.
    Eigenvalues and trace are in units of loss per pixel unit squared.

    Attributes:
        spectrum: `whole` for all D eigenvalues: K backward passes a sample for a piecewise linear network, but D Hessian products
            and a D x D eigenproblem for any other, which D of many thousands forbids (20,000: 1.6 GB a sample in float32); nothing
            is refused, as which network it is shows only when it is measured. There `top`: the largest by Lanczos and
            Hutchinson's trace.
        top: how many, for `top`.
        draws: random vectors of the trace, for `top`.
    """

    spectrum: Literal["whole", "top"] = "whole"
    top: int = 10
    draws: int = 50

    def __post_init__(self) -> None:
        if self.spectrum not in ("whole", "top"):
            raise ValueError(f"spectrum must be one of whole, top; got {self.spectrum!r}")
        if self.top < 1:
            raise ValueError(f"top must be at least 1; got {self.top}")
        if self.draws < 2:
            raise ValueError(f"draws must be at least 2; got {self.draws}")

    def validate(self, shape: tuple[int, int, int], classes: int) -> None:
        dimension = shape[0] * shape[1] * shape[2]
        if self.spectrum == "top" and self.top > dimension:
            raise ValueError(f"top must not exceed the image's dimension, {dimension}; got {self.top}")

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Columns:
        with full_precision():
            values, trace, error, low_rank = self._spectrum(classifier, batch, randomness)
            gradient = _gradient(classifier, batch)
            return {
                "sample": batch.indices,
                "eigenvalues": values,
                "trace": trace,
                "trace_error": error,
                "low_rank": low_rank,
                "gradient_norm": L2.size(gradient),
                "cosine": _cosine(classifier, batch.images, gradient),
            }

    def summarise(self, table: Columns) -> Summary:
        values = cast(Tensor, table["eigenvalues"])
        cosine = cast(Tensor, table["cosine"])
        ranks = list(range(1, min(values.shape[1], SHOWN) + 1))
        return Summary(
            scalars={
                "mean_top_eigenvalue": values[:, 0].mean().item(),
                "median_top_eigenvalue": values[:, 0].median().item(),
                "mean_smallest_eigenvalue": values[:, -1].mean().item(),
                "mean_trace": cast(Tensor, table["trace"]).mean().item(),
                "mean_gradient_norm": cast(Tensor, table["gradient_norm"]).mean().item(),
                "median_cosine": cosine.nanmedian().item(),
                "low_rank_share": cast(Tensor, table["low_rank"]).double().mean().item(),
            },
            curves={"mean_eigenvalue": Curve(ranks, values[:, :SHOWN].mean(0).tolist())},
        )

    def charts(self, tables: Mapping[str, Columns]) -> list[Chart]:
        return [self._profiles(tables), _alignments(tables)]

    def _spectrum(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Eigenvalues `(B, k)`, trace, its standard error, and the path taken."""
        if self.spectrum == "whole":
            around, still = Around(classifier, batch.images), torch.zeros_like(batch.images)  # images may lie outside [0, 1]
            profile = eigenprofile(around, still, batch.labels, randomness=randomness)
            return profile.values, profile.trace, torch.zeros_like(profile.trace), profile.low_rank
        hessian = InputHessian(classifier, batch.images, cross_entropy(batch.labels))
        dimension, dtype = hessian.shape[1], batch.images.dtype
        pairs = lanczos(hessian, randomness, dimension, self.top, dtype)
        moments = hutchinson(hessian, randomness, dimension, self.draws, dtype)
        taken = torch.zeros_like(moments.trace, dtype=torch.bool)
        return pairs.values.sort(1, descending=True).values, moments.trace, moments.trace_error, taken

    def _profiles(self, tables: Mapping[str, Columns]) -> Chart:
        spectra = {model: cast(Tensor, table["eigenvalues"]) for model, table in tables.items()}
        largest = max(values.abs().max().item() for values in spectra.values())
        seen = torch.stack([(values.abs() > 1e-6 * largest).any(0) for values in spectra.values()]).any(0)
        seen[0] |= not seen.any()  # flat everywhere: one rank of zeros to show
        count, dimension = int(seen.sum()), len(seen)
        ranks = seen.nonzero()[:, 0] + 1
        exact = all((values[:, ~seen] == 0).all() for values in spectra.values())
        series = []
        for model, values in spectra.items():
            low, high = values[:, seen].quantile(torch.tensor([0.25, 0.75], dtype=values.dtype), dim=0)
            series.append(Series(model, ranks, values[:, seen].mean(0), low, high))
        signed = any((values[:, seen] < 0).any() for values in spectra.values())
        rest = f" {self._rest(dimension - count, dimension, exact)}" if count < dimension else ""
        return Lines(
            name="eigenvalues",
            title="Curvature of the loss at the samples",
            x_label="rank of the eigenvalue",
            y_label="eigenvalue of the input Hessian",
            series=series,
            y_scale="linear" if largest == 0 else "symlog" if signed else "log",
            note=f"Line: mean over samples. Band: quartiles; a mean above its band comes from few samples.{rest}",
        )

    def _rest(self, hidden: int, shown_of: int, exact: bool) -> str:
        """What the chart leaves out."""
        among = f"{shown_of}" if self.spectrum == "whole" else f"the {shown_of} largest measured"
        return f"The other {hidden} of {among} are {'0' if exact else 'below 1e-6 of the largest'}."


def _gradient(classifier: Classifier, batch: Batch) -> Tensor:
    """Of cross-entropy with the true label, `(B, D)`."""
    with frozen(classifier), torch.enable_grad():
        images = batch.images.detach().requires_grad_()
        value = cross_entropy(batch.labels)(classifier(images)).sum()
        if not value.requires_grad:  # a classifier that does not look at the image
            return torch.zeros_like(images).detach().flatten(1)
        return torch.autograd.grad(value, images, materialize_grads=True)[0].flatten(1)


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
