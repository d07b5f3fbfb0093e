"""The queue of tasks, and how often each was tried, failed, or lost its worker.

It knows nothing of Ray.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar

from advcore.workers.tasks import Share, Task, Train, Work

FAILURES = 2
"""Number of times that the code of a task may fail, or take longer than its time limit, before the
task is given up."""
LOSSES = 4
"""Number of times that the worker of a task may go away while it runs (a machine lost, memory run
out) before the task is given up."""
LATE = 2.0
"""Factor of the slowest finished task of its name (and a second at least) above which a task is
late."""


Shardlike = TypeVar("Shardlike", Task, Share)


class ByModel(Generic[Shardlike]):
    """Shards of one kind that wait, in the order given, by model."""

    def __init__(self) -> None:
        self._queues: defaultdict[str, deque[Shardlike]] = defaultdict(deque)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def append(self, task: Shardlike) -> None:
        """Queue a shard after the others of its model."""
        self._queues[task.model_hash].append(task)
        self._count += 1

    def appendleft(self, task: Shardlike) -> None:
        """Queue a shard before the others of its model."""
        self._queues[task.model_hash].appendleft(task)
        self._count += 1

    def take(self, held: str | None) -> Shardlike | None:
        """Return the next shard of the model `held`, else of the model with the most shards left.

        None when nothing is left.
        """
        if not self._count:
            return None
        model = held or ""
        if model not in self._queues:
            model = max(self._queues, key=lambda one: len(self._queues[one]))
        task = self._queues[model].popleft()
        self._count -= 1
        if not self._queues[model]:
            del self._queues[model]
        return task

    def drain(self) -> list[Shardlike]:
        """Take all."""
        tasks = [task for queue in self._queues.values() for task in queue]
        self._queues.clear()
        self._count = 0
        return tasks


class Lines:
    """Shares of fits, for which whole rounds wait; trainings, which take longest; then shards."""

    def __init__(self) -> None:
        self.shares = ByModel[Share]()
        self.trainings: deque[Train] = deque()
        self.shards = ByModel[Task]()

    def __len__(self) -> int:
        return len(self.shares) + len(self.trainings) + len(self.shards)

    def of(self, task: Work) -> Any:
        """Return the line that a task stands in."""
        if isinstance(task, Train):
            return self.trainings
        return self.shares if isinstance(task, Share) else self.shards

    def take(self, held: str | None) -> Work | None:
        """Return the next share, else the next training, else the next shard; None for nothing."""
        share = self.shares.take(held)
        if share is not None or not self.trainings:
            return share or self.shards.take(held)
        return self.trainings.popleft()

    def take_second(self, held: str | None) -> Work | None:
        """Return the next share, else the next shard unless a training waits; None for nothing."""
        share = self.shares.take(held)
        return share if share is not None or self.trainings else self.shards.take(held)

    def drain(self) -> list[Work]:
        """Take all."""
        waiting: list[Work] = [*self.shares.drain(), *self.trainings, *self.shards.drain()]
        self.trainings.clear()
        return waiting


Rank = Callable[[Work], int]
"""Function that returns the rank of a task: those of a higher one wait for all of a lower one."""


def one_rank(task: Work) -> int:
    """Return the same rank for every task."""
    return 0


class TaskQueue:
    """The tasks that wait, in lines for each rank, of which the lowest one is served first.

    A worker goes on with the model that it holds while there is a share or a shard for it.
    """

    def __init__(self, tasks: Iterable[Work], rank: Rank = one_rank) -> None:
        self._rank = rank
        self._lines: dict[int, Lines] = {}
        self._epochs: dict[str, int] = {}
        self._known: set[str] = set()
        self._open: set[str] = set()
        self._tries: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._losses: Counter[str] = Counter()
        self.add(tasks)

    def add(self, tasks: Iterable[Work]) -> None:
        """Queue tasks after the others of their models, those of a known key left out."""
        for task in tasks:
            if task.key not in self._known:
                self._known.add(task.key)
                self._open.add(task.key)
                self.put_last(task)

    def add_again(self, tasks: Sequence[Work]) -> None:
        """Queue tasks as `add` does, also those of a key that had its result before."""
        again = {task.key for task in tasks} - self._open
        self._known -= again
        for counts in (self._tries, self._failures, self._losses):
            for key in again:
                counts.pop(key, None)
        self.add(tasks)

    def __len__(self) -> int:
        """Return the number of tasks that wait."""
        return sum(map(len, self._lines.values()))

    @property
    def open(self) -> int:
        """Return the number of tasks without a result, waiting or handed out."""
        return len(self._open)

    def is_open(self, task: Work) -> bool:
        """Return whether a task has no result yet."""
        return task.key in self._open

    def take(self, held: str | None) -> Work | None:
        """Return the next task of the lowest rank, see `Lines`; None for nothing."""
        return self._lowest().take(held)

    def take_second(self, held: str | None) -> Work | None:
        """Return the next task of the lowest rank that may wait behind another; None for none."""
        return self._lowest().take_second(held)

    def _lowest(self) -> Lines:
        """Return the lines of the lowest rank with tasks; empty ones leave."""
        for rank in sorted(self._lines):
            if len(self._lines[rank]):
                return self._lines[rank]
            del self._lines[rank]
        return Lines()

    def tried(self, task: Work) -> None:
        """Note that a task is handed to a worker."""
        self._tries[task.key] += 1

    def finish(self, task: Work) -> int:
        """Note the result of a task; return how often it was tried.

        0 if it has its result already, from elsewhere.
        """
        if task.key not in self._open:
            return 0
        self._open.remove(task.key)
        return self._tries.pop(task.key, 0) or 1

    def put_back(self, tasks: Iterable[Work]) -> None:
        """Requeue tasks that are not finished at the front, in their order."""
        for task in reversed(list(tasks)):
            self._line(task).appendleft(task)

    def drain(self, name: str) -> list[Work]:
        """Take all tasks of this name that wait."""
        waiting = [task for lines in self._lines.values() for task in lines.drain()]
        for task in waiting:
            if task.name != name:
                self.put_last(task)
        return [task for task in waiting if task.name == name]

    def put_last(self, task: Work) -> None:
        """Queue a task after the others of its kind, or those of its model."""
        self._line(task).append(task)

    def _line(self, task: Work) -> Any:
        return self._lines.setdefault(self._rank(task), Lines()).of(task)

    def came_to(self, task: Train, epoch: int) -> bool:
        """Note the number of epochs of a training; return whether it is further than before.

        Its failures and losses until then are forgotten.
        """
        if epoch <= self._epochs.get(task.key, 0):
            return False
        self._epochs[task.key] = epoch
        self._failures.pop(task.key, None)
        self._losses.pop(task.key, None)
        return True

    def failed(self, task: Work) -> bool:
        """Note that the code of a task failed.

        Return True if it may be tried again, False if it is given up.
        """
        self._failures[task.key] += 1
        return self._failures[task.key] < FAILURES

    def lost(self, task: Work) -> bool:
        """Note that the worker of a task went away while it ran.

        Return True if it may be tried again, False if it is given up.
        """
        self._losses[task.key] += 1
        return self._losses[task.key] < LOSSES

    def losses(self, task: Work) -> int:
        """Return how often the worker of a task went away while it ran."""
        return self._losses[task.key]


class Pace:
    """The slowest finished shard of each name."""

    def __init__(self) -> None:
        self._slowest: dict[str, float] = {}

    def took(self, name: str, seconds: float) -> None:
        """Note a finished task."""
        self._slowest[name] = max(seconds, self._slowest.get(name, 0))

    def is_late(self, name: str, seconds: float) -> bool:
        """Return whether a shard of this name that is in flight for so long is late.

        For an unknown name the slowest of all names decides.
        """
        known = self._slowest.get(name) or max(self._slowest.values(), default=float("inf"))
        return seconds > max(1.0, LATE * known)
