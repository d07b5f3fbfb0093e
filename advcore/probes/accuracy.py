"""The share of samples that a classifier labels rightly."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch

from advcore.classifier import Classifier, first_logits, frozen, full_precision
from advcore.counts import counted
from advcore.probes.charts import Chart
from advcore.probes.probe import Batch, Summary
from advcore.probes.table import Table
from advcore.randomness import Randomness
from advcore.shares import wilson


@dataclass(frozen=True)
class Accuracy:
    """The label that the classifier gives to each sample, as it stands, and the true one.

    On a data set that another network's perturbations were put on it tells whether this one still
    sees the true class: a judge.

    Columns: `sample`; `label`, the data set's; `prediction`; `correct`, whether they are the same;
    `confidence`, the probability of the predicted class.
    """

    shares: ClassVar[tuple[str, ...]] = ("confidence",)

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        """Accept inputs of any shape."""

    @torch.no_grad()
    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        with full_precision(), frozen(classifier):
            confidence, prediction = first_logits(classifier, batch.inputs).softmax(1).max(1)
        return Table(
            {
                "sample": batch.indices,
                "label": batch.labels,
                "prediction": prediction,
                "correct": prediction == batch.labels,
                "confidence": confidence,
            }
        )

    def summarise(self, table: Table) -> Summary:
        correct = table.numbers("correct")
        if not len(correct):
            return Summary()
        low, high = wilson(int(correct.sum()), len(correct))
        of = f"{counted(len(correct), 'sample')} whose predicted label is the data set's"
        return Summary(
            {
                "accuracy": correct.double().mean().item(),
                "accuracy_low": low,
                "accuracy_high": high,
                "mean_confidence": table.numbers("confidence").double().mean().item(),
            },
            meanings={
                "accuracy": f"share of {of}",
                "accuracy_low": "lower end of its 95 % interval by Wilson",
                "accuracy_high": "upper end of its 95 % interval by Wilson",
                "mean_confidence": "mean over samples of the predicted class's probability",
            },
        )

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        """Return none: a number a network is a table, which the report has."""
        return []
