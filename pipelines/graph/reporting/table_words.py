"""The words that travel with a table: what its columns are, and of what it was measured."""

import inspect
import json
from collections.abc import Sequence

from advcore.pipelines.graph.plan import Measurement, Prepared
from advcore.probes import Probe


def columns_of(probe: Probe) -> str:
    """Return what a probe says of its columns and their units, from its docstring; else empty.

    It is the paragraph that begins with `Columns`.
    """
    paragraphs = (inspect.getdoc(type(probe)) or "").split("\n\n")
    found = [text for text in paragraphs if text.lstrip().startswith("Columns")]
    return " ".join(found[0].split()) if found else ""


def words_of(prepared: Prepared, members: Sequence[Measurement]) -> dict[str, str]:
    """Return the metadata of a table: columns, seed, precision, networks and data sets by hash."""
    run = prepared.study.run
    networks = {own.planned.network: prepared.model_hashes[own.planned.network] for own in members}
    data = {own.planned.data: own.seen.digest for own in members}
    return {
        "columns": columns_of(members[0].planned.settings),
        "seed": str(run.seed),
        "dtype": run.dtype,
        "networks": json.dumps(networks),
        "data": json.dumps(data),
    }
