"""Results of tasks that are given up, and why, in words that say what to do."""

from collections.abc import Mapping

from advcore.workers.datasets import Dataset
from advcore.workers.failed_samples import samples_of_task
from advcore.workers.pool.task_queue import FAILURES
from advcore.workers.tasks import Share, TaskResult, Train, Work


def failed_result(task: Work, datasets: Mapping[str, Dataset], error: str) -> TaskResult:
    """Return the result of a task that failed; of one shard with its samples.

    A data set that nobody needs any more has none.
    """
    samples = ""
    if not isinstance(task, Train) and task.data in datasets:
        samples = samples_of_task(task, datasets[task.data].indices)
    return TaskResult(task.key, task.name, False, 0, 0.0, error, "", samples=samples)


def why_lost(task: Work, times: int, reason: str) -> str:
    """Return why a task is given up that lost its worker so many times."""
    less = "a smaller batch_size" if isinstance(task, Train) else "smaller shards"
    return (
        f"{task.title} lost its worker {times} times (killed or out of memory): choose "
        f"{less} or more memory for each worker; of the last one Ray says: {reason}"
    )


def why_ended(task: Work, seconds: float) -> str:
    """Return why a shard is given up that reached its time limit, in seconds."""
    what = "fit" if isinstance(task, Share) else "probe"
    return (
        f"{task.title} took longer than run.shard_seconds, {seconds:g} s, {FAILURES} times, and "
        "its workers were ended: allow more seconds, choose smaller shards, or look why the "
        f"{what} does not end"
    )


def why_given_up(error: str) -> str:
    """Return why the others of a name are given up, of which one task ended with this error."""
    return f"not measured, for its workers crashed repeatedly without one result between: {error}"
