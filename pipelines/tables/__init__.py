"""Tables that are made of the rows of probes, once all of these are there."""

from advcore.pipelines.tables.kinds import TableKind
from advcore.pipelines.tables.mean import Mean

TABLES: dict[str, type] = {"mean": Mean}
"""The tables that a study can name by `kind`."""

__all__ = ["TABLES", "Mean", "TableKind"]
