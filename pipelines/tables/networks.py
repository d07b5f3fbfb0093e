"""Networks of a grid: the gap, the settings and the features of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch

from advcore.layer_margins import MOMENTS, QUANTILES, moments, signature, usable
from advcore.pipelines.claims.grid import SEED
from advcore.pipelines.tables.kinds import Part
from advcore.pipelines.tables.mean import numbers_of

FEWEST = 4
"""Fewest settings of networks that a prediction is made of."""


@dataclass(frozen=True)
class Feature:
    """Numbers of a network, made of a column of a probe.

    Attributes:
        probe: name of the probe, one of those in `of`.
        column: column of numbers.
        summary: summary over the rows: their `mean`, or of those that are positive the logarithms
            of their mean (`log_mean`), their median (`log_median`), quartiles and fences
            (`signature`), or first five moments (`moments`), see `advcore.layer_margins`.
        where: values that the rows must have, as in claims.
    """

    probe: str
    column: str
    summary: Literal["mean", "log_mean", "log_median", "signature", "moments"] = "log_mean"
    where: dict[str, Any] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """The number of numbers."""
        return {"signature": len(QUANTILES), "moments": MOMENTS}.get(self.summary, 1)


@dataclass(frozen=True)
class Predictor:
    """Features that together predict the gap.

    Attributes:
        features: features of each network.
        baseline: true for one that others are to be compared with.
    """

    features: tuple[Feature, ...]
    baseline: bool = False


@dataclass(frozen=True, eq=False)
class MeasuredNetworks:
    """The networks of a grid, N of them, in one order.

    Attributes:
        gaps: accuracy on the training set less that on other samples, `(N,)`.
        settings: number of each network's value of each setting that has several, `(N, settings)`.
        features: numbers of each predictor, by its name, `(N, d)`.
    """

    gaps: np.ndarray
    settings: np.ndarray
    features: Mapping[str, np.ndarray]

    @property
    def count(self) -> int:
        """The number of networks."""
        return len(self.gaps)

    @property
    def place(self) -> np.ndarray:
        """Number of each network's settings among the different ones, `(N,)`; seeds share it."""
        rows = [tuple(row) for row in self.settings.tolist()]
        numbers = {row: number for number, row in enumerate(dict.fromkeys(rows))}
        return np.array([numbers[row] for row in rows])

    @property
    def places(self) -> int:
        """The number of different settings."""
        return _different(self.settings)


def measured_networks(
    parts: Sequence[Part], train: str, test: str, predictors: Mapping[str, Predictor]
) -> MeasuredNetworks:
    """Return the networks that all probes measured; their axes are those of the probe `train`.

    Raises LookupError for probes and numbers that are not there, for several members of a probe at
    one network, and for networks of fewer than four settings.
    """
    by_probe: dict[str, list[Part]] = {}
    for part in parts:
        by_probe.setdefault(part.probe, []).append(part)
    named = [one.probe for own in predictors.values() for one in own.features]
    for name in dict.fromkeys([train, test, *named]):
        if name not in by_probe:
            raise LookupError(f"no rows of probe {name} are there; name it in of, too")
    axes = list(by_probe[train][0].at)
    held = {probe: _by_key(members, axes) for probe, members in by_probe.items()}
    keys = [key for key in held[train] if all(key in own for own in held.values())]
    settings = _settings(axes, keys)
    if _different(settings) < FEWEST:
        raise LookupError(
            f"a prediction needs networks of {FEWEST} settings that all of {', '.join(held)} "
            f"measured, told apart by {', '.join(axes) or 'no axis'}, seeds not counted; there are "
            f"{_different(settings)}"
        )
    networks = [{probe: own[key] for probe, own in held.items()} for key in keys]
    gaps = [_accuracy(own[train]) - _accuracy(own[test]) for own in networks]
    features = {
        name: np.stack([_all_numbers(predictor, own) for own in networks])
        for name, predictor in predictors.items()
    }
    return MeasuredNetworks(np.array(gaps), settings, features)


def _settings(axes: Sequence[str], keys: Sequence[tuple[Any, ...]]) -> np.ndarray:
    """Return the number of each network's value of each axis that has several, seeds left out."""
    columns = [
        np.unique([str(key[place]) for key in keys], return_inverse=True)[1]
        for place, axis in enumerate(axes)
        if axis != SEED and len({key[place] for key in keys}) > 1
    ]
    return np.stack(columns or [np.zeros(len(keys), dtype=int)], axis=1)


def _different(settings: np.ndarray) -> int:
    return len({tuple(row) for row in settings.tolist()})


def _by_key(members: Sequence[Part], axes: Sequence[str]) -> dict[tuple[Any, ...], Part]:
    """Return members of a probe by their labels of axes. Raises LookupError where two share one."""
    found: dict[tuple[Any, ...], Part] = {}
    for own in members:
        other = found.setdefault(tuple(own.at.get(axis) for axis in axes), own)
        if other is not own:
            union = {**other.at, **own.at}
            further = [axis for axis in union if own.at.get(axis) != other.at.get(axis)]
            raise LookupError(
                f"probe {own.probe} has several members at one network, which differ in "
                f"{', '.join(further)}: choose one, of: {{each: [{{of: {own.probe}, where: "
                f"{{{further[0]}: ...}}}}, ...]}}"
            )
    return found


def _accuracy(part: Part) -> float:
    return float(numbers_of(part, "correct", {}).mean())


def _all_numbers(predictor: Predictor, network: Mapping[str, Part]) -> np.ndarray:
    return np.concatenate([_numbers(one, network[one.probe]) for one in predictor.features])


def _numbers(feature: Feature, part: Part) -> np.ndarray:
    """Return the numbers of a feature. Raises LookupError where there are none."""
    values = torch.from_numpy(numbers_of(part, feature.column, feature.where))
    if feature.summary == "mean":
        return np.asarray(values.mean().numpy())[None]
    kept = usable(values)
    if not len(kept):
        where = ", ".join(f"{axis}={label}" for axis, label in part.at.items())
        raise LookupError(
            f"{feature.column} of probe {feature.probe} has no positive number at {where}, and so "
            "no logarithm: leave the feature or that network out"
        )
    if feature.summary == "log_mean":
        return np.asarray(kept.mean().log().numpy())[None]
    if feature.summary == "log_median":
        return np.asarray(kept.quantile(0.5).log().numpy())[None]
    return np.asarray({"signature": signature, "moments": moments}[feature.summary](kept).numpy())
