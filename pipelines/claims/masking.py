"""A claim about gradient masking: how many of its signs are frequent enough for a warning."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from advcore.pipelines.claims.bootstrap import indices, quantiles
from advcore.pipelines.claims.grid import SEED
from advcore.pipelines.claims.intervals import Estimate
from advcore.pipelines.claims.measured import Measured, judge
from advcore.pipelines.claims.rows import Tables, choose_rows
from advcore.pipelines.claims.seeds import over_seeds
from advcore.probes import Table
from advcore.probes.masking_signs import summarise_signs


@dataclass(frozen=True)
class MaskingWarnings:
    """The number of warnings that a probe `masking` gives for its rows, and for resampled rows.

    Attributes:
        says: claim in words.
        probe: name of the probe whose rows count, one a sample.
        model: name of the model whose rows count; None as in the numbers of other claims.
        at_least: smallest value that is expected; -inf for no bound.
        at_most: largest value that is expected; inf for no bound.
        where: values that rows must have to count, as in the numbers of other claims.
    """

    says: str
    probe: str
    model: str | None = None
    at_least: float = -np.inf
    at_most: float = np.inf
    where: dict[str, Any] = field(default_factory=dict, metadata={"later": True})

    def measure(self, tables: Tables) -> Measured:
        """Return the number of warnings, over seeds its mean.

        Raises LookupError where the tables lack the rows.
        """
        rows = choose_rows(tables, "probe", self.probe, self.model, self.where)
        missing = [name for name in SIGNS if not rows.has(name)]
        if missing:
            raise LookupError(f"probe {self.probe} has no columns {', '.join(missing)}")
        signs = {name: torch.as_tensor(rows(name)) for name in SIGNS}
        seeds = rows(SEED) if rows.has(SEED) else np.zeros(len(signs["label"]))
        names, groups = np.unique(seeds, return_inverse=True)
        count = len(groups) // len(names)
        if any(
            len(np.unique(rows("sample")[groups == seed])) != np.sum(groups == seed)
            for seed in range(len(names))
        ):
            raise LookupError(f"{rows.place}: {len(groups)} rows are not one for each sample")
        found = [_estimate(signs, np.flatnonzero(groups == seed)) for seed in range(len(names))]
        value, low, high = over_seeds(found)
        verdict = judge(low, high, self.at_least, self.at_most)
        unit = f"{len(names)} seeds, {count} samples in each"
        return Measured(
            value, low, high, verdict, unit if len(names) > 1 else f"{count} samples, one seed"
        )


def _estimate(signs: Mapping[str, Any], rows: np.ndarray) -> Estimate:
    """Estimate the number of warnings of these rows by drawing rows from them; one has no noise."""
    value = _warnings(signs, torch.from_numpy(rows))
    if len(rows) == 1:
        return Estimate(value, 0.0, np.inf)
    drawn = [
        _warnings(signs, torch.from_numpy(rows[row]))
        for part in indices(len(rows), len(rows))
        for row in part
    ]
    low, high = quantiles(np.array(drawn, dtype=float))
    return Estimate(value, low, high)


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
