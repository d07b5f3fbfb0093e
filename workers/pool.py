"""The runner on Ray: plain actors that hold a model each, and one `ray.wait` loop.

The driver keeps the queue. Ray restarts actors but retries nothing: a work whose worker goes away returns to the front of the
queue and is measured elsewhere, which is harmless, for rows are named by content and written whole.
"""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from workers.actor import Outcome, Work, Worker, unique
from workers.backlog import LOSSES, Backlog
from workers.cluster import check_address, check_gpus, import_paths, prepare_environment, private_token
from workers.datasets import Dataset
from workers.refusal import Refused
from workers.store import open_store, resolved

DEPTH = 2
"""Works in flight for each actor: one that it measures and one that waits, so that it never does."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RayPool:
    """Measures shards on `workers` Ray actors, each with `threads` CPUs and `gpus_per_worker` (0 to 1) of a GPU.

    Without `address` (nor RAY_ADDRESS) a local Ray is started, which takes about ten seconds, and stopped again; "auto",
    "HOST:PORT" and "ray://HOST:PORT" connect. A Ray that this process has started before is used and left running.
    """

    store: str
    workers: int
    threads: int = 1
    gpus_per_worker: float = 0
    address: str | None = None
    verbose: bool = False

    def check(self) -> None:
        """Raise Refused where the bounds, the address or this machine's GPUs cannot work; Ray is not imported for it."""
        if self.workers < 1 or self.threads < 1 or not 0 <= self.gpus_per_worker <= 1:
            raise Refused(
                "a Ray pool needs workers >= 1, threads >= 1 and gpus_per_worker in [0, 1]; "
                f"got {self.workers}, {self.threads} and {self.gpus_per_worker:g}"
            )
        address = self._address()
        if address is not None:
            check_address(address)  # Ray itself would try for long
        elif not _running():
            check_gpus(self.workers, self.gpus_per_worker)

    def _address(self) -> str | None:
        return self.address or os.environ.get("RAY_ADDRESS") or None

    def run(self, works: Sequence[Work], dataset: Dataset) -> Iterator[Outcome]:
        """One outcome for each key, as they end. Leaving the iterator early stops the actors; finished shards stay in the store.

        A work whose code fails is tried twice; one whose worker goes away, four times. Raises Refused where the settings, the
        address or the store cannot work, or where no worker can start.
        """
        works = unique(works)
        open_store(self.store)
        if not works:
            return
        with self.session(dataset.images.nbytes) as ray:
            crew = Crew(ray, self, works, dataset)
            try:
                yield from crew.outcomes()
            finally:
                crew.dismiss()

    @contextmanager
    def session(self, data_bytes: int = 0) -> Iterator[Any]:
        """Ray, started or connected for the time of the block; several runs inside one block share it."""
        self.check()
        address = self._address()
        prepare_environment(local=address is None)
        import ray

        if ray.is_initialized():
            yield ray
            return
        ways: dict[str, Any] = {"logging_level": "INFO" if self.verbose else "WARNING", "log_to_driver": self.verbose}
        ways["runtime_env"] = _same_imports()
        on_termination = signal.getsignal(signal.SIGTERM)
        if address is None:
            cpus = max(self.workers * self.threads, os.cpu_count() or 1)
            memory = 2**27 + 2 * data_bytes  # a small one fits into a small /dev/shm; Ray's own choice is 30% of all memory
            private_token()
            ray.init(address="local", num_cpus=cpus, include_dashboard=False, object_store_memory=memory, **ways)
        else:
            try:
                ray.init(address=address, **ways)
            except (ray.exceptions.RayError, ConnectionError, RuntimeError, ValueError) as error:
                reason = str(error).strip().split("\n")[0]
                raise Refused(
                    f"cannot connect to Ray at {address} ({reason}): is it up, of the same version, with your token?"
                ) from error
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, on_termination)  # Ray's own handler prints a stack and ends the process at once
        try:
            yield ray
        finally:
            ray.shutdown()


class RemoteWorker:
    """A worker in a Ray actor: on the GPU that Ray gave it, else on the CPU, whatever GPUs torch may see."""

    def __init__(self, store_location: str, threads: int) -> None:
        import ray

        gpus = ray.get_runtime_context().get_accelerator_ids().get("GPU", [])
        self._worker = Worker(store_location, threads, "cuda" if gpus else "cpu")

    def ready(self) -> str:
        return self._worker.name

    def measure(self, work: Work, dataset: Dataset) -> Outcome:
        return self._worker.measure(work, dataset)


@dataclass(eq=False)
class Member:
    """An actor as the driver sees it: what it has in flight, in order; not `ready` while it starts or is in quarantine."""

    actor: Any
    sign: Any = None
    ready: bool = False
    asked: float = 0.0
    held: str | None = None
    in_flight: dict[Any, Work] = field(default_factory=dict)


