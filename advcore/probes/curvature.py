"""Curvature of the loss, flatness at a scale and the gradient's direction at each sample.

Source: article, Fig. 4a.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, cast

import torch
from torch import Tensor

from advcore import objectives
from advcore.attacks import Attack, MinimalNorm
from advcore.attacks.ascent import evaluate
from advcore.classifier import Classifier, frozen, full_precision, logits_of
from advcore.criteria import Untargeted
from advcore.curvature import Ends, check_confidence, check_formed, temperature_for
from advcore.margins import check_attack, minimal_perturbations
from advcore.norms import L2
from advcore.probes.charts import Chart
from advcore.probes.curvature_summary import summarise_curvature
from advcore.probes.flatness import directions, flatness_columns, linearity_errors
from advcore.probes.flatness_charts import alignments, change_charts, departures
from advcore.probes.probe import Batch, Summary, measure_some
from advcore.probes.profiles import profile_chart
from advcore.probes.spectrum import extreme_spectrum, whole_spectrum
from advcore.probes.table import Table
from advcore.randomness import Randomness


@dataclass(frozen=True)
class Curvature:
    """The input Hessian of the loss and the network's flatness over a length.

    The Hessian is exact or at a step. There is one row per sample.

    The loss is cross-entropy with the true label.

    The exact Hessian of a piecewise linear network is confidence times slope: a sample that is all
    but sure has none, so that a network is "flatter" the surer it is, and a mean is that of the few
    samples near the boundary. What does not hang on it is `loss_change`, at a temperature that
    makes all networks equally confident, and `turn`, which knows no scale of the logits. Both are
    finite differences over `length`, per pixel unit: neither is divided by how far the boundary is.

    Columns of the Hessian: `sample`; `eigenvalues`, descending: `(D,)`, the `top` largest in
    magnitude, or the `top` largest and after them the `bottom` smallest, all NaN where a second
    derivative is not finite; `small_share`, of a whole spectrum, the share of eigenvalues below 1 %
    of the largest, in magnitude; `trace` and `frobenius`, with `trace_error` and `frobenius_error`,
    their standard errors, 0 when they are exact; `residual`, the largest `||H v - value v||` of the
    eigenpairs, 0 for the whole profile; `low_rank`, whether the Gauss-Newton path was taken (see
    `advcore.curvature.eigenprofile`); `gradient_norm`.

    Columns of flatness (m is the margin of the predicted class, `max_k z_k - z_predicted`, k any
    other): `temperature`, the same for all samples; `confidence`, the largest probability at
    temperature 1; `loss_change`, `||grad l(x + h z) - grad l(x)||` of the cross-entropy l at the
    temperature, z along the signs of `grad l` (`advcore.curvature.gradient_change`); `turn`, how
    far the gradient of m turns over h in random directions, as a share of its length
    (`advcore.curvature.turn`); `distance` of the minimal l2 perturbation; `cosine` between it and
    the gradient of the loss, below 0 where the sample is misclassified, and `random_cosine`, a
    random direction's; `one_step`, whether a step of 1.5 times the distance up the gradient of m
    changes the class.

    With `linearity`: `linearity_error`, the largest departure of the loss from its tangent that was
    seen in that ball, and `relative_linearity_error`, that of m over what its tangent changes by at
    most there, `radius ||grad m||`.

    Eigenvalues, trace, Frobenius norm, residual and `loss_change` (over h = 1) are in units of loss
    per pixel unit squared, the gradient's norm in loss per pixel unit, the departure in those of
    the loss. No box: all points may leave [0, 1].

    Attributes:
        spectrum: `whole` for all D eigenvalues: K backward passes a sample for a piecewise linear
            network, but D Hessian products and a D x D eigenproblem for any other and at a step,
            which D of many thousands forbids (20,000: 1.6 GB a sample in float32). More than 30,000
            is refused: at a step before any work, else when it is measured, which shows which
            network it is. Then `top` is right: the extreme ones by Lanczos, trace and Frobenius
            norm by Hutchinson's estimates.
        top: number of largest eigenvalues, for `top`.
        bottom: number of smallest eigenvalues, by sign, for `top`, whose own are then the largest
            by sign; when not given the `top` are those of largest magnitude, from either end.
        draws: number of random vectors of the estimates, for `top`.
        step: scale h of second differences of the loss, l2, pixel units; 0 for the exact Hessian. A
            piecewise linear network has negative curvature at a step alone, and other curvature at
            each, along other directions that of another matrix: the whole spectrum is that of the
            pixel axes, Hutchinson's estimates are those along random ones, and `residual` tells how
            far Lanczos' pairs are from being any. See `advcore.curvature.DifferenceHessian`; in
            float32 no less than 0.01.
        linearity: radius of the l2 ball of the linearity errors, pixel units; not measured when not
            given.
        temperature: factor that divides the logits of `loss_change`. When not given it is measured,
            once a network, so that the median largest probability of the study's samples is
            `confidence` (of at most 512 of them, drawn by hash; of the batch, where the probe is
            used by itself).
        confidence: median largest probability at that temperature.
        length: length h of `loss_change` and `turn`, l2, pixel units.
        turns: number of random directions of `turn`.
        attack: attack that finds the minimal perturbation: a minimal-norm l2 attack without a box.
            DeepFool's are 1.3 to 1.4 times too long on digits, and point less along the gradient's
            direction at the boundary than along that at the sample.
        count: number of samples, drawn from the study's by a hash of their indices; all when not
            given.
    """

    spectrum: Literal["whole", "top"] = "whole"
    top: int = 10
    bottom: int | None = None
    draws: int = 50
    step: float = 0.0
    linearity: float | None = None
    temperature: float | None = None
    confidence: float = 0.9
    length: float = 1.0
    turns: int = 6
    attack: Attack = field(default_factory=lambda: MinimalNorm(norm="l2", box=False))
    count: int | None = None

    def __post_init__(self) -> None:
        if self.spectrum not in ("whole", "top"):
            raise ValueError(f"spectrum must be one of whole, top; got {self.spectrum!r}")
        for name in ("top", "turns"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)}")
        if self.bottom is not None and (self.bottom < 1 or self.spectrum == "whole"):
            raise ValueError(
                f"bottom must be at least 1, and is for spectrum: top alone; got {self.bottom} "
                f"for {self.spectrum}"
            )
        if self.draws < 2:
            raise ValueError(f"draws must be at least 2; got {self.draws}")
        if not 0 <= self.step < math.inf:
            raise ValueError(
                f"step must be a length in pixel units, 0 for the exact Hessian; got {self.step}"
            )
        if self.linearity is not None and not 0 < self.linearity < math.inf:
            raise ValueError(
                f"linearity must be a positive radius in pixel units; got {self.linearity}"
            )
        if self.temperature is not None and not 0 < self.temperature < math.inf:
            raise ValueError(
                "temperature must be a positive number, or not given to be measured; got "
                f"{self.temperature}"
            )
        if not 0 < self.length < math.inf:
            raise ValueError(f"length must be positive, in pixel units; got {self.length}")
        check_attack(self.attack)
        if self.count is not None and self.count < 1:
            raise ValueError(
                f"count must be at least 1, or not given for all samples; got {self.count}"
            )

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        dimension, wanted = math.prod(shape), self.top + (self.bottom or 0)
        if self.spectrum == "top" and wanted > dimension:
            raise ValueError(
                f"top and bottom must not exceed the image's dimension, {dimension}, together; "
                f"got {wanted}"
            )
        if self.spectrum == "whole" and self.step:
            check_formed(dimension)
        check_confidence(self.confidence, classes)

    def calibrated(self, logits: Tensor) -> "Curvature":
        """Return the probe with the temperature of these logits `(N, K)`, unless one is given."""
        return (
            self
            if self.temperature is not None
            else replace(self, temperature=temperature_for(logits, self.confidence))
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
        around, still = batch.around(classifier)
        with full_precision():
            gradient = _gradient(classifier, batch)
            return Table(
                {
                    "sample": batch.indices,
                    **self._spectrum(around, still, batch.labels, randomness),
                    "gradient_norm": L2.size(gradient),
                    **self._flatness(classifier, batch, gradient, randomness),
                }
            )

    def summarise(self, table: Table) -> Summary:
        both_ends = self.spectrum == "whole" or self.bottom is not None
        return summarise_curvature(table, both_ends)

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        tables = {model: table for model, table in tables.items() if len(table["sample"])}
        if not tables:
            return []
        charts = [
            profile_chart(tables, self.spectrum == "whole", self.bottom, self.step),
            *change_charts(tables, self.length, self.turns),
            alignments(tables),
        ]
        return charts if self.linearity is None else [*charts, *departures(tables, self.linearity)]

    def _spectrum(
        self, classifier: Classifier, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> dict[str, Tensor]:
        """The columns of the Hessian."""
        if self.spectrum == "whole":
            return whole_spectrum(classifier, images, labels, self.step, randomness)
        wanted = self.top if self.bottom is None else Ends(self.top, self.bottom)
        return extreme_spectrum(
            classifier, images, labels, self.step, wanted, self.draws, randomness
        )

    def _flatness(
        self, classifier: Classifier, batch: Batch, gradient: Tensor, randomness: Randomness
    ) -> dict[str, Tensor]:
        """The columns of flatness and direction."""
        with frozen(classifier), torch.no_grad():
            logits = logits_of(classifier, batch.inputs)
        way = minimal_perturbations(classifier, batch.inputs, self.attack, randomness)
        own = cast(float, self.calibrated(logits).temperature)
        columns = {
            "temperature": gradient.new_full((len(gradient),), own, dtype=torch.float64),
            "confidence": logits.softmax(1).amax(1),
            **flatness_columns(
                classifier,
                batch,
                logits.argmax(1),
                own,
                self.length,
                self.turns,
                way.distance,
                randomness,
            ),
            **directions(way, gradient, randomness),
        }
        if self.linearity is not None:
            columns |= linearity_errors(
                classifier, batch, logits.argmax(1), self.linearity, randomness
            )
        return columns


def _gradient(classifier: Classifier, batch: Batch) -> Tensor:
    """Return the gradient of cross-entropy with the true label, `(B, D)`."""
    with frozen(classifier):
        return evaluate(
            classifier, batch.inputs, Untargeted(batch.labels), objectives.cross_entropy
        )[0].flatten(1)
