"""The mean of a column over samples and members."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from advcore.pipelines.claims.rows import choose_rows
from advcore.probes import Columns


@dataclass(frozen=True)
class Mean:
    """The mean of a column of a probe, over samples and over the axes that `reduce` names.

    Each member has the same weight, however many rows it has.

    Columns: the axes that are left; `mean`; `members` and `rows`, how many it is made of.

    Attributes:
        column: column of numbers.
        where: values that the rows must have, as in claims.
    """

    column: str
    where: dict[str, Any] = field(default_factory=dict)

    def row(self, members: Sequence[Columns]) -> Mapping[str, float]:
        """Return `mean`, `members` and `rows`."""
        held = []
        for own in members:
            rows = choose_rows({"": {"": own}}, "table", "", None, self.where)
            if not rows.has(self.column):
                raise LookupError(f"there is no column {self.column!r}; there are {', '.join(own)}")
            values = rows(self.column)
            if values.dtype.kind not in "biuf" or values.ndim > 1:
                raise LookupError(f"column {self.column!r} must hold one number a row")
            held.append(values.astype(np.float64))
        return {
            "mean": float(np.mean([own.mean() for own in held])),
            "members": float(len(held)),
            "rows": float(sum(map(len, held))),
        }
