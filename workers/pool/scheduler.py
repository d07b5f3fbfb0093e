"""The choice which actor gets which task."""

from collections.abc import Mapping
from typing import Any

from advcore.workers.datasets import Dataset
from advcore.workers.pool.actor_table import ActorState, ActorTable
from advcore.workers.pool.task_queue import Pace, TaskQueue
from advcore.workers.tasks import Train, Work

DEPTH = 2
"""Shards in flight for each actor: one that it measures and one that waits, so that it never does.
Behind a training none waits."""


class Shipped:
    """Data sets in Ray's object store, each put there once, when a task first needs it."""

    def __init__(self, ray: Any, datasets: Mapping[str, Dataset]) -> None:
        self._ray = ray
        self._datasets = datasets
        self._refs: dict[str, Any] = {}

    def refs(self, task: Work) -> list[Any]:
        """Return the object refs of a task's data sets; None stands for one that it lacks."""
        names = (task.data, task.test) if isinstance(task, Train) else (task.data,)
        return [None if name is None else self._ref(name) for name in names]

    def forget(self) -> None:
        """Let go of the data sets that are no longer among those of the run."""
        for name in self._refs.keys() - self._datasets.keys():
            del self._refs[name]

    def _ref(self, name: str) -> Any:
        if name not in self._refs:
            self._refs[name] = self._ray.put(self._datasets[name])
        return self._refs[name]


class Scheduler:
    """Submits the tasks of a queue to the actors of a table, with the data sets that they name.

    `pace` is told of each finished task.
    """

    def __init__(self, actors: ActorTable, queue: TaskQueue, shipped: Shipped) -> None:
        self._actors = actors
        self._queue = queue
        self._shipped = shipped
        self.pace = Pace()

    def forget_data(self) -> None:
        """Let go of the data sets that are no longer among those of the run."""
        self._shipped.forget()

    def submit_waiting(self) -> None:
        """Give each ready actor a task, then a second one if both are shards, a fit's or a probe's.

        Nobody gets a second one while an actor without a task could take it, nor, but for a share
        of a fit, while a training waits, which takes the first actor that is free.
        """
        if not len(self._queue):
            return
        for actor in self._actors.all:
            if actor.ready and not actor.in_flight:
                self._submit(actor, self._queue.take(actor.held))
        idle = sum(not actor.in_flight for actor in self._actors.all)
        for actor in self._actors.all:
            while (
                actor.ready
                and 0 < len(actor.in_flight) < DEPTH
                and not actor.trains
                and len(self._queue) > idle
                and (second := self._queue.take_second(actor.held)) is not None
            ):
                self._submit(actor, second)

    def _submit(self, actor: ActorState, task: Work | None) -> None:
        if task is not None:
            self._actors.submit(actor, task, *self._shipped.refs(task))
            self._queue.tried(task)

    def repeat_late(self, now: float) -> int:
        """Let idle actors do late shards once more when nothing waits, the oldest first.

        No training is done twice at once: it has no pace to be late by. The first result counts.
        Return how many were given to one more actor.
        """
        idle = [actor for actor in self._actors.all if actor.ready and not actor.in_flight]
        if len(self._queue) or not idle:
            return 0
        open_ones = self._actors.in_flight_once(self._queue.is_open)
        late = [
            task
            for since, task in open_ones
            if not isinstance(task, Train) and self.pace.is_late(task.name, now - since)
        ]
        pairs = list(zip(idle, late, strict=False))
        for actor, task in pairs:
            self._submit(actor, task)
        return len(pairs)

    def survives_elsewhere(self, task: Work, since: float) -> bool:
        """Return True if an actor measures a task of this name, and began before time `since`.

        Then it has lasted longer than the actor that was lost: such tasks need not kill.
        """
        others = [
            next(iter(actor.in_flight.values()))
            for actor in self._actors.all
            if actor.in_flight and actor.since < since
        ]
        return any(other.name == task.name for other in others)
