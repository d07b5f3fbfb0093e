"""One pool of actors for several drivers, which run in threads and take turns.

Their tasks stand in one queue, those of the driver that began first before the others', so that one
driver's last training leaves no worker idle; what two of them want is computed once. Of the drivers
one at a time computes: the others wait for results, or for their turn. So they may use libraries
that are not made for threads, and global state, as if each were alone.
"""

import copy
import itertools
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from queue import SimpleQueue
from typing import Any, Protocol, cast

from advcore.workers.datasets import Dataset
from advcore.workers.tasks import After, TaskResult, Train, Work, no_more


class Serving(Protocol):
    """A pool that computes what it is given until it is told to end, see `RayPool.serve`."""

    def serve(
        self,
        datasets: Mapping[str, Dataset],
        more: Callable[[], Sequence[Work] | None],
        take: Callable[[TaskResult], None],
        rank: Callable[[Work], int],
    ) -> None:
        """Compute what `more` returns until that is None, of the lowest `rank` first.

        `take` is given each result.
        """


@dataclass(eq=False)
class _Client:
    """One call of a driver's `run`: its data sets, its open tasks by key, results that came.

    `prefix` stands before the names of its data sets in the pool, `name` before those of its tasks;
    `rank` is the number of drivers that began before its own.
    """

    name: str
    rank: int
    prefix: str
    datasets: Mapping[str, Dataset]
    open: dict[str, Work] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    left: bool = False
    sent: set[str] = field(default_factory=set)
    results: SimpleQueue[TaskResult | BaseException] = field(default_factory=SimpleQueue)


