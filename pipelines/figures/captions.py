"""A caption: a number or a word that stands below each picture of a figure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from advcore.pipelines.claims import Tables
from advcore.pipelines.claims.among import rows_beside
from advcore.pipelines.claims.rows import Rows


@dataclass(frozen=True)
class Caption:
    """A number or a word of each sample, as the rows of a probe have it.

    Attributes:
        probe: probe whose rows they are.
        column: column that holds them, one a row.
        where: values that the rows must have, as in claims.
    """

    probe: str
    column: str
    where: dict[str, Any] = field(default_factory=dict)

    def said(self, beside: Mapping[str, Any], tables: Tables) -> tuple[Rows, list[str]]:
        """Return the rows and what each says; `beside` is the `where` of the pictures.

        Raises LookupError where there are none, and where they hold vectors or arrays.
        """
        rows = rows_beside(tables, self.probe, self.column, self.where, beside)
        values: np.ndarray = rows(self.column)
        if values.ndim > 1:
            raise LookupError(
                f"column {self.column!r} of {rows.place} must hold one number or word a row for a "
                f"caption; got arrays of shape {values.shape[1:]}"
            )
        words = values.dtype.kind == "U"
        return rows, [own if words else f"{own:g}" for own in values.tolist()]
