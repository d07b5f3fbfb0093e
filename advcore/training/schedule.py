"""Schedules: factors over the course of a training.

They apply to its learning rate and to any number of its objective.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import pairwise
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

Points = tuple[tuple[float, float], ...]
"""Pairs of progress, in [0, 1], and factor."""


class Schedule(Protocol):
    """A frozen dataclass; what it gives multiplies the number that it is the schedule of."""

    def __call__(self, progress: float) -> float:
        """The factor when a share `progress` of all steps is done."""


@dataclass(frozen=True)
class Linear:
    """Straight lines between points, level before the first and after the last.

    So it gives a warm-up, a triangle (cyclic) or a ramp.

    Attributes:
        points: pairs of progress and factor, progress ascending in [0, 1]; `[[0, 0], [0.4, 1], [1,
            0]]` is a triangle.
    """

    points: Points

    def __post_init__(self) -> None:
        check_points(self.points)

    def __call__(self, progress: float) -> float:
        after = bisect_right([at for at, _ in self.points], progress)
        if after in (0, len(self.points)):
            return self.points[max(after - 1, 0)][1]
        (start, low), (stop, high) = self.points[after - 1 : after + 1]
        return low + (high - low) * (progress - start) / (stop - start)


@dataclass(frozen=True)
class Steps:
    """A factor that holds from its point to the next.

    `[[0, 1], [0.5, 0.1], [0.75, 0.01]]` drops tenfold twice.

    Attributes:
        points: pairs of progress and factor, progress ascending in [0, 1], the first at 0.
    """

    points: Points

    def __post_init__(self) -> None:
        check_points(self.points)
        if self.points[0][0] != 0:
            raise ValueError(
                f"the first of the points must be at progress 0; got {self.points[0][0]}"
            )

    def __call__(self, progress: float) -> float:
        return self.points[bisect_right([at for at, _ in self.points], progress) - 1][1]


@dataclass(frozen=True)
class Cosine:
    """Half a cosine from 1 to 0, after a linear rise from 0.

    Attributes:
        warm_up: share of all steps that the rise takes.
    """

    warm_up: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.warm_up < 1:
            raise ValueError(
                f"warm_up must lie in [0, 1), a share of all steps; got {self.warm_up}"
            )

    def __call__(self, progress: float) -> float:
        if progress < self.warm_up:
            return progress / self.warm_up
        return (1 + math.cos(math.pi * (progress - self.warm_up) / (1 - self.warm_up))) / 2


def check_points(points: Points) -> None:
    """Raise ValueError unless progress ascends inside [0, 1] and no factor is negative."""
    progress = [at for at, _ in points]
    if (
        not points
        or any(not 0 <= at <= 1 for at in progress)
        or any(b <= a for a, b in pairwise(progress))
    ):
        raise ValueError(
            f"points need progress that ascends in [0, 1], a share of all steps; got {progress}"
        )
    if any(not factor >= 0 for _, factor in points):
        raise ValueError(
            f"factors of points must not be negative; got {[factor for _, factor in points]}"
        )


def scheduled(value: T, schedules: Mapping[str, Schedule], progress: float) -> T:
    """Return a dataclass, or a mapping of them, with its scheduled numbers multiplied.

    Each number that a schedule names is multiplied by the schedule's factor.

    Names are dotted: `cure.h`, `adversarial.attack.eps`. Raises ValueError for a name that leads to
    no number.
    """
    for name, schedule in schedules.items():
        value = map_at_path(
            value, name.split("."), _by(schedule(progress)), f"a schedule of {name!r}"
        )
    return value


def map_at_path(value: T, path: list[str], alter: Callable[[float], float], what: str) -> T:
    """Return a dataclass, or a mapping of them, with the number at `path` changed.

    It is rounded if the field holds whole numbers (`steps`).

    Raises ValueError, which begins with `what`, for a path that leads to no number.
    """
    if not path:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{what} needs a number there; got {value!r}")
        return alter(value)  # type: ignore[return-value]
    known = _parts(value)
    if path[0] not in known:
        raise ValueError(
            f"{what}: there is no {path[0]!r}; known there: {', '.join(known) or 'nothing'}"
        )
    part = map_at_path(known[path[0]], path[1:], alter, what)
    if len(path) == 1 and path[0] in _whole(value):
        part = round(part)
    if isinstance(value, Mapping):
        return {**value, path[0]: part}  # type: ignore[return-value]
    return replace(value, **{path[0]: part})  # type: ignore[type-var]


def _whole(value: Any) -> set[str]:
    """The fields of a dataclass that hold whole numbers."""
    return (
        {entry.name for entry in fields(value) if entry.type is int}
        if is_dataclass(value)
        else set()
    )


def _by(factor: float) -> Callable[[float], float]:
    return lambda number: number * factor


def _parts(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {entry.name: getattr(value, entry.name) for entry in fields(value)}
    return {}
