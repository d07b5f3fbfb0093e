"""The kinds of claims that a study can name."""

from typing import Protocol

from advcore.pipelines.claims.grid import Tables
from advcore.pipelines.claims.masking import MaskingWarnings
from advcore.pipelines.claims.measured import Measured
from advcore.pipelines.claims.one_model import Level, Power, Trend
from advcore.pipelines.claims.two_columns import Correlation
from advcore.pipelines.claims.two_models import Difference, Ratio, Share


class Claim(Protocol):
    """A frozen dataclass with a sentence of the article, and how to measure it."""

    says: str

    def measure(self, tables: Tables) -> Measured:
        """Return the number measured from the tables. Raises LookupError where they lack it."""


CLAIMS: dict[str, type] = {
    "level": Level,
    "ratio": Ratio,
    "difference": Difference,
    "share": Share,
    "trend": Trend,
    "power": Power,
    "correlation": Correlation,
    "masking_warnings": MaskingWarnings,
}
"""The claims that a study can name by `kind`."""
