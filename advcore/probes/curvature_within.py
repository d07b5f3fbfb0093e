"""Curvature of the loss along fitted directions, at samples of which they were not learnt."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from advcore.classifier import Classifier, full_precision, predict
from advcore.curvature import cross_entropy_of, input_hessian
from advcore.learnt import Learnt
from advcore.probes.charts import Chart, Lines, medians
from advcore.probes.probe import Batch, Summary, median
from advcore.probes.shifted_vectors import random_points
from advcore.probes.table import Table
from advcore.randomness import Randomness
from advcore.subspaces import (
    check_directions,
    check_leading,
    leading_directions,
    number_of_directions,
)

KINDS = ("subspace", "sphere")
"""The kinds of directions: the fitted ones, and random ones."""


@dataclass(frozen=True)
class CurvatureWithin:
    """Curvature of the loss at each sample along fitted directions, beside random directions.

    Two rows per sample: the mean of `u^T H u` over the first `directions` of the fit, and over as
    many random unit vectors, the same for all samples. H is the input Hessian of the cross-entropy,
    multiplied here, at the sample itself: exact, or of differences of gradients over a length.
    Nothing of the samples that the directions were learnt from comes in.

    Columns: `sample`; `kind`, `subspace` or `sphere`; `curvature`, per squared pixel unit.

    Attributes:
        fit: fit with orthonormal `directions` (k, *shape), the leading one first.
        directions: number of leading directions; when not given 10, or as many as the fit has.
        step: length h of the differences, l2, pixel units; null for the exact Hessian.
        labels: labels of the loss: the true ones, or those predicted.
    """

    fit: Learnt
    directions: int | None = None
    step: float | None = None
    labels: Literal["true", "predicted"] = "true"

    def __post_init__(self) -> None:
        if self.directions is not None and self.directions < 1:
            raise ValueError(f"directions must be at least 1; got {self.directions}")
        if self.step is not None and not 0 < self.step < math.inf:
            raise ValueError(
                "step must be a positive length in pixel units, null for the exact Hessian; got "
                f"{self.step}"
            )

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        check_directions(shape, self.number)
        check_leading(self.fit, shape, self.number)

    @property
    def number(self) -> int:
        """The number of directions, which follows from the fit where it is not given."""
        return number_of_directions(self.fit, self.directions)

    def settled(self, shape: tuple[int, ...]) -> "CurvatureWithin":
        return replace(self, directions=self.number)

    def values(self) -> Mapping[str, Sequence[str | float]]:
        return {"kind": KINDS}

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        inputs, shape = batch.inputs, tuple(batch.inputs.shape[1:])
        own = leading_directions(self.fit, shape, self.number).flatten(1)
        random = random_points(randomness.seed, self.number, shape, "l2").flatten(1)
        labels = batch.labels if self.labels == "true" else predict(classifier, inputs)
        with full_precision():
            hessian = input_hessian(classifier, inputs, cross_entropy_of(labels), self.step or 0.0)
            found = []
            for vectors in (own.to(inputs), random.to(inputs)):
                along = [(hessian @ vector.expand(hessian.shape)) @ vector for vector in vectors]
                found.append(torch.stack(along).double().mean(0))
        return Table(
            {
                "sample": batch.indices.repeat(len(KINDS)),
                "kind": [kind for kind in KINDS for _ in range(len(inputs))],
                "curvature": torch.cat(found),
            }
        )

    def summarise(self, table: Table) -> Summary:
        if not len(table["sample"]):
            return Summary()
        found = {kind: _curvatures(table, kind) for kind in KINDS}
        scalars = {f"mean_curvature/{kind}": own.mean().item() for kind, own in found.items()}
        scalars |= {f"median_curvature/{kind}": median(own) for kind, own in found.items()}
        about = (
            f"curvature of the cross-entropy of the {self.labels} label over {len(found['sphere'])}"
            f" samples, {self._scale()}, mean over {self.number} leading directions of the fit "
            f"{self.fit.family} (subspace), or over random ones (sphere), per squared pixel unit"
        )
        return Summary(
            scalars,
            meanings={"mean_curvature": f"mean {about}", "median_curvature": f"median {about}"},
        )

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        tables = {model: table for model, table in tables.items() if len(table["sample"])}
        if not tables:
            return []
        apart = 0.06 * (torch.arange(len(tables)) - (len(tables) - 1) / 2)
        series = [
            medians(
                model,
                torch.arange(2.0) + shift,
                torch.stack([_curvatures(table, kind) for kind in KINDS], 1),
                "points",
            )
            for shift, (model, table) in zip(apart, tables.items(), strict=True)
        ]
        return [
            Lines(
                name="curvature_within",
                title="Curvature of unseen samples along fitted directions",
                x_label="directions u",
                y_label="curvature (per squared pixel unit)",
                series=series,
                ticks=(f"{self.number} leading ones of {self.fit.family}", "random"),
                note=(
                    f"u^T H u of the cross-entropy, {self._scale()}, mean over the directions; "
                    "median over samples in its 95 % interval, faint between quartiles."
                ),
            )
        ]

    def _scale(self) -> str:
        return "exact" if self.step is None else f"at a step of {self.step:g}"


def _curvatures(table: Table, kind: str) -> Tensor:
    """Return one kind's curvature of each sample, `(N,)`."""
    return table.take(table.rows_with("kind", kind)).numbers("curvature").double()
