"""Samples outside the distribution, told by the confidence of a network."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from advcore.pipelines.tables.kinds import Part
from advcore.probes import Chart, Columns, Lines, Series
from advcore.separation import auroc, auroc_interval, false_positive_rate, roc_curve


@dataclass(frozen=True)
class Outside:
    """Separation of the samples of one data set from those of others, by a score.

    Columns: the axes that are left; `outside`, the label of the other data set; `auroc`, the
    probability that a sample inside has the larger score than one outside, ties one half, and
    `auroc_low`, `auroc_high`, its 95 % interval over samples (DeLong et al. 1988), which has no
    width where the two do not overlap;
    `fpr_inside_positive`, the share of the *outside* samples that are accepted at the largest
    threshold that accepts `true_positives` of those inside, as in ACET, ODIN and CCAT;
    `fpr_outside_positive`, the share of the *inside* samples that are flagged at the smallest
    threshold that flags as large a share of those outside, as in OpenOOD and pytorch-ood, another
    number; `mean`, the mean score outside, and `inside_mean`; `samples`, `inside_samples`. One row
    per data set outside; with `columns` one per score too, and `score` says which. A score that is
    NaN has no place among the others: there is no table then.

    Attributes:
        inside: label of the data set that the network has learnt, other samples of it.
        axis: axis along which the data sets lie, one of those in `reduce`.
        column: column of the score, larger inside.
        true_positives: share of the positives that are found.
        columns: columns of several scores, in place of `column`.
    """

    inside: str
    axis: str = "data"
    column: str = "confidence"
    true_positives: float = 0.95
    columns: tuple[str, ...] = field(default=(), metadata={"later": True})

    def __post_init__(self) -> None:
        if not 0 < self.true_positives <= 1:
            raise ValueError(f"true_positives must lie in (0, 1]; got {self.true_positives}")

    def shares(self, known: Collection[str]) -> tuple[str, ...]:
        """Return the columns of shares."""
        means = ("mean", "inside_mean") if all(name in known for name in self._names) else ()
        return ("auroc", "fpr_inside_positive", "fpr_outside_positive", *means)

    @property
    def _names(self) -> tuple[str, ...]:
        return self.columns or (self.column,)

    def rows(self, parts: Sequence[Part]) -> Columns:
        """Return a row for each data set outside, and each score."""
        words: dict[str, list[str]] = {"score": []} if self.columns else {}
        words["outside"] = []
        columns: dict[str, list[float]] = {}
        for score in self._names:
            inside, others = self._scores(parts, score)
            for outside, own in others.items():
                if self.columns:
                    words["score"].append(score)
                words["outside"].append(outside)
                for name, number in self._numbers(inside, own).items():
                    columns.setdefault(name, []).append(number)
        tensors = {name: torch.tensor(own, dtype=torch.float64) for name, own in columns.items()}
        return {**words, **tensors}

    def charts(self, parts: Sequence[Part]) -> list[Chart]:
        """Return the ROC curves, a chart for each score."""
        return [self._chart(parts, score) for score in self._names]

    def _numbers(self, inside: Tensor, outside: Tensor) -> dict[str, float]:
        low, high = auroc_interval(inside, outside)
        return {
            "auroc": auroc(inside, outside),
            "auroc_low": low,
            "auroc_high": high,
            "fpr_inside_positive": false_positive_rate(inside, outside, self.true_positives),
            "fpr_outside_positive": false_positive_rate(-outside, -inside, self.true_positives),
            "mean": float(outside.mean()),
            "inside_mean": float(inside.mean()),
            "samples": float(len(outside)),
            "inside_samples": float(len(inside)),
        }

    def _chart(self, parts: Sequence[Part], score: str) -> Chart:
        inside, others = self._scores(parts, score)
        series = []
        for name, scores in others.items():
            false, true = roc_curve(inside, scores)
            label = f"{name}, {auroc(inside, scores):.3f}"
            series.append(Series(label, 100 * false, 100 * true, style="line"))
        return Lines(
            name=f"roc-{score}" if self.columns else "roc",
            title=f"{self.inside} against what is outside, by the {score}",
            x_label="outside, accepted (%)",
            y_label=f"{self.inside}, accepted (%)",
            series=series,
            y_limits=(-2, 102),
            note="The number is the area under the curve.",
        )

    def _scores(self, parts: Sequence[Part], column: str) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the scores inside, and those outside by label.

        Raises LookupError where one is missing or NaN, or a label has two members or no sample.
        """
        held: dict[str, Tensor] = {}
        for part in parts:
            label = str(part.at.get(self.axis))
            if label in held:
                raise LookupError(
                    f"several members lie at {self.axis}={label}: choose one in of by where, or "
                    "leave their axis out of reduce"
                )
            scores = part.rows.get(column)
            if not isinstance(scores, Tensor) or scores.dim() != 1:
                raise LookupError(
                    f"the rows of {part.probe} have no {column!r}, one number a row; measure "
                    "a probe confidence"
                )
            lost = int(scores.isnan().sum())
            if lost or not len(scores):
                raise LookupError(
                    f"{lost} of {len(scores)} numbers {column} at {self.axis}={label} are NaN: "
                    "outside needs a sample at least, and each with a number"
                )
            held[label] = scores.double()
        others = {label: own for label, own in held.items() if label != self.inside}
        if self.inside not in held or not others:
            raise LookupError(
                f"outside needs rows at {self.axis}={self.inside} and at another; got "
                f"{', '.join(held) or 'none'}"
            )
        return held[self.inside], others
