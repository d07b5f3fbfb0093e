"""The words that travel with a table: what its columns are, and of what it was measured."""

import json
from collections.abc import Sequence

from advcore.pipelines.graph.documented_columns import columns_of
from advcore.pipelines.graph.plan import Measurement, Prepared


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
