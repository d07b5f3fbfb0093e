"""The range of a statistic over members."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from advcore.pipelines.claims import Numbers
from advcore.pipelines.claims.measuring import at_each, one_position
from advcore.pipelines.tables.kinds import Part
from advcore.probes import Columns


@dataclass(frozen=True)
class Spread:
    """The range of a statistic over the members that `reduce` removes: how far methods lie apart.

    Columns: the axes that are left; `range`, the largest less the smallest; `largest` and
    `smallest`; `members`, how many there are.

    Attributes:
        number: statistic over the samples of each member; its probe is one of `of`.
    """

    number: Numbers

    def __post_init__(self) -> None:
        check_alone(self.number)

    def rows(self, parts: Sequence[Part]) -> Columns:
        """Return one row."""
        found = [statistic_of(self.number, own) for own in parts if own.probe == self.number.probe]
        if not found:
            raise LookupError(f"no rows of {self.number.place} are there; name it in of, too")
        numbers = {
            "range": max(found) - min(found),
            "largest": max(found),
            "smallest": min(found),
            "members": float(len(found)),
        }
        return {name: torch.tensor([own], dtype=torch.float64) for name, own in numbers.items()}


def check_alone(numbers: Numbers) -> None:
    """Raise ValueError for numbers among the samples of another probe, whose rows are not seen."""
    others = () if numbers.among is None else numbers.among.placed()
    for place, own in others:
        if own.probe != numbers.probe:
            raise ValueError(
                f"{place} names the probe {own.probe!r}: the statistic of a member sees the rows "
                f"of {numbers.place} alone; count samples in a claim"
            )


def statistic_of(numbers: Numbers, part: Part) -> float:
    """Return a statistic over the samples of one member.

    Raises LookupError where its rows lack the numbers, or hold several for a sample.
    """
    grid = numbers.grid({part.probe: {"": part.rows}})
    one_position("statistic of a member", numbers, grid)
    return float(at_each(numbers.statistic, grid.values[0])[0])
