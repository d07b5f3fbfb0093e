"""The seam of the figures that are drawn from the numbers of all members."""

from collections.abc import Mapping
from typing import Protocol, Self

from advcore.pipelines.claims import Numbers, Tables
from advcore.pipelines.figures.captions import Caption
from advcore.probes import Chart


class FigureKind(Protocol):
    """A frozen dataclass of settings: a chart of the numbers of one or of several series.

    The study's entry says by `each` which series there are: each is the entry once more, with the
    labels of its axes in the `where` of its numbers.
    """

    @property
    def of(self) -> Numbers:
        """The numbers that are drawn."""

    @property
    def axes(self) -> tuple[str, ...]:
        """The names of the axes or columns along which they are drawn."""

    @property
    def beside(self) -> Mapping[str, Caption]:
        """The rows that are shown beside the numbers, by their place in the study's entry."""

    def chart(self, name: str, series: Mapping[str, Self], tables: Tables) -> Chart:
        """Return the chart `name` of the series, by their labels, "" where it is one alone.

        Raises LookupError where tables lack their numbers.
        """
