"""The effect of each setting of networks by itself, from networks that differ in several."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats

from advcore.pipelines.claims import Numbers
from advcore.pipelines.claims.permutation import permutation_p
from advcore.pipelines.tables.kinds import Part
from advcore.pipelines.tables.spread import check_alone, statistic_of
from advcore.probes import Columns

UPPER = 0.975


@dataclass(frozen=True)
class MainEffects:
    """The effect of two-level factors on a number of a network, all of them at once.

    The number is `y = b_0 + sum_k e_k s_k / 2 + noise`, s_k = 1 where factor k is high, else -1, by
    least squares over the networks: e_k is what the high level adds, the others being equal. Where
    the design is balanced and orthogonal it is the difference of the two halves' means. The
    interval is Student's at 95 %, of the scatter about the model, in which interactions count as
    noise; p is that of permuting the residuals of the model without the factor (Freedman and Lane
    1983).

    Columns: the axes that are left; `factor`; `effect`, with `effect_low` and `effect_high`; `p`;
    `share`, the part of the numbers' variance that goes when the factor joins the others; and
    `networks`. One row per factor.

    Attributes:
        number: statistic over the samples of each network; its probe is one of `of`.
        axis: axis whose labels are the networks, one of those in `reduce`.
        high: labels of the networks at which each factor is high, by factor.
    """

    number: Numbers
    axis: str
    high: dict[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        check_alone(self.number)
        if not self.high:
            raise ValueError("high needs a factor with the networks at which it is high; got none")

    def rows(self, parts: Sequence[Part]) -> Columns:
        """Return a row for each factor.

        Raises LookupError for networks too few, or alike, to tell the factors apart, and for one
        whose number is not finite.
        """
        values = self._values(parts)
        model = self._model(list(values))
        numbers = np.array(list(values.values()))
        freedom = len(numbers) - model.shape[1]
        inverse = np.linalg.pinv(model)
        effects = 2 * inverse @ numbers
        left = numbers - model @ (inverse @ numbers)
        total = float(np.sum((numbers - numbers.mean()) ** 2))
        spread = np.sqrt(np.sum(left**2) / freedom * np.sum((2 * inverse) ** 2, axis=1))
        margin = stats.t.ppf(UPPER, freedom) * spread
        columns: dict[str, list[float]] = {
            "effect": effects[1:].tolist(),
            "effect_low": (effects - margin)[1:].tolist(),
            "effect_high": (effects + margin)[1:].tolist(),
            "p": [],
            "share": [],
            "networks": [float(len(numbers))] * len(self.high),
        }
        for place in range(1, model.shape[1]):
            others = np.delete(model, place, axis=1)
            rest = numbers - others @ (np.linalg.pinv(others) @ numbers)
            columns["p"].append(_p(rest, inverse[place]))
            gone = float(np.sum(rest**2) - np.sum(left**2))
            columns["share"].append(gone / total if total > 0 else 0.0)
        tensors = {name: torch.tensor(own, dtype=torch.float64) for name, own in columns.items()}
        return {"factor": list(self.high), **tensors}

    def _values(self, parts: Sequence[Part]) -> Mapping[str, float]:
        """Return the number of each network by its label. Raises LookupError where it has two."""
        found: dict[str, float] = {}
        for own in parts:
            label = str(own.at.get(self.axis))
            if own.probe != self.number.probe:
                continue
            if label in found:
                raise LookupError(
                    f"probe {own.probe} has several members at {self.axis}={label}: choose one in "
                    "of by where"
                )
            found[label] = statistic_of(self.number, own)
            if not np.isfinite(found[label]):
                raise LookupError(
                    f"{self.number.statistic} of {self.number.column} at {self.axis}={label} is "
                    f"{found[label]}: an effect is of finite numbers; leave the network out"
                )
        return found

    def _model(self, labels: Sequence[str]) -> np.ndarray:
        """Return the columns of the model `(networks, 1 + factors)`: 1, and the signs s_k."""
        unknown = sorted({own for names in self.high.values() for own in names} - {*labels})
        if unknown:
            raise LookupError(
                f"no rows of {self.number.place} are there at {self.axis}={', '.join(unknown)}"
            )
        signs = [[1.0 if own in names else -1.0 for own in labels] for names in self.high.values()]
        model = np.stack([np.ones(len(labels)), *map(np.array, signs)], axis=1)
        count = model.shape[1]
        if len(labels) <= count or np.linalg.matrix_rank(model) < count:
            raise LookupError(
                f"{len(labels)} networks cannot tell {len(self.high)} factors apart: take more, at "
                "which they change apart from each other"
            )
        return model


def _p(residuals: np.ndarray, weights: np.ndarray) -> float:
    """Return the p of the effect `weights @ residuals` among permutations of the residuals."""
    return permutation_p(lambda places: residuals[places] @ weights, len(residuals))
