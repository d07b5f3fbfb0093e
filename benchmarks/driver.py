"""What the driver spends on a shard, and its memory: 20,000 shards of empty work on 100 actors.

The actors are simulated in that they measure nothing: each is a real Ray actor in a process of its
own, called as a worker is, that imports no torch and answers at once. So all 100 of them, Ray
itself and the driver share this machine's cores: wall time is that of all together, processor time
that of the driver alone, its threads of Ray included. The last line is the pool's own books without
Ray: the same loop against calls that are answered in the process.
"""

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from advcore.workers.pool.actor_pool import ActorPool
from advcore.workers.pool.pool_settings import PoolSettings
from advcore.workers.pool.preconditions import prepare_environment, private_token
from advcore.workers.shards import split
from advcore.workers.tasks import DATA, Task, TaskResult


@dataclass(frozen=True)
class Spent:
    """Milliseconds of wall and of processor time for a shard, and the driver's memory along the
    way, in MB.
    """

    wall: float
    processor: float
    memory: list[float]


def tasks(shards: int) -> list[Task]:
    nothing: Any = None
    return [
        Task(f"{shard.start:064x}", "empty/work", nothing, "model", nothing, shard, 0)
        for shard in split(shards, 1)
    ]


def empty_worker() -> type:
    """A class made in a function travels by value."""

    class Empty:
        def ready(self) -> str:
            return ""

        def measure(self, task: Any, dataset: Any) -> Any:
            from advcore.workers.tasks import TaskResult

            return TaskResult(task.key, task.name, True, 0, 0.0, "", "empty")

    return Empty


def spend(ray: Any, start_actor: Any, actors: int, shards: int) -> Spent:
    """Run all shards, and look at the clocks and the memory."""
    settings = PoolSettings(
        start_actor, lambda: actors, shard_seconds=600.0, asked=f"{actors} empty actors"
    )
    nothing: Any = SimpleNamespace(indices=np.arange(shards))
    actor_pool = ActorPool(ray, settings, tasks(shards), {DATA: nothing})
    wall, processor, memory = time.perf_counter(), time.process_time(), []
    for done, _ in enumerate(actor_pool.results(), 1):
        if done % (shards // 10) == 0:
            memory.append(resident())
    spent = (time.perf_counter() - wall, time.process_time() - processor)
    actor_pool.end_all()
    return Spent(1000 * spent[0] / shards, 1000 * spent[1] / shards, memory)


def on_ray(actors: int, shards: int) -> Spent:
    prepare_environment(local=True)
    private_token()
    import ray

    ray.init(
        address="local", include_dashboard=False, object_store_memory=2**27, log_to_driver=False
    )
    try:
        remote: Any = ray.remote(num_cpus=0, max_restarts=0, max_task_retries=0)(empty_worker())
        hired = [remote.remote() for _ in range(actors)]
        ray.get([actor.ready.remote() for actor in hired])  # starting them is not what is measured
        return spend(ray, hired.pop, actors, shards)
    finally:
        ray.shutdown()


def without_ray(actors: int, shards: int) -> Spent:
    import ray

    def start_actor() -> Any:
        return SimpleNamespace(
            ready=SimpleNamespace(remote=lambda: Answer("empty")),
            measure=SimpleNamespace(
                remote=lambda task, data: Answer(
                    TaskResult(task.key, task.name, True, 0, 0.0, "", "empty")
                ),
            ),
        )

    class Answer:
        def __init__(self, value: Any) -> None:
            self.value = value

    def wait(refs: list[Any], num_returns: int, timeout: float) -> tuple[list[Any], list[Any]]:
        return refs[:num_returns], refs[num_returns:]

    fake = SimpleNamespace(
        exceptions=ray.exceptions,
        put=lambda data: data,
        wait=wait,
        get=lambda ref: ref.value,
        kill=lambda actor, no_restart: None,
        cancel=lambda ref: None,
    )
    return spend(fake, start_actor, actors, shards)


def resident() -> float:
    """Megabytes of memory that this process holds."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def lines(actors: int, shards: int) -> Iterator[str]:
    yield (
        f"driver, {shards} shards of empty work, {actors} actors on {os.cpu_count()} cores "
        "(bar: 2 ms a shard, flat memory)"
    )
    for name, spent in (
        ("on Ray", on_ray(actors, shards)),
        ("the books alone", without_ray(actors, shards)),
    ):
        tenth, last = spent.memory[0], spent.memory[-1]
        yield (
            f"  {name:16} {spent.wall:6.3f} ms a shard, of it {spent.processor:6.3f} ms of the "
            f"driver's processor time; memory {tenth:.0f} MB after a tenth, {last:.0f} MB at the "
            f"end, {max(spent.memory):.0f} MB at most"
        )


def main() -> None:
    actors, shards = map(int, sys.argv[1:3]) if len(sys.argv) == 3 else (100, 20000)
    for line in lines(actors, shards):
        print(line, flush=True)


if __name__ == "__main__":
    main()
