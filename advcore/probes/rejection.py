"""Rejection by confidence under attack (Stutz et al. 2020, Confidence-calibrated training)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from advcore.classifier import Classifier
from advcore.confidence_attack import ConfidenceAttack, confidences
from advcore.learnt import Learnt
from advcore.probes.charts import Chart
from advcore.probes.probe import Batch, Summary
from advcore.probes.rejection_summary import rejection_charts, summary_of_rejection
from advcore.probes.table import Table
from advcore.randomness import Randomness


@dataclass(frozen=True)
class Rejection:
    """Confidences of clean and of attacked samples, of which a network refuses those below tau.

    The attacks maximise the confidence in a wrong class; one that maximises the cross-entropy
    understates the error, as it needs no confidence. Of all attacks that input counts which is
    labelled wrong with the largest confidence, and where none is, that with the largest confidence.

    Columns: `sample`; `confidence`, of the clean sample; `correct`, whether it is labelled right;
    `attacked_confidence`, `attacked_correct`, the same of the attacked one; `accepted`,
    `attacked_accepted`, whether these confidences reach tau; `threshold`, tau itself; `asked`, the
    share of samples labelled right that tau was to accept where it was learnt; `counted`, whether
    one of both is accepted; `error`, whether one of both is accepted and labelled wrong. The
    thresholded robust error is the mean of `error` where `counted`. Its interval is given tau: that
    tau comes of samples itself does not count in it.

    Attributes:
        fit: fit of kind `confidence_threshold` of the same network, of clean samples held
            out.
        attacks: attacks of which the worst counts, sample by sample.
    """

    fit: Learnt
    attacks: tuple[ConfidenceAttack, ...]

    shares: ClassVar[tuple[str, ...]] = (
        "confidence",
        "attacked_confidence",
        "threshold",
        "asked",
    )

    def __post_init__(self) -> None:
        if not self.attacks:
            raise ValueError("attacks must name at least one; got none")

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        if classes < 2:
            raise ValueError(f"rejection needs at least two classes; got {classes} logits")
        self.fit.shape_of("threshold")
        self.fit.shape_of("asked")

    def measure(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Table:
        threshold, asked = (
            self.fit[name].double().to(batch.inputs.device) for name in ("threshold", "asked")
        )
        confidence, predicted = confidences(classifier, batch.inputs)
        correct = predicted == batch.labels
        attacked, attacked_correct = self._worst(classifier, batch, randomness)
        accepted, attacked_accepted = confidence >= threshold, attacked >= threshold
        wrong = (accepted & ~correct) | (attacked_accepted & ~attacked_correct)
        return Table(
            {
                "sample": batch.indices,
                "confidence": confidence,
                "correct": correct,
                "attacked_confidence": attacked,
                "attacked_correct": attacked_correct,
                "accepted": accepted,
                "attacked_accepted": attacked_accepted,
                "threshold": threshold.expand(len(confidence)),
                "asked": asked.expand(len(confidence)),
                "counted": accepted | attacked_accepted,
                "error": wrong,
            }
        )

    def summarise(self, table: Table) -> Summary:
        return summary_of_rejection(table)

    def charts(self, tables: Mapping[str, Table]) -> list[Chart]:
        return rejection_charts(tables)

    def _worst(
        self, classifier: Classifier, batch: Batch, randomness: Randomness
    ) -> tuple[Tensor, Tensor]:
        """The confidence and the correctness of the worst attacked inputs, `(B,)` each."""
        found = []
        for number, attack in enumerate(self.attacks):
            noise = randomness.stream("attack", number)
            inputs = attack(classifier, batch.inputs, batch.labels, noise)
            confidence, predicted = confidences(classifier, inputs)
            found.append(torch.stack([confidence, (predicted == batch.labels).double()]))
        every = torch.stack(found)  # (attacks, 2, B)
        worst = (every[:, 0] - 2 * every[:, 1]).argmax(0)  # wrong ones first
        confidence, right = every.gather(0, worst.expand(1, 2, -1))[0]
        return confidence, right.bool()
