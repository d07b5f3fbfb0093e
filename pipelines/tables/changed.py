"""Predictions that change between samples that belong together."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from advcore.pipelines.claims.rows import check_columns, choose_rows, lacking
from advcore.pipelines.tables.kinds import Part
from advcore.probes import Columns


@dataclass(frozen=True)
class Changed:
    """Samples that belong together, and whether a network says the same of them.

    They are the rows of all members with the same value in a column: the same `sample` on two data
    sets, one of which has something swapped; or the words of a pair, which a column of the data
    numbers. So it is seen whether a prediction hangs on what should not matter (counterfactual
    fairness). Rows that belong to nothing are left out.

    Columns: the axes that are left; `sample`, the number of what belongs together; `changed`, 1
    where not all of its rows have the same value, else 0; `range`, the largest value less the
    smallest. One row per number; the report shows means over them.

    Attributes:
        column: column of numbers that should stay the same.
        by: column of numbers; rows with the same one belong together.
        where: values that the rows must have, as in claims.
    """

    column: str = "prediction"
    by: str = "sample"
    where: dict[str, Any] = field(default_factory=dict)

    def shares(self, known: Collection[str]) -> tuple[str, ...]:
        """Return the names of the columns in [0, 1]."""
        return ("changed",)

    def rows(self, parts: Sequence[Part]) -> Columns:
        """Return a row for each value of `by`.

        Raises LookupError where one has a single row or is no whole number, and for numbers that
        are NaN or inf.
        """
        values, keys = (
            np.concatenate([self._numbers(part, name) for part in parts])
            for name in (self.column, self.by)
        )
        known = ~lacking(keys)
        values, keys = values[known], keys[known]
        if not np.isfinite(values).all():
            lost = int((~np.isfinite(values)).sum())
            raise LookupError(f"{lost} of {len(values)} numbers {self.column} are NaN or inf")
        if (keys % 1 != 0).any():
            raise LookupError(
                f"{self.by} must be whole numbers: {keys[keys % 1 != 0][0]:g} is none"
            )
        together, places, counts = np.unique(keys, return_inverse=True, return_counts=True)
        if not len(together) or (counts < 2).any():
            lone = together[counts < 2][:5].astype(np.int64).tolist()
            raise LookupError(
                f"changed compares rows with the same {self.by}, two at least; "
                + (f"{lone} have one" if lone else "there are none")
            )
        largest = np.full(len(together), -np.inf)
        smallest = np.full(len(together), np.inf)
        np.maximum.at(largest, places, values)
        np.minimum.at(smallest, places, values)
        return {
            "sample": torch.from_numpy(together.astype(np.int64)),
            "changed": torch.from_numpy((largest != smallest).astype(np.float64)),
            "range": torch.from_numpy(largest - smallest),
        }

    def _numbers(self, part: Part, name: str) -> np.ndarray:
        rows = choose_rows({part.probe: {"": part.rows}}, "probe", part.probe, None, self.where)
        check_columns(part.rows, rows.place, [name])
        column = rows(name)
        if column.dtype.kind not in "biuf" or column.ndim > 1:
            raise LookupError(f"column {name!r} of {rows.place} must hold one number a row")
        return column.astype(np.float64)