class SharedPool:
    """A pool for drivers that take turns: `serve` feeds it, `runner` is what each driver runs on.

    Call `serve` in the main thread. A driver computes inside `turn`, with its `runner` alone: while
    it waits for a result, it gives its turn away.
    """

    def __init__(self, pool: Serving) -> None:
        self._pool = pool
        self._turn = threading.Lock()
        self._tables = threading.Lock()
        self._numbers = itertools.count()
        self._begun = itertools.count()
        self._ranks: dict[str, int] = {}
        self._senders: dict[str, _Client] = {}
        self._given: dict[str, Work] = {}
        self._datasets: dict[str, Dataset] = {}
        self._inbox: list[Work] = []
        self._clients: dict[str, list[_Client]] = {}
        self._ended: BaseException | None = None

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for the turn and keep it for the time of the block."""
        with self._turn:
            yield

    def runner(self, name: str) -> "DriversRunner":
        """Return the runner of the driver `name`, whose tasks wait for those of earlier ones."""
        return DriversRunner(self, name, next(self._begun))

    def serve(self, done: Callable[[], bool]) -> None:
        """Compute what the drivers submit until `done` says that all have ended.

        Where the pool fails, or is interrupted, the drivers that wait for it raise that error, and
        so does this.
        """
        try:
            more = partial(self._take, done)
            self._pool.serve(self._datasets, more, self._route, self._rank)
        except BaseException as error:
            self.end(error)
            raise

    def end(self, error: BaseException) -> None:
        """Let every driver that waits for a result raise this error, now and from now on."""
        with self._tables:
            self._ended = error
            waiting = {id(own): own for clients in self._clients.values() for own in clients}
        for client in waiting.values():
            client.results.put(error)

    def run(
        self,
        driver: "DriversRunner",
        tasks: Sequence[Work],
        datasets: Mapping[str, Dataset],
        after: After,
    ) -> Generator[TaskResult]:
        """Yield the results of a driver's tasks, as a runner does."""
        client = _Client(driver.name, driver.rank, str(next(self._numbers)), datasets)
        results = self._results(client, tasks, after)
        next(results)  # what it is closed with runs only once it has begun
        return cast("Generator[TaskResult]", results)

    def _results(
        self, client: _Client, tasks: Sequence[Work], after: After
    ) -> Generator[TaskResult | None]:
        """Yield None once the first tasks are sent, then the results."""
        try:
            self._submit(client, tasks)
            yield None
            while client.open:
                result = self._next(client)
                task = client.open[result.key]
                if result.done:
                    del client.open[result.key]
                yield replace(result, name=task.name)
                if result.done:
                    self._submit(client, after(result))
        finally:
            self._leave(client)

    def _next(self, client: _Client) -> TaskResult:
        """Wait for a driver's next result; others have their turn meanwhile."""
        self._turn.release()
        try:
            result = client.results.get()
        finally:
            self._turn.acquire()
        if isinstance(result, BaseException):
            raise copy.copy(result)  # each driver's traceback goes into its own
        return result

    def _submit(self, client: _Client, tasks: Sequence[Work]) -> None:
        """Send a driver's tasks to the pool, but for those that another driver's wait for."""
        new = [task for task in tasks if task.key not in client.known]
        with self._tables:
            if self._ended is not None and new:
                client.results.put(self._ended)
            for task in new:
                if task.key in client.known:
                    continue
                client.known.add(task.key)
                client.open[task.key] = task
                self._await(client, task)

    def _await(self, client: _Client, task: Work) -> None:
        """Let a driver wait for a task, which is sent unless one of its key is on its way.

        One that is not handed out yet takes on what this one asks for beside it.
        """
        given = self._given.get(task.key)
        if given is None:
            client.sent.add(task.key)
            self._ranks[task.key] = client.rank
            self._senders[task.key] = client
            self._given[task.key] = self._sent(client, task)
            self._inbox.append(self._given[task.key])
        elif isinstance(given, Train) and _more(task, given) and given in self._inbox:
            both = replace(given, keep=_kept_by(given, task))
            self._inbox[self._inbox.index(given)] = self._given[task.key] = both
        self._clients.setdefault(task.key, []).append(client)

    def _sent(self, client: _Client, task: Work) -> Work:
        """Return a task as the pool has it: its names are those of one driver alone."""
        called: dict[str, Any] = {
            "name": f"{client.name}: {task.name}",
            "data": self._shown(client, task.data),
        }
        if isinstance(task, Train) and task.test is not None:
            called["test"] = self._shown(client, task.test)
        return replace(task, **called)

    def _shown(self, client: _Client, name: str) -> str:
        """Give a data set to the pool, and return its name there."""
        own = f"{client.prefix}/{name}"
        self._datasets[own] = client.datasets[name]
        return own

    def _rank(self, task: Work) -> int:
        return self._ranks.get(task.key, 0)

    def _take(self, done: Callable[[], bool]) -> list[Work] | None:
        """Return the tasks that came since the last call; None where all drivers have ended."""
        if done():
            return None
        with self._tables:
            tasks, self._inbox = self._inbox, []
        return tasks

    def _route(self, result: TaskResult) -> None:
        """Give a result to the drivers that wait for it.

        For those whose own task asks for more than the one that was sent, theirs is sent.
        """
        with self._tables:
            clients = self._clients.get(result.key, [])
            unserved: list[_Client] = []
            if result.done:
                given = self._given.get(result.key)
                sender = self._drop(result.key)
                if result.ok and given is not None:
                    unserved = [own for own in clients if _more(own.open[result.key], given)]
                for client in unserved:
                    self._await(client, client.open[result.key])
                self._forget(sender)
        for client in clients:
            if client not in unserved:
                client.results.put(result)

    def _leave(self, client: _Client) -> None:
        """Forget a driver's call, with its tasks that are not handed out and nobody waits for."""
        with self._tables:
            client.left = True
            for key in client.open:
                waiting = self._clients.get(key, [])
                if client in waiting:
                    waiting.remove(client)
            lonely = {task.key for task in self._inbox if not self._clients.get(task.key)}
            self._inbox = [task for task in self._inbox if task.key not in lonely]
            for left in (client, *[self._drop(key) for key in lonely]):
                self._forget(left)

    def _drop(self, key: str) -> _Client | None:
        """Forget a task that is over, or not wanted any more; return the call that sent it."""
        for table in (self._clients, self._ranks, self._given):
            table.pop(key, None)
        sender = self._senders.pop(key, None)
        if sender is not None:
            sender.sent.discard(key)
        return sender

    def _forget(self, client: _Client | None) -> None:
        """Forget the data sets of a call that is left, unless a task that it sent is open."""
        if client is None or not client.left or not client.sent.isdisjoint(self._clients):
            return
        for name in [own for own in self._datasets if own.startswith(f"{client.prefix}/")]:
            del self._datasets[name]


def _more(task: Work, sent: Work) -> bool:
    """Return whether a task asks for more than another of its key, which is computed.

    The epochs whose networks a training keeps are not in its key.
    """
    return isinstance(task, Train) and set(_kept_by(task, sent)) > set(_kept_by(sent))


def _kept_by(*tasks: Work) -> tuple[int, ...]:
    """Return the epochs that any of some trainings keeps."""
    return tuple(sorted({own for task in tasks if isinstance(task, Train) for own in task.keep}))


@dataclass(frozen=True)
class DriversRunner:
    """The runner of one driver on a pool that others share."""

    shared: SharedPool
    name: str
    rank: int

    def check(self) -> None:
        """Do nothing: whoever made the pool has checked it, and it may be starting now."""

    def run(
        self, tasks: Sequence[Work], datasets: Mapping[str, Dataset], after: After = no_more
    ) -> Generator[TaskResult]:
        """Yield the results as they come; the driver's turn goes to others while it waits."""
        return self.shared.run(self, tasks, datasets, after)
