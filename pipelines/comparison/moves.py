"""The difference of two numbers that have intervals, and the differences of two results."""

import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Moved = Literal["up", "down", "within", "unknown"]
"""The way that a number went: beyond what the two intervals allow, or not; unknown without them."""


@dataclass(frozen=True)
class Move:
    """A number of the first results and of the second, and their difference.

    Attributes:
        name: the claim, or probe, model and number.
        says: what the claim says; empty for a number that is none.
        before, after: the numbers; NaN where one has none.
        low, high: ends of the 95 % interval of the difference; NaN where one has none.
        verdicts: the two verdicts; empty where nothing is claimed.
    """

    name: str
    says: str
    before: float
    after: float
    low: float = math.nan
    high: float = math.nan
    verdicts: tuple[str, str] = ("", "")

    @property
    def difference(self) -> float:
        """The second number less the first."""
        return self.after - self.before

    @property
    def moved(self) -> Moved:
        """The way that the number went, by the interval of the difference."""
        if math.isnan(self.low) or math.isnan(self.high):
            return "unknown"
        return "up" if self.low > 0 else "down" if self.high < 0 else "within"

    @property
    def turned(self) -> bool:
        """True where both have a verdict, and another one."""
        return "-" not in self.verdicts and self.verdicts[0] != self.verdicts[1]

    @property
    def measured_once(self) -> bool:
        """True where one of the two has no number."""
        return math.isnan(self.before) != math.isnan(self.after)


@dataclass(frozen=True)
class Comparison:
    """Two results: claims that both have, numbers that differ, what only one has, the settings.

    Attributes:
        names: the two places, as they were given.
        studies: the names of the two studies.
        claims: all claims of both.
        numbers: numbers of probes that differ, without intervals.
        equal: the number of those that do not.
        only: names of claims and numbers that one alone has, by place.
        settings: the two study files' lines that differ, as a unified diff.
    """

    names: tuple[str, str]
    studies: tuple[str, str]
    claims: Sequence[Move]
    numbers: Sequence[Move]
    equal: int
    only: tuple[Sequence[str], Sequence[str]]
    settings: Sequence[str]


def interval_of_difference(
    first: tuple[float, float, float], second: tuple[float, float, float]
) -> tuple[float, float]:
    """Return the 95 % interval of second less first, each a value with its low and high.

    The two are taken as independent, and their intervals' halves are added as squares, each side
    for itself (MOVER: Zou and Donner, Statistics in Medicine 27, 2008). Where they share samples or
    seeds the true interval is narrower as a rule. NaN where an end is not finite.
    """
    if not all(map(math.isfinite, (*first, *second))):
        return math.nan, math.nan
    (a, a_low, a_high), (b, b_low, b_high) = first, second
    return (
        b - a - math.hypot(b - b_low, a_high - a),
        b - a + math.hypot(b_high - b, a - a_low),
    )


def compare(
    names: tuple[str, str],
    results: tuple[Mapping[str, Any], Mapping[str, Any]],
    studies: tuple[str, str],
) -> Comparison:
    """Return what differs between two results.json and their study files."""
    claims = [own.get("claims", {}) for own in results]
    numbers = [dict(_numbers(own.get("scalars", {}))) for own in results]
    both = [name for name in numbers[0] if name in numbers[1]]
    moves = [Move(name, "", numbers[0][name], numbers[1][name]) for name in both]
    differ = [own for own in moves if not _same(own.before, own.after)]
    before, after = (own.splitlines() for own in studies)
    lines = difflib.unified_diff(before, after, *names, n=1, lineterm="")
    first, second = (str(own.get("study", "")) for own in results)
    return Comparison(
        names,
        (first, second),
        [_claim(name, claims[0][name], claims[1][name]) for name in claims[0] if name in claims[1]],
        differ,
        len(moves) - len(differ),
        (_only(claims, numbers, 0, 1), _only(claims, numbers, 1, 0)),
        list(lines),
    )


def _claim(name: str, first: Mapping[str, Any], second: Mapping[str, Any]) -> Move:
    triples = [
        tuple(float(own.get(part, "nan")) for part in ("value", "low", "high"))
        for own in (first, second)
    ]
    low, high = interval_of_difference(triples[0], triples[1])  # type: ignore[arg-type]
    verdicts = tuple(own.get("verdict") or "-" for own in (first, second))
    return Move(
        name, second["says"], triples[0][0], triples[1][0], low, high, (verdicts[0], verdicts[1])
    )


def _numbers(scalars: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for probe, by_model in scalars.items():
        for model, own in by_model.items():
            for name, value in own.items():
                yield f"{probe}, {model}: {name}", float(value)


def _same(first: float, second: float) -> bool:
    return first == second or (math.isnan(first) and math.isnan(second))


def _only(
    claims: Sequence[Mapping[str, Any]], numbers: Sequence[Mapping[str, Any]], own: int, other: int
) -> list[str]:
    return [
        *(f"claim {name}" for name in claims[own] if name not in claims[other]),
        *(name for name in numbers[own] if name not in numbers[other]),
    ]
