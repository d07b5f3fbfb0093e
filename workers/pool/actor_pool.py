"""The actors of one run, and the loop that feeds them.

The loop waits, collects, and replaces actors that go away.

The driver keeps the queue. Ray restarts no actor and retries nothing: in the place of one that dies
another is hired, with growing pauses and limits (`advcore.workers.pool.failures`), and its work
returns to the front of the queue and is measured elsewhere, which is harmless, for rows are named
by content and written whole. So is a work that is measured twice at once: the first outcome counts.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from advcore.workers.errors import InputError, RunInterruptedError
from advcore.workers.pool.actor_table import ActorState, ActorTable
from advcore.workers.pool.failures import Setbacks, reason_of
from advcore.workers.pool.pace import Pace
from advcore.workers.pool.task_queue import FAILURES, TaskQueue
from advcore.workers.redaction import shortened, without_secrets
from advcore.workers.tasks import Task, TaskResult, told_indices

DEPTH = 2
"""Works in flight for each actor: one that it measures and one that waits, so that it never
does."""
TURN_SECONDS = 0.5
"""Seconds between two looks at who starts, hangs, is late, or could join."""
FIRST_ACTORS_SECONDS = 0.5
"""Seconds that the beginning waits for members to be ready: a process that waits becomes one in a
tenth of them."""
HEAD_TIMEOUT_SECONDS = 30.0
"""Seconds for which Ray's head may not answer: Ray itself ends the process after 60."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PoolSettings:
    """Settings of an actor pool.

    `hire` makes an actor; `wanted` says how many there should be, which changes with the cluster if
    `elastic`; the seconds that a task may take; for messages, what was asked for; whether Ray's
    head `answers`.
    """

    hire: Callable[[], Any]
    wanted: Callable[[], int]
    shard_seconds: float | None
    asked: str
    elastic: bool = False
    answers: Callable[[], bool] = lambda: True


