"""Rows of finished shards that are damaged."""

import sys
from collections.abc import Sequence

from advcore.workers.stores.rows import Damaged
from advcore.workers.stores.store import Store
from advcore.workers.tasks import Task


def set_aside(works: Sequence[Task], store: Store) -> list[Task]:
    """Move damaged rows aside, print one line, and return their tasks."""
    damaged, places = [], []
    for work in works:
        try:
            if store.has(work.key):
                store.read(work.key)
        except Damaged:
            damaged.append(work)
            places.append(store.set_aside(work.key))
    print(
        f"advcore: {len(damaged)} damaged files of rows are set aside "
        f"({places[0]}{', ...' if len(places) > 1 else ''}); their shards are measured anew",
        file=sys.stderr,
    )
    return damaged
