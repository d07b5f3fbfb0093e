"""Scores by which samples of what was learnt are told from anomalies."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from advcore.attacks import PGD, Attack, DeepFool
from advcore.classifier import Classifier, first_logits, frozen, full_precision, logits_of
from advcore.criteria import Untargeted
from advcore.learnt import Learnt
from advcore.logit_gradients import differentiate
from advcore.membership import label_scores
from advcore.probes.attack_labels import check_ways
from advcore.probes.charts import Chart, Lines, ascending
from advcore.probes.probe import Batch, Summary
from advcore.probes.table import Table
from advcore.randomness import Randomness


@dataclass(frozen=True)
class Anomaly:
    """Scores of each sample that are larger inside, as a rule: for the table `outside`.

    Columns: `sample`; `confidence`, the largest probability; `odin`, that of `softmax(z / T)` at
    `x - eps sign(gradient of -log max_k softmax_k(z / T))` (Liang et al. 2018, Enhancing the
    reliability of out-of-distribution image detection); `inside`, the log-odds of class 0 (nats),
    by which a detector of two classes tells, see the training term `drocc`; `steps`, how many
    gradient steps away from the predicted label the first other one is met, one more than there are
    where none is; `margin`, the distance to the boundary, inf where none was found; with `fit`
    `near`, minus the l2 distance to the mean, in pixel units: a control without a network.

    Attributes:
        fit: fit with a `mean`, `components` of what was learnt say; none to leave `near` out.
        temperature: T of `odin`; 1,000 in the paper.
        eps: length of its step, linf, in pixel units, 0 for none. The paper's .0014 was chosen on
            samples from outside.
        attack: attack with a budget whose steps are counted, from the image itself; none to leave
            `steps` out.
        margin: minimal-norm attack; none to leave `margin` out.
    """

    shares: ClassVar[tuple[str, ...]] = ("confidence", "odin")

    fit: Learnt | None = None
    temperature: float = 1000.0
    eps: float = 0.0014
    attack: Attack | None = field(
        default_factory=lambda: PGD(2.0, "l2", 20, 0.05, random_start=False)
    )
    margin: Attack | None = field(default_factory=lambda: DeepFool(norm="l2"))

    def __post_init__(self) -> None:
        if not 0 < self.temperature < math.inf:
            raise ValueError(f"temperature must be a positive number; got {self.temperature}")
        if not 0 <= self.eps < math.inf:
            raise ValueError(f"eps must not be negative, in pixel units; got {self.eps}")
        check_ways(self.attack, self.margin)

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        if classes < 2:
            raise ValueError(f"anomaly needs at least two classes; got {classes} logits")
        mean = None if self.fit is None else self.fit.shape_of("mean")
        if mean is not None and tuple(mean) != tuple(shape):
            raise ValueError(
                f"the mean of the fit must have the inputs' shape {tuple(shape)}; got "
                f"{tuple(mean)}: take one of kind components"
            )

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        with full_precision(), frozen(classifier):
            logits = first_logits(classifier, batch.inputs)
            odin = self._odin(classifier, batch.inputs)
        columns = {
            "sample": batch.indices,
            "confidence": logits.double().softmax(1).amax(1),
            "odin": odin,
            "inside": label_scores(logits, torch.zeros_like(batch.labels)),
            **self._ways(classifier, batch, logits.argmax(1), randomness),
        }
        if self.fit is not None:
            away = batch.inputs - self.fit["mean"].to(batch.inputs)
            columns["near"] = -away.double().flatten(1).norm(dim=1)
        return Table(columns)

    def _odin(self, classifier: Classifier, images: Tensor) -> Tensor:
        if self.eps:

            def log_confidence(logits: Tensor) -> Tensor:
                return (logits.double() / self.temperature).log_softmax(1).amax(1)

            gradient = differentiate(classifier, images, log_confidence)[0]
            images = images + self.eps * gradient.sign()
        with torch.no_grad():
            scaled = logits_of(classifier, images).double() / self.temperature
        return scaled.softmax(1).amax(1)

    def _ways(
        self, classifier: Classifier, batch: Batch, predicted: Tensor, randomness: Randomness
    ) -> dict[str, Tensor]:
        """Return how far the boundary is, in steps and in length."""
        criterion, columns = Untargeted(predicted), dict[str, Tensor]()
        if self.attack is not None:
            noise = randomness.stream("attack")
            way = self.attack(classifier, batch.inputs, criterion, noise)
            columns["steps"] = way.gradients + (~way.found).long()
        if self.margin is not None:
            noise = randomness.stream("margin")
            columns["margin"] = self.margin(classifier, batch.inputs, criterion, noise).distance
        return columns

    def summarise(self, table: Table) -> Summary:
        return Summary(
            {
                "median_confidence": float(table.numbers("confidence").median()),
                "median_inside": float(table.numbers("inside").median()),
            },
            meanings={
                "median_confidence": "median over samples of the largest probability",
                "median_inside": "median over samples of the log-odds of class 0 (nats)",
            },
        )

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        return [
            Lines(
                name="confidence",
                title="Largest probability of each sample",
                x_label="share of the samples (%)",
                y_label="largest probability",
                series=[ascending(name, own.numbers("confidence")) for name, own in tables.items()],
            )
        ]
