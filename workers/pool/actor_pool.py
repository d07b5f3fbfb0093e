"""The actors of one run, and the loop that feeds them.

The loop waits, collects, and replaces actors that go away.

The driver keeps the queue. Ray restarts no actor and retries nothing: in the place of one that dies
another is started, with growing pauses and limits (`advcore.workers.pool.failures`), and its task
returns to the front of the queue and is measured elsewhere, which is harmless, for rows are named
by content and written whole. So is a task that is measured twice at once: the first result counts.
"""

import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from advcore.workers.datasets import Dataset
from advcore.workers.errors import InputError
from advcore.workers.pool.actor_table import ActorState, ActorTable
from advcore.workers.pool.failed_results import failed_result, why_ended, why_given_up, why_lost
from advcore.workers.pool.failures import FailureLog, reason_of
from advcore.workers.pool.pool_settings import PoolSettings
from advcore.workers.pool.ray_head import HeadWatch
from advcore.workers.pool.scheduler import Scheduler, Shipped
from advcore.workers.pool.task_queue import Rank, TaskQueue, one_rank
from advcore.workers.redaction import shortened, without_secrets
from advcore.workers.tasks import After, TaskResult, Train, Work, no_more

TURN_SECONDS = 0.5
"""Seconds between two looks at who starts, hangs, is late, or could join."""
SERVED_SECONDS = 0.05
"""The same where drivers may hand in tasks meanwhile."""
FIRST_ACTORS_SECONDS = 0.5
"""Seconds that the beginning waits for actors to be ready: a process that waits becomes one in a
tenth of them."""
_log = logging.getLogger(__name__)


