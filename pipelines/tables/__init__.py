"""Tables that are made of the rows of probes, once all of these are there."""

from advcore.pipelines.tables.gap_prediction import GapPrediction
from advcore.pipelines.tables.kinds import Drawn, Part, TableKind
from advcore.pipelines.tables.mean import Mean

TABLES: dict[str, type] = {"mean": Mean, "gap_prediction": GapPrediction}
"""The tables that a study can name by `kind`."""

__all__ = ["TABLES", "Drawn", "GapPrediction", "Mean", "Part", "TableKind"]
