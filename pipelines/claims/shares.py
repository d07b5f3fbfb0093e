"""Numbers that are known to be shares, whose intervals end where shares do."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Protocol, runtime_checkable

from advcore.pipelines.claims.grid import Numbers
from advcore.pipelines.claims.measured import Bounded, Measured, judge

Shares = Mapping[str, Collection[str]]
"""Names of columns that hold shares or probabilities, by probe or table."""


@runtime_checkable
class OfBounded(Bounded, Protocol):
    """A claim whose number cannot leave a range where its column holds shares."""

    @property
    def of(self) -> Numbers:
        """The place of the numbers."""

    @property
    def range_of_shares(self) -> tuple[float, float]:
        """The range that it cannot leave."""


def within_shares(claim: object, measured: Measured, shares: Shares) -> Measured:
    """Return a result with its interval cut at the ends of the range, and the verdict of that.

    The truth lies in the range, so that the cut interval holds it as often. A claim of another
    kind, or of another column, is left as it is.
    """
    if not isinstance(claim, OfBounded):
        return measured
    if claim.of.column not in shares.get(claim.of.probe or claim.of.table or "", ()):
        return measured
    lowest, highest = claim.range_of_shares
    low, high = max(measured.low, lowest), min(measured.high, highest)
    verdict = judge(low, high, claim.at_least, claim.at_most)
    return replace(measured, low=low, high=high, verdict=verdict)
