"""The kinds of claims that a study can name."""

from typing import Protocol, runtime_checkable

from advcore.pipelines.claims.bound import Bound
from advcore.pipelines.claims.grid import Numbers
from advcore.pipelines.claims.interior import Interior
from advcore.pipelines.claims.masking import MaskingWarnings
from advcore.pipelines.claims.measured import Measured
from advcore.pipelines.claims.one_model import Level, Power, Trend
from advcore.pipelines.claims.pairs import Other
from advcore.pipelines.claims.permutation import Permutation
from advcore.pipelines.claims.ratio import Ratio
from advcore.pipelines.claims.rows import Tables
from advcore.pipelines.claims.slope import Slope
from advcore.pipelines.claims.two_columns import Correlation
from advcore.pipelines.claims.two_models import Difference, Share
from advcore.pipelines.claims.with_interval import WithInterval


class Claim(Protocol):
    """A frozen dataclass with what is expected of a number, and how to measure it.

    What a claim may have besides stands in `Bounded`, `OfNumbers` and `OfTwoModels`.
    """

    @property
    def says(self) -> str:
        """The sentence, shown beside the number."""

    def measure(self, tables: Tables) -> Measured:
        """Return the number measured from the tables, by probe and model.

        Raises LookupError where they lack it.
        """


@runtime_checkable
class OfNumbers(Claim, Protocol):
    """A claim about one column of a probe's table, whose names are checked when a file is read."""

    @property
    def of(self) -> Numbers:
        """The place of the numbers."""


@runtime_checkable
class OfTwoModels(OfNumbers, Protocol):
    """A claim that compares the rows with others."""

    @property
    def to(self) -> Other | None:
        """The other model's name, or values put over `of.where`; None for none."""


CLAIMS: dict[str, type] = {
    "level": Level,
    "ratio": Ratio,
    "difference": Difference,
    "share": Share,
    "trend": Trend,
    "power": Power,
    "slope": Slope,
    "correlation": Correlation,
    "interior": Interior,
    "bound": Bound,
    "permutation": Permutation,
    "masking_warnings": MaskingWarnings,
    "with_interval": WithInterval,
}
"""The claims that a study can name by `kind`."""
