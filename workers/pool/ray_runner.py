"""The runner on Ray: a pool of plain actors that hold models, for the time of one run."""

import math
import os
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, cast

from advcore.workers.datasets import Dataset
from advcore.workers.errors import InputError, UnavailableError
from advcore.workers.pool.actor_pool import ActorPool
from advcore.workers.pool.pool_settings import PoolSettings
from advcore.workers.pool.preconditions import check_address, check_gpus
from advcore.workers.pool.ray_actor import actor_factory
from advcore.workers.pool.ray_head import head_answers
from advcore.workers.pool.ray_session import ray_session, running
from advcore.workers.pool.task_queue import Rank, one_rank
from advcore.workers.slices import saved_epochs
from advcore.workers.stores.store import open_store, resolved
from advcore.workers.tasks import After, TaskResult, Train, Work, no_more

SPARE = 32
"""Largest number of actors that wait for machines that are yet to come, with workers "auto"."""


SERVED_BYTES = 2**28
"""Room for the data sets of several drivers, in bytes; Ray writes to the disk what exceeds it."""


@dataclass(frozen=True)
class RayPool:
    """Measures shards and trains networks on `workers` Ray actors.

    Each has `threads` CPUs and `gpus_per_worker` (0 to 1) of a GPU.

    With `workers` "auto" there are as many as the cluster holds, and as many again (32 at most)
    wait for room: they are the demand that makes a cluster grow which can, and machines that join
    are used at once. `shard_seconds` is the longest that a shard may take, building the model
    included; then its worker is ended, and the shard tried once more. A training has no such limit.

    Without `address` (nor RAY_ADDRESS) a local Ray is started, which takes some seconds, and
    stopped again; "auto" and "HOST:PORT" connect to the one that this machine belongs to. A Ray
    that this process has started before is used and left running.
    """

    store: str
    workers: int | Literal["auto"]
    threads: int = 1
    gpus_per_worker: float = 0
    address: str | None = None
    verbose: bool = False
    shard_seconds: float | None = None

    def check(self) -> None:
        """Raise InputError if the bounds, the address or this machine's GPUs cannot work.

        Ray is not imported for it.
        """
        if self._least() < 1 or self.threads < 1 or not 0 <= self.gpus_per_worker <= 1:
            raise InputError(
                "a Ray pool needs workers >= 1 or auto, threads >= 1 and gpus_per_worker in [0, "
                f"1]; got {self.workers}, {self.threads} and {self.gpus_per_worker:g}"
            )
        if self.shard_seconds is not None and not self.shard_seconds > 0:
            raise InputError(
                "shard_seconds must be a number of seconds above 0, or none for no limit; got "
                f"{self.shard_seconds:g}"
            )
        address = self._address()
        if address is not None:
            check_address(address)  # Ray itself would try for long
        elif not running():
            check_gpus(self._least(), self.gpus_per_worker)

    def _least(self) -> int:
        return 1 if self.workers == "auto" else self.workers

    def _address(self) -> str | None:
        return self.address or os.environ.get("RAY_ADDRESS") or None

    def run(
        self, tasks: Sequence[Work], datasets: Mapping[str, Dataset], after: After = no_more
    ) -> Generator[TaskResult]:
        """One result for each key, as they end, and of a training one for each slice.

        Closing it stops the actors; finished shards stay in the store.

        Actors that were ready at once are at work when this returns. A task whose code fails is
        tried twice; one whose worker goes away, four times. Raises InputError where the settings,
        the address or the store cannot work, or where no worker can start.
        """
        results = self._started(tasks, datasets, after)
        next(results)
        return cast("Generator[TaskResult]", results)

    def _started(
        self, tasks: Sequence[Work], datasets: Mapping[str, Dataset], after: After
    ) -> Generator[TaskResult | None]:
        """Yield None once the first tasks are handed out, then the results."""
        open_store(self.store)
        if not tasks:
            yield None
            return
        data_bytes = sum(dataset.nbytes for dataset in datasets.values())
        with self.session(data_bytes, all_tasks=False) as ray:
            actor_pool = self.actor_pool(ray, tasks, datasets, after)
            try:
                actor_pool.submit_first()
                yield None
                yield from actor_pool.results()
            finally:
                actor_pool.end_all()

    def serve(
        self,
        datasets: Mapping[str, Dataset],
        more: Callable[[], Sequence[Work] | None],
        take: Callable[[TaskResult], None],
        rank: Rank = one_rank,
    ) -> None:
        """Compute what `more` returns, at each turn of the pool, until it returns None.

        `take` is given each result; tasks wait for all of a lower `rank`; `datasets` grows and
        shrinks with the tasks. Actors stay from the first task to the end. Raises as `run` does.
        """
        open_store(self.store)
        with self.session(SERVED_BYTES, all_tasks=False) as ray:
            actor_pool = self.actor_pool(ray, [], datasets, rank=rank)
            try:
                while (tasks := more()) is not None:
                    for result in actor_pool.turn(tasks):
                        take(result)
                actor_pool.tell_counts()
            finally:
                actor_pool.end_all()

    def session(self, data_bytes: int = 0, all_tasks: bool = True) -> AbstractContextManager[Any]:
        """Start or connect to Ray for the time of the block.

        Several runs inside one block share it.

        With `all_tasks` whatever runs on it imports what this process does; the actors of `run` see
        to that themselves.
        """
        self.check()
        cpus = max(self._least() * self.threads, os.cpu_count() or 1)
        return ray_session(self._address(), cpus, data_bytes, self.verbose, all_tasks)

    def actor_pool(
        self,
        ray: Any,
        tasks: Sequence[Work],
        datasets: Mapping[str, Dataset],
        after: After = no_more,
        rank: Rank = one_rank,
    ) -> ActorPool:
        """Build the actor pool for these tasks, and those that they release."""
        store = resolved(self.store)
        settings = PoolSettings(
            start_actor=actor_factory(ray, store, self.threads, self.gpus_per_worker),
            wanted=lambda: self._wanted(ray),
            shard_seconds=self.shard_seconds,
            asked=f"{self.workers} x ({self.threads} CPUs, {self.gpus_per_worker:g} GPUs)",
            elastic=self.workers == "auto",
            answers=lambda: head_answers(ray),
            saved_epochs=lambda task: _saved_epochs(store, task),
        )
        return ActorPool(ray, settings, tasks, datasets, after, rank)

    def _wanted(self, ray: Any) -> int:
        if self.workers != "auto":
            return self.workers
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        room = sum(self.room(machine.get("CPU", 0), machine.get("GPU", 0)) for machine in machines)
        return room + min(max(room, 1), SPARE)

    def room(self, cpus: float, gpus: float) -> int:
        """Return how many workers a machine holds."""
        fit = cpus // self.threads
        if self.gpus_per_worker:
            fit = min(fit, gpus * math.floor(1 / self.gpus_per_worker + 1e-9))
        return int(fit)


def _saved_epochs(store: str, task: Train) -> int:
    """Return the number of a training's epochs in the store; 0 where that does not answer now."""
    try:
        return saved_epochs(open_store(store, write=False), task.key)
    except UnavailableError:
        return 0
