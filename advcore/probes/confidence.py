"""Confidence and how far it can be trusted: the rows of calibration, and of what is unlike."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from advcore.checks import check_labels
from advcore.classifier import Classifier, first_logits, frozen, full_precision
from advcore.learnt import Learnt
from advcore.probes.charts import Chart
from advcore.probes.confidence_summary import calibration_charts, calibration_summary
from advcore.probes.probe import Batch, Summary
from advcore.probes.table import Table
from advcore.randomness import Randomness


@dataclass(frozen=True)
class Confidence:
    """The largest probability of the softmax, and how far it is from the truth.

    Measured on several data sets, one of which holds what the network has learnt, it tells how well
    the confidence separates that from what is unlike it: see the table `outside`.

    Columns: `sample`; `confidence`, the largest probability; `prediction`, its class; `correct`,
    whether that is the label; `nll`, `-log p_y` (nats); `brier`, `sum_k (p_k - [k = y])^2`, in [0,
    2]. With a temperature T also `scaled_confidence`, `scaled_nll` and `scaled_brier`, those of
    `softmax(z / T)`, and `temperature`, T itself. All are computed in float64 from the logits.

    Attributes:
        fit: fit of kind `temperature` of the same network, of samples held out; none for
            the logits as they are.
    """

    fit: Learnt | None = None

    shares: ClassVar[tuple[str, ...]] = (
        "confidence",
        "scaled_confidence",
    )

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        if classes < 2:
            raise ValueError(f"confidence needs at least two classes; got {classes} logits")
        if self.fit is not None:
            self.fit.shape_of("temperature")

    @torch.no_grad()
    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        with full_precision(), frozen(classifier):
            logits = first_logits(classifier, batch.inputs).double()
        check_labels(batch.labels, len(logits), logits.shape[1])
        confidence, prediction = logits.softmax(1).max(1)
        columns: dict[str, Tensor] = {
            "sample": batch.indices,
            "confidence": confidence,
            "prediction": prediction,
            "correct": prediction == batch.labels,
            **_scores(logits, batch.labels),
        }
        if self.fit is not None:
            temperature = self.fit["temperature"].to(logits)
            scaled = logits / temperature
            scores = {"confidence": scaled.softmax(1).amax(1), **_scores(scaled, batch.labels)}
            columns |= {f"scaled_{name}": one for name, one in scores.items()}
            columns["temperature"] = temperature.expand(len(logits))
        return Table(columns)

    def summarise(self, table: Table) -> Summary:
        return calibration_summary(table)

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        return calibration_charts(tables)


def _scores(logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """The proper scores of each sample, `(B,)`."""
    log_p = logits.log_softmax(1)
    truth = torch.nn.functional.one_hot(labels, logits.shape[1])
    return {
        "nll": -log_p.gather(1, labels[:, None])[:, 0],
        "brier": (log_p.exp() - truth).square().sum(1),
    }
