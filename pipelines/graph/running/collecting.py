"""The collecting of results from workers, and of rows that are damaged in the store."""

import sys
import time
from collections.abc import Callable, Iterable, Sequence

from tqdm import tqdm

from advcore.pipelines.graph.running.progress_log import ProgressLog
from advcore.pipelines.tracking.record import Metrics, Run
from advcore.workers.errors import (
    FullDiskError,
    RunInterruptedError,
    is_full,
)
from advcore.workers.redaction import last_line
from advcore.workers.stores.rows import Damaged
from advcore.workers.stores.store import Store
from advcore.workers.tasks import Task, TaskResult
from advcore.workers.units import counts_samples

PROGRESS_SECONDS = 10.0
"""Seconds between two entries of progress in MLflow."""


def collect_results(
    coming: Iterable[TaskResult],
    tasks: Sequence[Task],
    name: str,
    record: Run,
    progress: ProgressLog,
) -> list[TaskResult]:
    """Collect one result per task, with a progress bar of samples, or units, per second.

    Raises RunInterruptedError where the store is full or unreachable.
    """
    if not tasks:
        return []
    sizes = {task.key: len(task.shard) for task in tasks}
    unit = "unit" if any(not counts_samples(task.probe, 1) for task in tasks) else "sample"
    outcomes = []
    tell = _progress(record, len(tasks))
    with tqdm(
        total=sum(sizes.values()), desc=name, unit=unit, smoothing=0.1, file=sys.stderr
    ) as bar:
        for outcome in coming:
            outcomes.append(outcome)
            progress.took(outcome)
            bar.set_postfix_str(
                outcome.name if outcome.ok else f"{outcome.name} FAILED", refresh=False
            )
            bar.update(sizes[outcome.key])
            tell(len(outcomes))
            done = sum(outcome.ok for outcome in outcomes)
            if outcome.away:
                raise RunInterruptedError(
                    f"{done} of {len(tasks)} shards were measured, and the store is unreachable: "
                    f"{last_line(outcome.error)}"
                )
            if not outcome.ok and is_full(last_line(outcome.error)):
                raise FullDiskError(
                    f"no space is left to store the rows of {outcome.name} "
                    f"({last_line(outcome.error)}); {done} of {len(tasks)} "
                    "shards were measured and are kept"
                )
    return outcomes


def _progress(record: Run, total: int) -> Callable[[int], None]:
    """Return a callback that logs the number of finished shards every few seconds."""
    noted = time.monotonic()

    def tell(done: int) -> None:
        nonlocal noted
        if time.monotonic() - noted >= PROGRESS_SECONDS or done == total:
            noted = time.monotonic()
            record.log(Metrics({"progress/shards": done, "progress/share": done / total}, done))

    return tell


def _moved(count: int) -> str:
    return "1 damaged file of rows was" if count == 1 else f"{count} damaged files of rows were"


def set_aside(tasks: Sequence[Task], store: Store) -> list[Task]:
    """Move damaged rows aside, print one line, and return their tasks."""
    damaged, places = [], []
    for task in tasks:
        try:
            if store.has(task.key):
                store.read(task.key)
        except Damaged:
            damaged.append(task)
            places.append(store.set_aside(task.key))
    print(
        f"advcore: {_moved(len(damaged))} moved aside "
        f"({places[0]}{', ...' if len(places) > 1 else ''}); what they held is measured again",
        file=sys.stderr,
    )
    return damaged
