"""Ray for the time of a block: started on this machine, or connected to."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from advcore.workers.errors import InputError
from advcore.workers.pool.local_ray import start_local_ray
from advcore.workers.pool.preconditions import import_paths, prepare_environment
from advcore.workers.pool.ray_address import local_head
from advcore.workers.pool.ray_head import ask_head, check_token


@contextmanager
def ray_session(
    address: str | None, cpus: int, data_bytes: int, verbose: bool, all_tasks: bool
) -> Iterator[Any]:
    """Connect to Ray at `address`, or start a local one for the time of the block.

    A local one has `cpus` and room for `data_bytes`, and ends with the block; one that runs already
    is left running.

    A local one imports what this process does. On a cluster tasks do so with `all_tasks`, for which
    Ray starts processes of their own. Raises InputError where the address cannot be connected to,
    or a local one does not start.
    """
    prepare_environment(local=address is None)
    import ray

    if ray.is_initialized():
        yield ray
        return
    ways: dict[str, Any] = {
        "logging_level": "INFO" if verbose else "WARNING",
        "log_to_driver": verbose,
    }
    on_termination = signal.getsignal(signal.SIGTERM)
    if address is None:
        memory = (
            2**27 + 2 * data_bytes
        )  # a small one fits into a small /dev/shm; Ray's own choice is 30% of all memory
        with _same_imports(), _ended_by_signals(ray):
            start_local_ray(ray, cpus, memory, **ways)
    else:
        if all_tasks:
            ways["runtime_env"] = {
                "env_vars": {"PYTHONPATH": os.pathsep.join([*import_paths(), "${PYTHONPATH}"])}
            }
        address = local_head() if address == "auto" else address
        ask_head(address)
        check_token(address)
        try:
            with _ended_by_signals(ray):
                ray.init(address=address, **ways)
        except (ray.exceptions.RayError, ConnectionError, RuntimeError, ValueError) as error:
            reason = str(error).strip().split("\n")[0]
            raise InputError(
                f"cannot connect to Ray at {address} ({reason}): is it up, of the same "
                "version, with your token?"
            ) from error
    if threading.current_thread() is threading.main_thread():
        signal.signal(
            signal.SIGTERM, on_termination
        )  # Ray's own handler prints a stack and ends the process at once
    try:
        yield ray
    finally:
        ray.shutdown()


@contextmanager
def _ended_by_signals(ray: Any) -> Iterator[None]:
    """End Ray and raise KeyboardInterrupt if a signal came while it started.

    The signals are SIGTERM, SIGHUP and Ctrl-C: Ray's own handler of SIGTERM would exit without a
    word, and what a handler raises while a process is forked is lost.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    end, submit_first = os.pipe()
    os.set_blocking(end, False)
    os.set_blocking(submit_first, False)
    before = signal.set_wakeup_fd(submit_first, warn_on_full_buffer=False)
    try:
        yield
    except SystemExit as error:
        if error.code != signal.SIGTERM:
            raise
        ray.shutdown()
        raise KeyboardInterrupt from None
    finally:
        signal.set_wakeup_fd(before)
        os.close(submit_first)
        came = os.read(end, 4096)
        os.close(end)
    if any(number in came for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)):
        ray.shutdown()
        raise KeyboardInterrupt


@contextmanager
def _same_imports() -> Iterator[None]:
    """Processes that are started in this block import what this one does."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([*import_paths(), *([before] if before else [])])
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def running() -> bool:
    """Return whether this process has a Ray; it is not imported to see."""
    return "ray" in sys.modules and sys.modules["ray"].is_initialized()
