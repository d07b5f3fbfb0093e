"""The queue of tasks, and how often each was tried, failed, or lost its worker.

It knows nothing of Ray.
"""

from collections import Counter, deque
from collections.abc import Iterable

from advcore.workers.tasks import Task

FAILURES = 2
"""Number of times that the code of a task may fail, or take longer than its time limit, before the
task is given up."""
LOSSES = 4
"""Number of times that the worker of a task may go away while it runs (a machine lost, memory run
out) before the task is given up."""


class TaskQueue:
    """Tasks in the order given, by model.

    A worker goes on with the model that it holds while there is work for it.
    """

    def __init__(self, works: Iterable[Task]) -> None:
        self._queues: dict[str, deque[Task]] = {}
        self._open: set[str] = set()
        self._tries: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._losses: Counter[str] = Counter()
        for work in works:
            self._queues.setdefault(work.model_hash, deque()).append(work)
            self._open.add(work.key)

    def __len__(self) -> int:
        """The works that wait."""
        return sum(map(len, self._queues.values()))

    @property
    def open(self) -> int:
        """The works that have no outcome yet, waiting or handed out."""
        return len(self._open)

    def is_open(self, work: Task) -> bool:
        """Return whether a task has no result yet."""
        return work.key in self._open

    def take(self, held: str | None) -> Task | None:
        """Return the next task of the model `held`, else of the model with the most tasks left.

        None when nothing is left.
        """
        queue = self._queues.get(held or "") or max(self._queues.values(), key=len, default=None)
        return queue.popleft() if queue else None

    def tried(self, work: Task) -> None:
        """Note that a work is handed to a worker."""
        self._tries[work.key] += 1

    def finish(self, work: Task) -> int:
        """Note the result of a task; return how often it was tried.

        0 if it has its result already, from elsewhere.
        """
        if work.key not in self._open:
            return 0
        self._open.remove(work.key)
        return self._tries.pop(work.key, 0) or 1

    def put_back(self, works: Iterable[Task]) -> None:
        """Works that were handed out and not measured go to the front, in their order."""
        for work in reversed(list(works)):
            self._queues[work.model_hash].appendleft(work)

    def drain(self, name: str) -> list[Task]:
        """Take all works of this name that wait."""
        taken = [work for queue in self._queues.values() for work in queue if work.name == name]
        for queue in self._queues.values():
            kept = [work for work in queue if work.name != name]
            queue.clear()
            queue.extend(kept)
        return taken

    def put_last(self, work: Task) -> None:
        """A work whose code failed is tried again after the others of its model."""
        self._queues[work.model_hash].append(work)

    def failed(self, work: Task) -> bool:
        """Note that the code of a task failed.

        Return True if it may be tried again, False if it is given up.
        """
        self._failures[work.key] += 1
        return self._failures[work.key] < FAILURES

    def lost(self, work: Task) -> bool:
        """Note that the worker of a task went away while it ran.

        Return True if it may be tried again, False if it is given up.
        """
        self._losses[work.key] += 1
        return self._losses[work.key] < LOSSES

    def losses(self, work: Task) -> int:
        """Return how often the worker of a task went away while it ran."""
        return self._losses[work.key]
