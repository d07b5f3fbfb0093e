"""The mean of a column over samples and members."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from advcore.pipelines.claims.rows import check_columns, choose_rows
from advcore.pipelines.tables.kinds import Part
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

    def shares(self, known: Collection[str]) -> tuple[str, ...]:
        """Return the columns of shares."""
        return ("mean",) if self.column in known else ()

    def rows(self, parts: Sequence[Part]) -> Columns:
        """Return one row: `mean`, `members` and `rows`."""
        held = [numbers_of(part, self.column, self.where) for part in parts]
        numbers = {
            "mean": float(np.mean([own.mean() for own in held])),
            "members": float(len(held)),
            "rows": float(sum(map(len, held))),
        }
        return {name: torch.tensor([own], dtype=torch.float64) for name, own in numbers.items()}


def numbers_of(part: Part, column: str, where: Mapping[str, Any]) -> np.ndarray:
    """Return the numbers of a column at the rows of a member that are chosen, in float64.

    Raises LookupError where there is no such column or row, or no number in it.
    """
    rows = choose_rows({part.probe: {"": part.rows}}, "probe", part.probe, None, where)
    check_columns(part.rows, rows.place, [column])
    values = rows(column)
    if values.dtype.kind not in "biuf" or values.ndim > 1:
        raise LookupError(f"column {column!r} of {rows.place} must hold one number a row")
    return values.astype(np.float64)