class ActorPool:
    """The actors of a run, its queue of tasks, and the failures on the way, counted in `counts`."""

    def __init__(
        self,
        ray: Any,
        settings: PoolSettings,
        tasks: Sequence[Work],
        datasets: Mapping[str, Dataset],
        after: After = no_more,
        rank: Rank = one_rank,
    ) -> None:
        self._ray = ray
        self._settings = settings
        self._queue = TaskQueue(tasks, rank)
        self._datasets = datasets
        self._after = after
        self._next_turn = 0.0
        self._idle_since = time.monotonic()
        self._head = HeadWatch(settings.answers)
        self._early: list[TaskResult] = []
        self._failure_log = FailureLog()
        self.actors = ActorTable(ray, settings.start_actor)
        self._scheduler = Scheduler(self.actors, self._queue, Shipped(ray, datasets))
        self.counts: Counter[str] = Counter()
        self._resize()

    def submit_first(self) -> None:
        """Submit the first tasks to the actors that are ready within `FIRST_ACTORS_SECONDS`."""
        end = time.monotonic() + FIRST_ACTORS_SECONDS
        while (
            self._queue.open
            and time.monotonic() < end
            and not all(actor.in_flight for actor in self.actors.all)
        ):
            self._early += self._run_turn()
            self._scheduler.submit_waiting()

    def results(self) -> Iterator[TaskResult]:
        """Yield the results as they come, until every task has one, released ones among them."""
        for result in self._come():
            yield result
            if result.done:
                self._queue.add(self._after(result))
        self.tell_counts()

    def tell_counts(self) -> None:
        """Tell what happened on the way, if anything did."""
        if self.counts:
            _log.warning(
                "on the way: %s",
                ", ".join(f"{count} {what}" for what, count in self.counts.items()),
            )

    def turn(self, tasks: Sequence[Work]) -> Iterator[TaskResult]:
        """Queue tasks, also of keys that had a result before, and yield what comes in one turn."""
        self._queue.add_again(tasks)
        self._scheduler.forget_data()
        if not self._queue.open:
            self._idle_since = time.monotonic()  # nothing waits for a worker
        yield from self._run_turn(SERVED_SECONDS)

    def _come(self) -> Iterator[TaskResult]:
        yield from self._early
        while self._queue.open:
            yield from self._run_turn()

    def _run_turn(self, patience: float = TURN_SECONDS) -> Iterator[TaskResult]:
        """Run one turn: resize, replace hung actors, hand out tasks, collect results."""
        now = time.monotonic()
        if now >= self._next_turn:
            self._next_turn = now + TURN_SECONDS
            if self._head.answers(now):  # without it, no question to the cluster would come back
                self._resize()
                self._check_health(now)
            if self._settings.shard_seconds is not None:
                yield from self._end_hung(now, self._settings.shard_seconds)
            repeated = self._scheduler.repeat_late(now)
            if repeated:
                self.counts["late shards measured twice"] += repeated
        self._scheduler.submit_waiting()
        for ref in self._wait(patience):
            result = self._collect(ref)
            if result is not None:
                yield result
                yield from self._give_up_tasks(result)

    def end_all(self) -> None:
        """End the actors, whatever they do."""
        self.actors.end_all(again=not self._head.silent)

    def _resize(self) -> None:
        """Grow or shrink the pool to as many actors as are wanted.

        Where that changes with the cluster, those who wait for room in vain leave.
        """
        wanted = min(self._settings.wanted(), self._queue.open)
        if self._failure_log.may_start(time.monotonic()):
            for _ in range(wanted - len(self.actors.all)):
                self.actors.join()
        if self._settings.elastic:
            waiting = [actor for actor in self.actors.all if not actor.ready]
            for actor in waiting[::-1][: max(0, len(self.actors.all) - max(wanted, 1))]:
                self.actors.remove(actor)

    def _check_health(self, now: float) -> None:
        """Ask actors that start or that went away for a sign of life, every second."""
        for actor in self.actors.all:
            if not actor.ready and actor.health_check is None and now - actor.asked > 1:
                self.actors.check_health(actor, now)
        if any(actor.ready for actor in self.actors.all):
            self._idle_since = now
        elif now - self._idle_since > 60:
            self._idle_since = now
            has = self._ray.cluster_resources()
            lost = (
                f"; the last one went away: {self._failure_log.reason}"
                if self._failure_log.reason
                else ""
            )
            _log.warning(
                "no Ray worker is ready after a minute: expected %s, Ray has %s%s",
                self._settings.asked,
                has,
                lost,
            )

    def _wait(self, patience: float) -> list[Any]:
        """Return the object refs that are ready, after so many seconds at most."""
        refs = self.actors.refs
        if not refs:
            time.sleep(patience / 2)
            return []
        some, rest = self._ray.wait(refs, num_returns=1, timeout=patience)
        return (
            some + self._ray.wait(rest, num_returns=len(rest), timeout=0)[0]
            if some and rest
            else some
        )

    def _collect(self, ref: Any) -> TaskResult | None:
        errors, actors = self._ray.exceptions, self.actors
        actor = actors.owner(ref)
        if actor is None:  # its actor left while this turn's other results were collected
            return None
        try:
            result = self._ray.get(ref)
        except errors.TaskCancelledError:  # a second try that came too late and had not begun
            actors.drop(actor, ref)
            return None
        except errors.RayTaskError as error:
            # the code outside the worker's own care: a probe that cannot be imported, say
            task = actors.drop(actor, ref)
            return self._accept(task, self._failure(task, without_secrets(shortened(str(error)))))
        except (errors.RuntimeEnvSetupError, errors.ActorUnschedulableError) as error:
            raise InputError(f"no Ray worker can start: {reason_of(error)}") from error
        except errors.ActorDiedError as error:
            if actor.started:
                return self._handle_lost_actor(actor, error)
            self._handle_failed_start(actor, error)
            return None
        except errors.RayError as error:  # it is unavailable: Ray finds out whether it is dead
            return self._handle_lost_actor(actor, error, stays=True)
        if ref == actor.health_check:
            actors.is_ready(actor, result)
            self._failure_log.ready()
            return None
        task = actors.drop(actor, ref)
        self._failure_log.measured(task.name)
        if result.ok and not isinstance(task, Train):
            self._scheduler.pace.took(task.name, result.seconds)
        return self._accept(task, result)

    def _accept(self, task: Work, result: TaskResult) -> TaskResult | None:
        """Return the result of a task; None if it has one already, or is tried again.

        After a slice that is not its last a training waits again, before the others.
        """
        if not self._queue.is_open(task):
            return None
        if isinstance(task, Train) and result.ok:
            self._queue.came_to(task, result.epoch)
        if not result.done:
            self._queue.put_back([task])
            return result
        if not result.ok:
            self.counts["failures"] += 1
            if not result.away and self._queue.failed(task):
                _log.info("%s failed and is tried once more: %s", task.title, result.error)
                if not self.actors.times(task):
                    self._queue.put_last(task)
                return None
        self.actors.forget(task)
        return replace(result, tries=self._queue.finish(task))

    def _failure(self, task: Work, error: str) -> TaskResult:
        return failed_result(task, self._datasets, error)

    def _return(self, tasks: list[Work]) -> None:
        """Requeue tasks at the front, unless they run elsewhere or are done."""
        self._queue.put_back(
            task for task in tasks if self._queue.is_open(task) and not self.actors.times(task)
        )

    def _handle_lost_actor(
        self, actor: ActorState, error: BaseException, stays: bool = False
    ) -> TaskResult | None:
        """Handle an actor that went away after it had started.

        If it `stays` and does not answer, which may pass, it gets no task until it gives a sign of
        life. Only the first of its tasks was being measured, and only that one counts the loss,
        unless it is a training that came further meanwhile.
        """
        now, since = time.monotonic(), actor.since
        tasks = self.actors.quarantine(actor) if stays else self.actors.remove(actor)
        if actor.ready:
            self.counts["workers lost"] += 1
        first = tasks[0] if tasks and self._queue.is_open(tasks[0]) else None
        further = isinstance(first, Train) and self._came_further(first)
        if first is not None and not self._scheduler.survives_elsewhere(first, since):
            self._failure_log.lost(first.name, error, now)
        self._next_turn = 0.0  # another is started at once, where it may be
        if (
            first is None
            or further
            or (self._queue.lost(first) and not self._failure_log.is_given_up(first.name))
        ):
            self._return(tasks)
            return None
        self._return(tasks[1:])
        tries = self._queue.losses(first)
        result = self._failure(first, why_lost(first, tries, reason_of(error)))
        self.actors.forget(first)
        return replace(result, tries=self._queue.finish(first))

    def _came_further(self, task: Train) -> bool:
        """Return whether the store has more epochs of a training than were known before."""
        further = self._queue.came_to(task, self._settings.saved_epochs(task))
        if further:
            self._failure_log.measured(task.name)
        return further

    def _give_up_tasks(self, result: TaskResult) -> Iterator[TaskResult]:
        """Give up the waiting tasks of this name if such tasks kill whoever measures them."""
        if self._failure_log.is_given_up(result.name):
            for task in self._queue.drain(result.name):
                if self._queue.is_open(task):
                    error = why_given_up(result.error)
                    yield replace(self._failure(task, error), tries=self._queue.finish(task))

    def _handle_failed_start(self, actor: ActorState, error: BaseException) -> None:
        """Handle an actor that failed to start.

        Abort if none ever started and none is pending; else start another one after a pause.
        """
        self._return(self.actors.remove(actor))
        actors = self.actors.all
        self._failure_log.start_failed(
            error, time.monotonic(), any(other.ready for other in actors), bool(actors)
        )
        self.counts["workers that could not start"] += 1
        _log.warning("a Ray worker could not start: %s", self._failure_log.reason)

    def _end_hung(self, now: float, limit: float) -> Iterator[TaskResult]:
        """End actors that have measured one shard for longer than the limit, and replace them.

        A slice of a training has no limit: an epoch may take long.
        """
        for actor in list(self.actors.all):
            if not actor.in_flight or actor.trains or now - actor.since <= limit:
                continue
            if self._ray.wait([next(iter(actor.in_flight))], timeout=0)[0]:
                continue  # it has come, and nobody has looked yet
            self.counts["workers ended at the time limit"] += 1
            first, *rest = self.actors.remove(actor)
            self._next_turn = 0.0
            self._return(rest)
            result = self._accept(first, self._failure(first, why_ended(first, limit)))
            if result is not None:
                yield result
