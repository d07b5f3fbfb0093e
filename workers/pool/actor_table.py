"""The actors of a run as the driver sees them, and which work is in flight where."""

import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from advcore.workers.pool.ray_internals import prestart_workers
from advcore.workers.tasks import Task


@dataclass(eq=False)
class ActorState:
    """The state of an actor.

    Its tasks in flight, in order, the first of it `since` when; not `ready` while it starts or is
    in quarantine; `started` once it was ready.

    `node` is the one that lacks a waiting process since it came, if any did wait there.
    """

    actor: Any
    sign: Any = None
    ready: bool = False
    started: bool = False
    asked: float = 0.0
    since: float = 0.0
    held: str | None = None
    node: str = ""
    in_flight: dict[Any, Task] = field(default_factory=dict)


class ActorTable:
    """The table of all actors, and of the object refs that they owe.

    Each actor is made by `hire`; each ref is found in constant time.
    """

    def __init__(self, ray: Any, hire: Callable[[], Any]) -> None:
        self._ray = ray
        self._hire = hire
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
        """One more actor."""
        self.all.append(ActorState(self._hire()))

    def ask(self, member: ActorState, now: float) -> None:
        """Ask an actor for a sign of life."""
        member.sign, member.asked = member.actor.ready.remote(), now
        self._owner[member.sign] = member

    def is_ready(self, member: ActorState, node: str) -> None:
        """It has given the sign, and said where a process waits no more."""
        del self._owner[member.sign]
        member.sign, member.ready, member.started, member.node = None, True, True, node

    def give(self, member: ActorState, work: Task, data: Any) -> None:
        """Ask an actor to measure a work."""
        if not member.in_flight:
            member.since = time.monotonic()
        ref = member.actor.measure.remote(work, data)
        member.held = work.model_hash
        member.in_flight[ref] = work
        self._owner[ref] = member
        self._refs.setdefault(work.key, []).append(ref)

    def drop(self, member: ActorState, ref: Any) -> Task:
        """A work is no longer in flight there; the next one begins."""
        del self._owner[ref]
        work = member.in_flight.pop(ref)
        member.since = time.monotonic()
        if work.key in self._refs:
            self._refs[work.key].remove(ref)
        return work

    def times(self, work: Task) -> int:
        """Return how often a task is in flight."""
        return len(self._refs.get(work.key, ()))

    def in_flight_once(self, wanted: Callable[[Task], bool]) -> list[tuple[float, Task]]:
        """Return the wanted tasks that are in flight at one actor only, the oldest first.

        Each comes with the time since when that actor measures; those that it measures come before
        those that wait there.
        """
        found = [
            (member.since, place, work)
            for member in self.all
            for place, work in enumerate(member.in_flight.values())
            if wanted(work) and self.times(work) == 1
        ]
        return [(since, work) for since, _, work in sorted(found, key=lambda entry: entry[:2])]

    def forget(self, work: Task) -> None:
        """Forget a task that has its result.

        If it is still in flight, it is cancelled if it waits, and ignored if it runs.
        """
        for ref in self._refs.pop(work.key, ()):
            with suppress(self._ray.exceptions.RayError):
                self._ray.cancel(ref)

    def quarantine(self, member: ActorState) -> list[Task]:
        """Give an actor no more work until it gives a sign of life.

        Gives what it had in flight; the first was being measured.
        """
        works = [self.drop(member, ref) for ref in list(member.in_flight)]
        self._owner.pop(member.sign, None)
        again = ActorState(member.actor, asked=time.monotonic(), started=member.started)
        self.all[self.all.index(member)] = again
        return works

    def leave(self, member: ActorState) -> list[Task]:
        """An actor leaves, and is ended whatever it does.

        Gives what it had in flight; the first was being measured.
        """
        works = [self.drop(member, ref) for ref in list(member.in_flight)]
        self._owner.pop(member.sign, None)
        self.all.remove(member)
        self.end(member.actor)
        return works

    def end(self, actor: Any) -> None:
        """End an actor for good, whatever it does."""
        with suppress(self._ray.exceptions.RayError):
            self._ray.kill(actor, no_restart=True)

    def dismiss(self, again: bool = True) -> None:
        """End all actors; where processes waited, others will, if there is to be an `again`."""
        for member in self.all:
            self.end(member.actor)
        used = Counter(member.node for member in self.all if member.node)
        if used and again:
            prestart_workers(self._ray, used)