class Crew:
    """The actors of one run and the loop that feeds them."""

    def __init__(self, ray: Any, pool: RayPool, works: Sequence[Work], dataset: Dataset) -> None:
        self._ray = ray
        self._pool = pool
        self._backlog = Backlog(works)
        self._dataset = ray.put(dataset)
        self._idle_since = time.monotonic()
        self.members = [Member(self._hire()) for _ in range(min(pool.workers, len(works)))]

    def outcomes(self) -> Iterator[Outcome]:
        """Feed, wait, collect, until every work has its outcome."""
        while self._backlog or any(member.in_flight for member in self.members):
            self._ask()
            self._feed()
            refs = [ref for member in self.members for ref in (*member.in_flight, member.sign) if ref is not None]
            if not refs:
                time.sleep(0.2)
                continue
            for ref in self._ray.wait(refs, num_returns=1, timeout=0.5)[0]:
                outcome = self._collect(ref)
                if outcome is not None:
                    yield outcome

    def dismiss(self) -> None:
        """Kill the actors, whatever they do."""
        for member in self.members:
            with suppress(self._ray.exceptions.RayError):
                self._ray.kill(member.actor, no_restart=True)

    def _hire(self) -> Any:
        options = self._ray.remote(
            num_cpus=self._pool.threads,
            num_gpus=self._pool.gpus_per_worker,
            max_restarts=-1,
            max_task_retries=0,
            runtime_env=_same_imports(),
        )
        return options(RemoteWorker).remote(resolved(self._pool.store), self._pool.threads)

    def _ask(self) -> None:
        """Ask actors that start or that went away for a sign of life, every second."""
        now = time.monotonic()
        for member in self.members:
            if not member.ready and member.sign is None and now - member.asked > 1:
                member.sign, member.asked = member.actor.ready.remote(), now
        if any(member.ready for member in self.members):
            self._idle_since = now
        elif now - self._idle_since > 60:
            self._idle_since = now
            asked = f"{self._pool.workers} x ({self._pool.threads} CPUs, {self._pool.gpus_per_worker:g} GPUs)"
            _log.warning("no Ray worker is ready since a minute: asked for %s, Ray has %s", asked, self._ray.cluster_resources())

    def _feed(self) -> None:
        """Give each ready actor a work, then a second one as long as nobody who still starts could take it."""
        for depth in range(DEPTH):
            for member in self.members:
                if not member.ready or len(member.in_flight) != depth:
                    continue
                idle = sum(not other.in_flight for other in self.members)
                work = self._backlog.take(member.held) if depth == 0 or len(self._backlog) > idle else None
                if work is None:
                    return
                member.held = work.model_hash
                member.in_flight[member.actor.measure.remote(work, self._dataset)] = work

    def _collect(self, ref: Any) -> Outcome | None:
        errors = self._ray.exceptions
        member = next(member for member in self.members if ref is member.sign or ref in member.in_flight)
        try:
            result = self._ray.get(ref)
        except errors.RayTaskError as error:  # the code outside the worker's own care: a probe that cannot be imported, say
            work = member.in_flight.pop(ref)
            return self._judge(work, Outcome(work.key, work.name, False, 0, 0.0, str(error), ""))
        except (errors.RuntimeEnvSetupError, errors.ActorUnschedulableError) as error:
            raise Refused(f"no Ray worker can start: {_last_line(error)}") from error
        except errors.ActorDiedError as error:
            if error.actor_init_failed:
                raise Refused(f"no Ray worker can start: {_last_line(error)}") from error
            return self._lose(member, replacement=self._hire())
        except errors.RayError:  # the actor is unavailable: Ray restarts it, here or on another machine
            return self._lose(member, replacement=member.actor)
        if ref is member.sign:
            member.sign, member.ready = None, True
            return None
        return self._judge(member.in_flight.pop(ref), result)

    def _judge(self, work: Work, outcome: Outcome) -> Outcome | None:
        if outcome.ok or not self._backlog.failed(work):
            return outcome
        _log.info("%s %s failed and is tried once more: %s", work.name, work.shard, outcome.error)
        return None

    def _lose(self, member: Member, replacement: Any) -> Outcome | None:
        """Take all works from an actor that went away and put it into quarantine until it gives a sign of life."""
        given_up = self._backlog.lost(list(member.in_flight.values()))
        self.members[self.members.index(member)] = Member(replacement, asked=time.monotonic())
        if given_up is None:
            return None
        lost = f"the worker of {given_up.name} {given_up.shard} went away {LOSSES} times"
        error = f"{lost} (killed, or out of memory): choose smaller shards or more memory for each worker"
        return Outcome(given_up.key, given_up.name, False, 0, 0.0, error, "")


def _same_imports() -> dict[str, Any]:
    """The environment of processes that import what this one does."""
    return {"env_vars": {"PYTHONPATH": os.pathsep.join([*import_paths(), "${PYTHONPATH}"])}}


def _running() -> bool:
    """Whether this process has a Ray; it is not imported to see."""
    return "ray" in sys.modules and sys.modules["ray"].is_initialized()


def _last_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[-1]
