"""The mean of a column over members, sample by sample."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from advcore.pipelines.tables.kinds import Part
from advcore.pipelines.tables.mean import numbers_of
from advcore.probes import Columns


@dataclass(frozen=True)
class MeanBySample:
    """The mean of a column over the axes that `reduce` names, of each sample.

    Its mean over samples is that of `mean`; but claims on it see the samples, and so their
    intervals are over seeds and samples. The members must be of the same samples, as those of
    several corruptions of one data set are.

    Columns: the axes that are left; `sample`; `mean`, over members. One row per sample; the report
    shows means over samples.

    Attributes:
        column: column of numbers.
        where: values that the rows must have, as in claims; they must leave one row a sample.
    """

    column: str
    where: dict[str, Any] = field(default_factory=dict)

    def shares(self, known: Collection[str]) -> tuple[str, ...]:
        """Return the columns of shares."""
        return ("mean",) if self.column in known else ()

    def rows(self, parts: Sequence[Part]) -> Columns:
        """Return a row for each sample.

        Raises LookupError where members are not of the same samples, or have several rows of one.
        """
        probe = parts[0].probe
        samples = [numbers_of(own, "sample", self.where) for own in parts]
        first = samples[0]
        if len(np.unique(first)) < len(first):
            raise LookupError(f"probe {probe} has several rows of a sample: choose by where")
        if any(not np.array_equal(own, first) for own in samples):
            raise LookupError(f"members of probe {probe} are not of the same samples")
        held = np.stack([numbers_of(own, self.column, self.where) for own in parts])
        return {
            "sample": torch.from_numpy(first.astype(np.int64)),
            "mean": torch.from_numpy(held.mean(0)),
        }
