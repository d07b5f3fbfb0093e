"""The actors of a run as the driver sees them, and which task is in flight where."""

import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from advcore.workers.pool.ray_internals import prestart_workers
from advcore.workers.tasks import Share, Train, Work


@dataclass(eq=False)
class ActorState:
    """The state of an actor.

    Its tasks in flight, in order, the first of it `since` when; not `ready` while it starts or is
    in quarantine; `started` once it was ready.

    `node` is the one that lacks a waiting process since it came, if any did wait there.
    """

    handle: Any
    health_check: Any = None
    ready: bool = False
    started: bool = False
    asked: float = 0.0
    since: float = 0.0
    held: str | None = None
    node: str = ""
    in_flight: dict[Any, Work] = field(default_factory=dict)

    @property
    def trains(self) -> bool:
        """True while a training is in flight."""
        return any(isinstance(task, Train) for task in self.in_flight.values())


class ActorTable:
    """The table of all actors, and of the object refs that they owe.

    Each actor is made by `start_actor`; each ref is found in constant time.
    """

    def __init__(self, ray: Any, start_actor: Callable[[], Any]) -> None:
        self._ray = ray
        self._start_actor = start_actor
        self._owner: dict[Any, ActorState] = {}
        self._refs: dict[str, list[Any]] = {}
        self.all: list[ActorState] = []

    @property
    def refs(self) -> list[Any]:
        """Return all pending object refs: tasks and health checks."""
        return list(self._owner)

    def owner(self, ref: Any) -> ActorState | None:
        """Return who was asked; None if that actor has left since."""
        return self._owner.get(ref)

    def join(self) -> None:
        """Start one more actor."""
        self.all.append(ActorState(self._start_actor()))

    def check_health(self, actor: ActorState, now: float) -> None:
        """Ask an actor for a sign of life; the answer comes by its object ref."""
        actor.health_check, actor.asked = actor.handle.ready.remote(), now
        self._owner[actor.health_check] = actor

    def is_ready(self, actor: ActorState, node: str) -> None:
        """Note that an actor is ready, on a `node` where a waiting process became it."""
        del self._owner[actor.health_check]
        actor.health_check, actor.ready, actor.started, actor.node = None, True, True, node

    def submit(self, actor: ActorState, task: Work, *data: Any) -> None:
        """Submit a task to an actor, with its data sets."""
        if not actor.in_flight:
            actor.since = time.monotonic()
        if isinstance(task, Train):
            ref = actor.handle.train.remote(task, *data)
            actor.held = None
        else:
            shares = isinstance(task, Share)
            ref = (actor.handle.share if shares else actor.handle.measure).remote(task, *data)
            actor.held = task.model_hash
        actor.in_flight[ref] = task
        self._owner[ref] = actor
        self._refs.setdefault(task.key, []).append(ref)

    def drop(self, actor: ActorState, ref: Any) -> Work:
        """Remove a task from those in flight at an actor, and return it; its next one begins."""
        del self._owner[ref]
        task = actor.in_flight.pop(ref)
        actor.since = time.monotonic()
        if task.key in self._refs:
            self._refs[task.key].remove(ref)
        return task

    def times(self, task: Work) -> int:
        """Return how often a task is in flight."""
        return len(self._refs.get(task.key, ()))

    def in_flight_once(self, wanted: Callable[[Work], bool]) -> list[tuple[float, Work]]:
        """Return the wanted tasks that are in flight at one actor only, the oldest first.

        Each comes with the time since when that actor measures; those that it measures come before
        those that wait there.
        """
        found = [
            (actor.since, place, task)
            for actor in self.all
            for place, task in enumerate(actor.in_flight.values())
            if wanted(task) and self.times(task) == 1
        ]
        return [(since, task) for since, _, task in sorted(found, key=lambda entry: entry[:2])]

    def forget(self, task: Work) -> None:
        """Forget a task that has its result.

        If it is still in flight, it is cancelled if it waits, and ignored if it runs.
        """
        for ref in self._refs.pop(task.key, ()):
            with suppress(self._ray.exceptions.RayError):
                self._ray.cancel(ref)

    def quarantine(self, actor: ActorState) -> list[Work]:
        """Give an actor no more tasks until it gives a sign of life.

        Return what it had in flight; the first was being measured.
        """
        tasks = [self.drop(actor, ref) for ref in list(actor.in_flight)]
        self._owner.pop(actor.health_check, None)
        again = ActorState(actor.handle, asked=time.monotonic(), started=actor.started)
        self.all[self.all.index(actor)] = again
        return tasks

    def remove(self, actor: ActorState) -> list[Work]:
        """Remove an actor and end it, whatever it does.

        Return what it had in flight; the first was being measured.
        """
        tasks = [self.drop(actor, ref) for ref in list(actor.in_flight)]
        self._owner.pop(actor.health_check, None)
        self.all.remove(actor)
        self.end(actor.handle)
        return tasks

    def end(self, handle: Any) -> None:
        """End an actor for good, whatever it does."""
        with suppress(self._ray.exceptions.RayError):
            self._ray.kill(handle, no_restart=True)

    def end_all(self, again: bool = True) -> None:
        """End all actors; where processes waited, others will, if there is to be an `again`."""
        for actor in self.all:
            self.end(actor.handle)
        used = Counter(actor.node for actor in self.all if actor.node)
        if used and again:
            prestart_workers(self._ray, used)
