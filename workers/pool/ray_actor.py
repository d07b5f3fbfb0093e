"""The worker in a Ray actor, made so that any process of a cluster can become one at once."""

from collections.abc import Callable
from typing import Any

from advcore.workers.pool.preconditions import import_paths


def actor_factory(ray: Any, store_location: str, threads: int, gpus: float) -> Callable[[], Any]:
    """Return a factory of actor handles with `threads` CPUs and a share of a GPU each.

    An actor measures as soon as the cluster has room.

    Ray restarts none that dies and repeats none of its calls: the actor pool starts another one,
    and knows why. It asks for no environment of its own, for which Ray would start a process: it
    takes one that waits, and looks itself for code where this process does.
    """
    actor = ray.remote(num_cpus=threads, num_gpus=gpus, max_restarts=0, max_task_retries=0)(
        _actor_class()
    )
    paths = import_paths()
    return lambda: actor.remote(paths, store_location, threads)


def _actor_class() -> type:
    """Make the actor's class in a function, so that it travels by value.

    It can say where our code lies before any of it is imported.
    """

    class RemoteWorker:
        """A worker on the GPU that Ray gave it, else on the CPU, whatever GPUs torch may see."""

        def __init__(self, paths: list[str], store_location: str, threads: int) -> None:
            import os
            import sys

            sys.path[:0] = [path for path in paths if path not in sys.path and os.path.isdir(path)]
            import ray

            try:
                from advcore.workers.actor import Worker
            except ModuleNotFoundError as error:
                if (error.name or "").partition(".")[0] != "advcore":
                    raise
                import platform

                node = platform.node()
                raise RuntimeError(
                    f"advcore is not installed on node {node}: install its checkout there, as here"
                ) from None
            gpus = ray.get_runtime_context().get_accelerator_ids().get("GPU", [])
            self._worker = Worker(store_location, threads, "cuda" if gpus else "cpu")

        def ready(self) -> str:
            """The node whose waiting processes it has used one of; empty where none wait."""
            import ray

            from advcore.workers.pool.ray_internals import has_preloaded_workers

            return ray.get_runtime_context().get_node_id() if has_preloaded_workers() else ""

        def measure(self, task: Any, dataset: Any) -> Any:
            return self._worker.measure(task, dataset)

        def share(self, task: Any, dataset: Any) -> Any:
            return self._worker.share(task, dataset)

        def train(self, task: Any, data: Any, test: Any) -> Any:
            return self._worker.train(task, data, test)

    return RemoteWorker
