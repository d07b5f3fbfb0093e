"""The mean of a column over the rows of all members that another column marks."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from advcore.pipelines.tables.kinds import Part
from advcore.pipelines.tables.mean import numbers_of
from advcore.probes import Columns


@dataclass(frozen=True)
class MeanAmong:
    """The mean of a column over the rows at which another one is 1, of all members together.

    Each row has the same weight, unlike in `mean`, and a member may have none: so the share that
    is missed of what is broken is that of all networks, though some have next to nothing broken.

    Columns: the axes that are left; `mean`, NaN where no row is marked; `rows`, how many are.

    Attributes:
        column: column of numbers.
        among: column of 0 and 1 that marks the rows that count.
        where: values that the rows must have besides, as in claims.
    """

    column: str
    among: str
    where: dict[str, Any] = field(default_factory=dict)

    def shares(self, known: Collection[str]) -> tuple[str, ...]:
        """Return the columns of shares."""
        return ("mean",) if self.column in known else ()

    def rows(self, parts: Sequence[Part]) -> Columns:
        """Return one row: `mean` and `rows`. Raises LookupError for marks that are not 0 or 1."""
        marks = np.concatenate([numbers_of(own, self.among, self.where) for own in parts])
        if not np.isin(marks, (0, 1)).all():
            raise LookupError(f"column {self.among!r} must hold 0 and 1, for rows that count")
        numbers = np.concatenate([numbers_of(own, self.column, self.where) for own in parts])
        held = numbers[marks == 1]
        result = {"mean": held.mean() if len(held) else np.nan, "rows": float(len(held))}
        return {name: torch.tensor([own], dtype=torch.float64) for name, own in result.items()}
