"""Intervals as small drawings: where the number, its interval and what is expected lie."""

import math
import re
from dataclasses import dataclass
from typing import Any

ROOM = 0.12
"""Space beside the outermost number, as a share of what is drawn between the outermost two."""


@dataclass(frozen=True)
class IntervalDrawing:
    """Places on a line from 0 to 100, and the words for those who cannot see it.

    Attributes:
        low, high: ends of the interval; one that is not finite lies at the line's end.
        value: place of the number; None where it is not finite.
        expected: ends of what is expected; None where nothing is.
        zero: place of 0; None where it lies outside.
        words: the same in words.
    """

    low: float
    high: float
    value: float | None
    expected: tuple[float, float] | None
    zero: float | None
    words: str


def draw_interval(claim: dict[str, Any]) -> IntervalDrawing | None:
    """Return the drawing of a claim of results.json; None for one without numbers.

    Where nothing is expected, 0 is in sight.
    """
    if "value" not in claim:
        return None
    value, low, high = (float(claim[name]) for name in ("value", "low", "high"))
    least, most = expected_range(claim["expected"])
    seen = [own for own in (value, low, high, least, most) if math.isfinite(own)]
    if not seen:
        return None
    stated = math.isfinite(least) or math.isfinite(most)
    seen += [] if stated else [0.0]
    width = (max(seen) - min(seen)) or abs(seen[0]) or 1.0
    left, length = min(seen) - ROOM * width, (1 + 2 * ROOM) * width

    def place(own: float) -> float:
        return round(min(100.0, max(0.0, 100 * (own - left) / length)), 2)

    return IntervalDrawing(
        0.0 if math.isnan(low) else place(low),
        100.0 if math.isnan(high) else place(high),
        place(value) if math.isfinite(value) else None,
        (place(least), place(most)) if stated else None,
        place(0.0) if left <= 0 <= left + length else None,
        f"{value:.4g}, 95 % interval {low:.4g} to {high:.4g}, expected {claim['expected']}",
    )


def expected_range(words: str) -> tuple[float, float]:
    """Return the range that a claim's `expected` names: ">= 0.5", "<= 1", "0 to 1", "-"."""
    if found := re.fullmatch(r"([<>])= (\S+)", words):
        bound = float(found[2])
        return (bound, math.inf) if found[1] == ">" else (-math.inf, bound)
    if found := re.fullmatch(r"(\S+) to (\S+)", words):
        return float(found[1]), float(found[2])
    return -math.inf, math.inf
