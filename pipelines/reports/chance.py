"""How often a network is right on the samples that were measured, and a warning where that is no
better than chance."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from advcore.probes import Summary
from advcore.shares import wilson

WARNING = "at_chance"


@dataclass(frozen=True)
class Accuracy:
    """`right` of `samples` samples are classified as their label; `largest` is the share of the
    most frequent label of all."""

    right: int
    samples: int
    largest: float

    @property
    def interval(self) -> tuple[float, float]:
        """The ends of its 95 % interval."""
        return wilson(self.right, self.samples)

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{self.right / self.samples:.1%} (95 %: {low:.1%} to {high:.1%}, {self.samples} "
            "samples)"
        )

    @property
    def warning(self) -> str:
        """A sentence where the accuracy may be the share of the largest class or less; else
        nothing."""
        if self.interval[0] > self.largest:
            return ""
        return (
            f"the accuracy, {self}, is no better than always to answer the most frequent class "
            f"({self.largest:.1%}): these are numbers of a network that knows nothing of these "
            "data; check its checkpoint, mean and std, and the order of classes"
        )


def accuracy_of(words: Iterable[Mapping[str, str]], labels: np.ndarray) -> Accuracy | None:
    """Return the accuracy by the words beside the rows of one model's shards, whichever the probes,
    on data with these labels.

    None where there are no shards, and where their rows say nothing of it.
    """
    shards = {entry["shard"]: int(entry["right"]) for entry in words if "right" in entry}
    samples = sum(
        int(stop) - int(start) for start, _, stop in (shard.partition(":") for shard in shards)
    )
    if not samples:
        return None
    return Accuracy(
        sum(shards.values()),
        samples,
        np.unique(labels, return_counts=True)[1].max().item() / len(labels),
    )


def warned(summary: Summary, accuracy: Accuracy | None) -> Summary:
    """Return the summary with the warning where the accuracy gives cause for it."""
    if accuracy is None or not accuracy.warning:
        return summary
    return replace(summary, warnings={WARNING: accuracy.warning, **summary.warnings})
