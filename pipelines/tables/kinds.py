"""The seam of the tables that are made of other tables."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from advcore.probes import Columns


class TableKind(Protocol):
    """A frozen dataclass of settings: a pure function of the rows of a probe's members.

    Which members there are, and which axes are gone, says the entry of the study: `of` and
    `reduce`.
    """

    def row(self, members: Sequence[Columns]) -> Mapping[str, float]:
        """Return the numbers of one row, by column, of the rows of the members that it is made of.

        Raises LookupError for columns or rows that are not there.
        """
