"""A claim about gradient masking: how many of its signs are frequent enough for a warning."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from advcore.pipelines.claims.bootstrap import indices, quantiles
from advcore.pipelines.claims.grid import Tables, explain_missing_rows
from advcore.pipelines.claims.measured import Measured, judge
from advcore.probes import Table
from advcore.probes.masking_signs import summarise_signs


@dataclass(frozen=True)
class MaskingWarnings:
    """The number of warnings that a probe `masking` gives for its rows, and for resampled rows.

    Attributes:
        says: claim in words.
        probe: name of the probe whose rows count, one a sample.
        model: name of the model whose rows count.
        at_least: smallest value that is expected; -inf for no bound.
        at_most: largest value that is expected; inf for no bound.
    """

    says: str
    probe: str
    model: str
    at_least: float = -np.inf
    at_most: float = np.inf

    def measure(self, tables: Tables) -> Measured:
        """Return the number of warnings. Raises LookupError where the tables lack the rows."""
        table = tables.get(self.probe, {}).get(self.model)
        if table is None:
            raise LookupError(explain_missing_rows(self.probe, self.model))
        signs = {name: torch.as_tensor(np.asarray(table[name])) for name in SIGNS if name in table}
        if len(signs) < len(SIGNS):
            raise LookupError(
                f"probe {self.probe} has no columns "
                f"{', '.join(name for name in SIGNS if name not in signs)}"
            )
        count = len(signs["label"])
        if len(np.unique(np.asarray(table["sample"]))) != count:
            raise LookupError(
                f"probe {self.probe} on model {self.model}: {count} rows are not one for each "
                "sample"
            )
        drawn = [
            _warnings(signs, torch.from_numpy(row))
            for part in indices(count, count)
            for row in part
        ]
        low, high = quantiles(np.array(drawn, dtype=float))
        value = _warnings(signs, torch.arange(count))
        return Measured(
            value,
            low,
            high,
            judge(low, high, self.at_least, self.at_most),
            f"{count} samples, one seed",
        )


SIGNS = (
    "label",
    "prediction",
    "zero_gradient",
    "zero_margin_gradient",
    "saturated",
    "variation",
    "regained",
    "worse_than_noise",
)
"""The columns that the warnings come of."""


def _warnings(signs: Mapping[str, Any], rows: torch.Tensor) -> float:
    drawn = Table({name: column[rows] for name, column in signs.items()})
    return float(len(summarise_signs(drawn).warnings))