class ActorPool:
    """The books of a run, what is done with each answer, and how often it went wrong (`counts`)."""

    def __init__(
        self, ray: Any, orders: PoolSettings, works: Sequence[Task], data: Any, indices: np.ndarray
    ) -> None:
        self._ray = ray
        self._orders = orders
        self._backlog = TaskQueue(works)
        self._data = data
        self._indices = indices
        self._pace = Pace()
        self._next_turn = 0.0
        self._idle_since = time.monotonic()
        self._silent_since: float | None = None
        self._early: list[TaskResult] = []
        self._setbacks = Setbacks()
        self.members = ActorTable(ray, orders.hire)
        self.counts: Counter[str] = Counter()
        self._resize()

    def begin(self) -> None:
        """Hand out the first works, to those that are ready within a moment."""
        end = time.monotonic() + FIRST_ACTORS_SECONDS
        while (
            self._backlog.open
            and time.monotonic() < end
            and not all(member.in_flight for member in self.members.all)
        ):
            self._early += self._serve()
            self._feed()

    def outcomes(self) -> Iterator[TaskResult]:
        """Feed, wait, collect, until every work has its outcome."""
        yield from self._early
        while self._backlog.open:
            yield from self._serve()
        if self.counts:
            _log.warning(
                "on the way: %s",
                ", ".join(f"{count} {what}" for what, count in self.counts.items()),
            )

    def _serve(self) -> Iterator[TaskResult]:
        """Run one turn: resize, replace hung actors, hand out tasks, collect results."""
        now = time.monotonic()
        if now >= self._next_turn:
            self._next_turn = now + TURN_SECONDS
            if self._head_answers(
                now
            ):  # without it, what is asked of the cluster would never come back
                self._resize()
                self._ask(now)
            if self._orders.shard_seconds is not None:
                yield from self._stop_hanging(now, self._orders.shard_seconds)
            self._help_late(now)
        self._feed()
        for ref in self._wait():
            outcome = self._collect(ref)
            if outcome is not None:
                yield outcome
                yield from self._give_up(outcome)

    def dismiss(self) -> None:
        """End the actors, whatever they do."""
        self.members.dismiss(again=self._silent_since is None)

    def _head_answers(self, now: float) -> bool:
        """Raise RunInterruptedError if Ray's head is gone.

        Ray would end this process after a minute, and MLflow would never hear of it.
        """
        if self._orders.answers():
            self._silent_since = None
            return True
        if self._silent_since is None:
            self._silent_since = now
        if now - self._silent_since > HEAD_TIMEOUT_SECONDS:
            raise RunInterruptedError(
                f"Ray's head does not answer any more, since {now - self._silent_since:.0f} s"
            )
        return False

    def _resize(self) -> None:
        """Grow or shrink the pool to as many actors as are wanted.

        Where that changes with the cluster, those who wait for room in vain leave.
        """
        wanted = min(self._orders.wanted(), self._backlog.open)
        if self._setbacks.may_hire(time.monotonic()):
            for _ in range(wanted - len(self.members.all)):
                self.members.join()
        if self._orders.elastic:
            waiting = [member for member in self.members.all if not member.ready]
            for member in waiting[::-1][: max(0, len(self.members.all) - max(wanted, 1))]:
                self.members.leave(member)

    def _ask(self, now: float) -> None:
        """Ask actors that start or that went away for a sign of life, every second."""
        for member in self.members.all:
            if not member.ready and member.sign is None and now - member.asked > 1:
                self.members.ask(member, now)
        if any(member.ready for member in self.members.all):
            self._idle_since = now
        elif now - self._idle_since > 60:
            self._idle_since = now
            has = self._ray.cluster_resources()
            lost = (
                f"; the last one went away: {self._setbacks.reason}"
                if self._setbacks.reason
                else ""
            )
            _log.warning(
                "no Ray worker is ready since a minute: asked for %s, Ray has %s%s",
                self._orders.asked,
                has,
                lost,
            )

    def _feed(self) -> None:
        """Give each ready actor a task, then a second one.

        Nobody gets a second one while an actor without a task could take it.
        """
        if not len(self._backlog):
            return
        for member in self.members.all:
            if member.ready and not member.in_flight:
                self._give(member, self._backlog.take(member.held))
        idle = sum(not member.in_flight for member in self.members.all)
        for member in self.members.all:
            while member.ready and 0 < len(member.in_flight) < DEPTH and len(self._backlog) > idle:
                self._give(member, self._backlog.take(member.held))

    def _give(self, member: ActorState, work: Task | None) -> None:
        if work is not None:
            self.members.give(member, work, self._data)
            self._backlog.tried(work)

    def _wait(self) -> list[Any]:
        """All that has come, within a turn."""
        refs = self.members.refs
        if not refs:
            time.sleep(TURN_SECONDS / 2)
            return []
        some, rest = self._ray.wait(refs, num_returns=1, timeout=TURN_SECONDS)
        return (
            some + self._ray.wait(rest, num_returns=len(rest), timeout=0)[0]
            if some and rest
            else some
        )

    def _collect(self, ref: Any) -> TaskResult | None:
        errors, members = self._ray.exceptions, self.members
        member = members.owner(ref)
        if member is None:  # its actor left while this turn's other results were collected
            return None
        try:
            result = self._ray.get(ref)
        except errors.TaskCancelledError:  # a second try that came too late and had not begun
            members.drop(member, ref)
            return None
        except errors.RayTaskError as error:
            # the code outside the worker's own care: a probe that cannot be imported, say
            work = members.drop(member, ref)
            return self._judge(work, self._failure(work, without_secrets(shortened(str(error)))))
        except (errors.RuntimeEnvSetupError, errors.ActorUnschedulableError) as error:
            raise InputError(f"no Ray worker can start: {reason_of(error)}") from error
        except errors.ActorDiedError as error:
            if member.started:
                return self._lose(member, error)
            self._miss(member, error)
            return None
        except errors.RayError as error:  # it is unavailable: Ray finds out whether it is dead
            return self._lose(member, error, stays=True)
        if ref == member.sign:
            members.is_ready(member, result)
            self._setbacks.ready()
            return None
        work = members.drop(member, ref)
        self._setbacks.measured(work.name)
        if result.ok:
            self._pace.took(work.name, result.seconds)
        return self._judge(work, result)

    def _judge(self, work: Task, outcome: TaskResult) -> TaskResult | None:
        """The outcome of a work, unless it has one, or is to be tried again."""
        if not self._backlog.is_open(work):
            return None
        if not outcome.ok:
            self.counts["failures"] += 1
            if not outcome.away and self._backlog.failed(work):
                _log.info(
                    "%s %s failed and is tried once more: %s", work.name, work.shard, outcome.error
                )
                if not self.members.times(work):
                    self._backlog.put_last(work)
                return None
        self.members.forget(work)
        return replace(outcome, tries=self._backlog.finish(work))

    def _failure(self, work: Task, error: str) -> TaskResult:
        samples = told_indices(self._indices[work.shard.start : work.shard.stop])
        return TaskResult(work.key, work.name, False, 0, 0.0, error, "", samples=samples)

    def _return(self, works: list[Task]) -> None:
        """Requeue tasks at the front, unless they run elsewhere or are done."""
        self._backlog.put_back(
            work for work in works if self._backlog.is_open(work) and not self.members.times(work)
        )

    def _lose(
        self, member: ActorState, error: BaseException, stays: bool = False
    ) -> TaskResult | None:
        """Handle an actor that went away after it had started.

        If it `stays` and does not answer, which may pass, it gets no work until it gives a sign of
        life. Only the first of its tasks was being measured, and only that one counts the loss.
        """
        now, since = time.monotonic(), member.since
        works = self.members.quarantine(member) if stays else self.members.leave(member)
        if member.ready:
            self.counts["workers lost"] += 1
        first = works[0] if works and self._backlog.is_open(works[0]) else None
        if first is not None and not self._survives_elsewhere(first, since):
            self._setbacks.lost(first.name, error, now)
        self._next_turn = 0.0  # another is hired at once, where it may be
        if first is None or (self._backlog.lost(first) and not self._setbacks.hopeless(first.name)):
            self._return(works)
            return None
        self._return(works[1:])
        tries = self._backlog.losses(first)
        lost = (
            f"the worker of {first.name} {first.shard} went away {tries} times (killed, or out "
            "of memory): choose smaller shards"
        )
        outcome = self._failure(
            first,
            f"{lost} or more memory for each worker; of the last one Ray says: {reason_of(error)}",
        )
        self.members.forget(first)
        return replace(outcome, tries=self._backlog.finish(first))

    def _survives_elsewhere(self, work: Task, since: float) -> bool:
        """Return whether another actor has measured a task of this name for longer.

        Longer than the lost one did: such tasks need not kill.
        """
        others = [
            next(iter(member.in_flight.values()))
            for member in self.members.all
            if member.in_flight and member.since < since
        ]
        return any(other.name == work.name for other in others)

    def _give_up(self, outcome: TaskResult) -> Iterator[TaskResult]:
        """Give up the waiting tasks of this name if such tasks kill whoever measures them."""
        if self._setbacks.hopeless(outcome.name):
            for work in self._backlog.drain(outcome.name):
                if self._backlog.is_open(work):
                    error = (
                        "not measured, for its workers went away again and again without one "
                        f"result between: {outcome.error}"
                    )
                    yield replace(self._failure(work, error), tries=self._backlog.finish(work))

    def _miss(self, member: ActorState, error: BaseException) -> None:
        """A member could not start.

        Where none ever could, there is no run; else it is one machine's fault, or one moment's, and
        another is hired after a pause.
        """
        self._return(self.members.leave(member))
        members = self.members.all
        self._setbacks.missed(
            error, time.monotonic(), any(other.ready for other in members), bool(members)
        )
        self.counts["workers that could not start"] += 1
        _log.warning("a Ray worker could not start: %s", self._setbacks.reason)

    def _stop_hanging(self, now: float, limit: float) -> Iterator[TaskResult]:
        """End actors that have measured one task for longer than the limit, and replace them."""
        for member in list(self.members.all):
            if not member.in_flight or now - member.since <= limit:
                continue
            if self._ray.wait([next(iter(member.in_flight))], timeout=0)[0]:
                continue  # it has come, and nobody has looked yet
            self.counts["workers ended at the time limit"] += 1
            first, *rest = self.members.leave(member)
            self._next_turn = 0.0
            self._return(rest)
            error = (
                f"{first.name} {first.shard} took longer than run.shard_seconds, {limit:g} s, "
                f"{FAILURES} times, and its workers were ended: allow more seconds, choose smaller "
                "shards, or look why the probe does not end"
            )
            outcome = self._judge(first, self._failure(first, error))
            if outcome is not None:
                yield outcome

    def _help_late(self, now: float) -> None:
        """Let idle actors measure late tasks once more when nothing waits, the oldest first.

        The first result counts.
        """
        idle = [member for member in self.members.all if member.ready and not member.in_flight]
        if len(self._backlog) or not idle:
            return
        open_ones = self.members.in_flight_once(self._backlog.is_open)
        late = [work for since, work in open_ones if self._pace.is_late(work.name, now - since)]
        for member, work in zip(idle, late, strict=False):
            self.counts["late shards measured twice"] += 1
            self._give(member, work)
