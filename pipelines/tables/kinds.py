"""The seam of the tables that are made of other tables."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from advcore.probes import Chart, Columns


@dataclass(frozen=True)
class Part:
    """The rows of one member of a probe.

    Attributes:
        probe: name of the probe.
        at: labels by axis: where the member stands in its family.
        rows: columns of the member's rows.
    """

    probe: str
    at: Mapping[str, str | int | float]
    rows: Columns


class TableKind(Protocol):
    """A frozen dataclass of settings: a pure function of the rows of probes' members.

    Which members there are, and which axes are gone, says the entry of the study: `of` and
    `reduce`.
    """

    def rows(self, parts: Sequence[Part]) -> Columns:
        """Return rows of numbers and words, by column, of the members that they are made of.

        There are as many for each value of the axes that are left, mostly one. Raises LookupError
        for columns or rows that are not there.
        """


@runtime_checkable
class Drawn(TableKind, Protocol):
    """A table with figures."""

    def charts(self, parts: Sequence[Part]) -> list[Chart]:
        """Return the charts of what `rows` is made of."""


@runtime_checkable
class MakesShares(TableKind, Protocol):
    """A table with columns of shares or probabilities, in [0, 1]."""

    def shares(self, known: Collection[str]) -> tuple[str, ...]:
        """Return the names of these columns; `known` are those of the probes' rows."""
