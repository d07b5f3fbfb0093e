"""The runner without a cluster: one worker, in this process."""

from collections import deque
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass

import torch

from advcore.workers.actor import Worker
from advcore.workers.datasets import Dataset
from advcore.workers.devices import resolve_device
from advcore.workers.errors import InputError
from advcore.workers.stores.store import open_store
from advcore.workers.tasks import After, Share, TaskResult, Train, Work, no_more


@dataclass(frozen=True)
class Inline:
    """Measures, trains and computes shares of fits in this process, one task after the other.

    `store` is a location for `open_store`; `threads` torch's CPU threads while it runs, none leaves
    them; `device` as in `Worker`.
    """

    store: str
    threads: int | None = None
    device: str = "auto"

    def check(self) -> None:
        """Raise InputError where the device is not there or `threads` is no number of threads."""
        resolve_device(self.device)
        if self.threads is not None and self.threads < 1:
            raise InputError(
                f"threads must be at least 1, or none for torch's own choice; got {self.threads}"
            )

    def run(
        self, tasks: Sequence[Work], datasets: Mapping[str, Dataset], after: After = no_more
    ) -> Generator[TaskResult]:
        """One result for each key, in the order in which tasks are given and released.

        Each epoch of a training but the last gives one more.

        Shards that are done stay done when the iterator is left early.
        """
        self.check()
        open_store(self.store)
        before = torch.get_num_threads()
        try:
            worker = Worker(self.store, self.threads, self.device)
            waiting, known = deque(tasks), set[str]()
            while waiting:
                task = waiting.popleft()
                if task.key not in known:
                    known.add(task.key)
                    result = yield from _until_done(worker, task, datasets)
                    waiting.extend(after(result))
        finally:
            torch.set_num_threads(before)


def _until_done(
    worker: Worker, task: Work, datasets: Mapping[str, Dataset]
) -> Generator[TaskResult, None, TaskResult]:
    """Yield the result of a task, of a training that of each epoch; return the last one."""
    if isinstance(task, Train):
        test = None if task.test is None else datasets[task.test]
        for result in worker.train_whole(task, datasets[task.data], test):
            yield result
    elif isinstance(task, Share):
        yield (result := worker.share(task, datasets[task.data]))
    else:
        yield (result := worker.measure(task, datasets[task.data]))
    return result
