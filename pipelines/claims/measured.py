"""The result of a claim: number, interval, what was resampled, verdict."""

import math
from dataclasses import dataclass
from typing import Literal, Protocol, get_args, runtime_checkable

Verdict = Literal["yes", "no", "undecided"]
"""Yes where the whole interval lies inside what is expected, no where it lies wholly outside,
undecided otherwise."""


@runtime_checkable
class Bounded(Protocol):
    """A claim with a range in which its number is expected."""

    @property
    def at_least(self) -> float:
        """The lower end of the expected range; -inf for none."""

    @property
    def at_most(self) -> float:
        """The upper end of the expected range; inf for none."""


@dataclass(frozen=True)
class Measured:
    """A claim's number with its 95 % interval.

    Attributes:
        value, low, high: the number and the ends of the interval.
        verdict: whether the number is as expected, by the interval; None where nothing is expected.
        unit: what was resampled, in words: `256 samples, one seed`; `3 seeds, 256 samples in each`;
            `6 networks`.
        warnings: what may mislead, each a name, a colon and a sentence: `few_samples: 13 of 256
            samples carry ...`.
    """

    value: float
    low: float
    high: float
    verdict: Verdict | None = None
    unit: str = ""
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.verdict is not None and self.verdict not in get_args(Verdict):
            raise ValueError(
                f"expected a verdict among {', '.join(get_args(Verdict))} or None, got "
                f"{self.verdict!r}: take judge(...)"
            )


def judge(
    low: float, high: float, at_least: float = -math.inf, at_most: float = math.inf
) -> Verdict | None:
    """Return the verdict on the interval from `low` to `high`; None where nothing is expected."""
    if math.isinf(at_least) and math.isinf(at_most):
        return None
    if at_least <= low and high <= at_most:
        return "yes"
    return "no" if high < at_least or low > at_most else "undecided"


def expected(claim: object) -> str:
    """Return the range in which the claim's number is expected, in words."""
    if not isinstance(claim, Bounded):
        return "-"
    low, high = claim.at_least, claim.at_most
    if math.isfinite(low) and math.isfinite(high):
        return f"{low:g} to {high:g}"
    return f">= {low:g}" if math.isfinite(low) else f"<= {high:g}" if math.isfinite(high) else "-"
