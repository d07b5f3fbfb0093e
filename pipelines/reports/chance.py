"""The accuracy of a network on the measured samples, and a warning if it is at chance."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from advcore.counts import counted
from advcore.probes import Summary
from advcore.shares import wilson

WARNING = "at_chance"


@dataclass(frozen=True)
class Accuracy:
    """The number of samples classified as their label, and the share of the largest class.

    `of` is the number of all samples, of which `samples` were looked at.
    """

    right: int
    samples: int
    largest: float
    of: int

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the accuracy."""
        return wilson(self.right, self.samples)

    def __str__(self) -> str:
        low, high = self.interval
        count = counted(self.samples, "sample")
        if self.samples < self.of:
            count = f"{self.samples} of {self.of} samples"
        return f"{self.right / self.samples:.1%} (95 %: {low:.1%} to {high:.1%}, {count})"

    @property
    def warning(self) -> str:
        """A warning if the accuracy may be at most the share of the largest class; else empty.

        Fewer than half of all samples show neither.
        """
        if self.interval[0] > self.largest or 2 * self.samples < self.of:
            return ""
        return (
            f"the accuracy, {self}, is no better than that of a network which always answers the "
            f"most frequent class ({self.largest:.1%}): check its checkpoint, mean and std, and "
            "the order of the classes (those of a folder are numbered in the order of their "
            "names); where one class is that frequent a network may have learnt much all the same: "
            "look at the accuracy of each class"
        )


def accuracy_of(words: Iterable[Mapping[str, str]], labels: np.ndarray) -> Accuracy | None:
    """Return a model's accuracy by the metadata of its shards' rows, of whatever probe.

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
        len(labels),
    )


def warned(summary: Summary, accuracy: Accuracy | None) -> Summary:
    """Return the summary with a warning where the accuracy is no better than chance."""
    if accuracy is None or not accuracy.warning:
        return summary
    return replace(summary, warnings={WARNING: accuracy.warning, **summary.warnings})
