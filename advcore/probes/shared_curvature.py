"""Directions along which the loss is curved at many samples.

Also how much of minimal perturbations lies in them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from advcore.attacks import Attack, MinimalNorm, Status
from advcore.classifier import Classifier, full_precision
from advcore.curvature import cross_entropy_of, input_hessian, lanczos
from advcore.margins import check_attack, minimal_perturbations
from advcore.norms import L2
from advcore.probes.charts import Chart
from advcore.probes.probe import Batch, Summary
from advcore.probes.shared_curvature_summary import shared_charts, summarise_shared
from advcore.probes.table import Table
from advcore.randomness import Randomness

TOLERANCE = 1e-5
"""Tolerance of Lanczos, as a share of the sample's largest eigenvalue: what is below it is not told
from 0."""


@dataclass(frozen=True)
class SharedCurvature:
    """Each sample's most curved directions, from which the shared ones are made.

    Source: Moosavi-Dezfooli et al. 2018, section 4. There is one row per sample.

    Columns: `sample`; `eigenvalues` `(top,)`, the largest in magnitude of the input Hessian of
    cross-entropy with the true label, the largest first (loss per pixel unit squared);
    `eigenvectors` `(top, D)`, unit, signed so that the entry of largest magnitude is positive; NaN
    and 0 where a second derivative is not finite, a sample that the summary leaves out; `residual`,
    the largest `||H v - value v||` of them; `direction` `(D,)`, of the minimal l2 perturbation,
    unit, 0 where none was found; `distance`, its norm in pixel units, inf there; `status`. An
    eigenvalue within 1e-5 of the sample's largest is not told from 0: it is 0, and its vector too.
    In shards of another size a vector is the same to about 1e-5 over its eigenvalue's share of the
    largest, and what is summarised to 1e-5.

    A row holds `(top + 1) D` numbers: 31 kB for digits and 6.6 MB for images of 3 x 224 x 224 with
    `top` 10 in float32, and a whole table of them is summarised in memory.

    The summary parts the samples into halves, drawn by a hash of their indices (data may lie in the
    order of their classes): S_m is spanned by the m leading eigenvectors, by magnitude, of the mean
    Hessian of the first half (but for what `top` leaves out, see `advcore.curvature.Stacked`). On
    the second half, which is not seen in the fit, it gives the mean of `v^T H v` over the m
    directions, against as many random directions, and the share `||P r|| / ||r||` of minimal
    perturbations that S_m holds, against `sqrt(m / D)`, that of random ones. Whether random vectors
    of S_m fool samples takes the model again when all rows are there, which no probe has: see
    `advcore.curvature.fools`.

    Attributes:
        top: number of eigenpairs of each sample; K - 1 are all there are where the network is
            piecewise linear with K classes, at step 0.
        step: step of the Hessian, l2, pixel units; 0 for the exact one. At a step look at
            `residual`, see `advcore.curvature.DifferenceHessian`.
        directions: largest number m of shared directions.
        attack: attack that finds the minimal perturbation: a minimal-norm l2 attack without a box.
    """

    top: int = 10
    step: float = 0.0
    directions: int = 20
    attack: Attack = field(default_factory=lambda: MinimalNorm(norm="l2", box=False))

    def __post_init__(self) -> None:
        for name in ("top", "directions"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)}")
        if not 0 <= self.step < math.inf:
            raise ValueError(
                f"step must be a length in pixel units, 0 for the exact Hessian; got {self.step}"
            )
        check_attack(self.attack)

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        for name in ("top", "directions"):
            if getattr(self, name) > math.prod(shape):
                raise ValueError(
                    f"{name} must not exceed the image's dimension, {math.prod(shape)}; got "
                    f"{getattr(self, name)}"
                )

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        with full_precision():
            hessian = input_hessian(
                classifier, batch.inputs, cross_entropy_of(batch.labels), self.step
            )
            pairs = lanczos(
                hessian, randomness, hessian.shape[1], self.top, batch.inputs.dtype, TOLERANCE
            )
            nothing = ~(pairs.values.abs() > TOLERANCE * pairs.values.abs().amax(1, keepdim=True))
            result = minimal_perturbations(classifier, batch.inputs, self.attack, randomness)
            way = L2.steepest(result.images.flatten(1))
        return Table(
            {
                "sample": batch.indices,
                "eigenvalues": pairs.values.masked_fill(nothing & pairs.values.isfinite(), 0),
                "eigenvectors": _signed(pairs.vectors).masked_fill(nothing[:, :, None], 0),
                "residual": pairs.residuals.amax(1),
                "direction": way.masked_fill(~result.found[:, None], 0),
                "distance": result.distance,
                "status": [Status(code).name.lower() for code in result.status.tolist()],
            }
        )

    def summarise(self, table: Table) -> Summary:
        return summarise_shared(table, self.directions)

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        return shared_charts(tables, self.directions, self.step)


def _signed(vectors: Tensor) -> Tensor:
    """Vectors `(B, k, D)`, each or its opposite: their signs are chance."""
    return vectors * vectors.gather(2, vectors.abs().argmax(2, keepdim=True)).sign()
