"""A Ray of one run's own: where its files lie, who may ask it, and how long its start may take.

`PRIVATE` in the name of its node is how others see that it is not for them.
"""

import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from advcore.workers.errors import InputError
from advcore.workers.pool.preconditions import private_token
from advcore.workers.pool.ray_internals import child_processes
from advcore.workers.retries import Pauses, retry

PRIVATE = "advcore-private"

PLACES = ("/tmp", "/dev/shm", "/var/tmp")
"""Places where a folder of our own may lie."""

TRIES = 3
"""Number of starts of a local Ray whose processes do not answer in time, each of half a minute."""

_SOCKET = 103
"""Bytes of a socket's path on every system; Ray makes sockets in the folder of its session."""
_SESSION = len("/session_2026-01-01_00-00-00_000000_1234567/sockets/plasma_store")

_log = logging.getLogger(__name__)


def start_local_ray(ray: Any, cpus: int, memory: int, **ways: Any) -> None:
    """Start a Ray on this machine with so many CPUs, and bytes for objects.

    Raises InputError where it does not start.

    On a busy machine Ray gives its processes up before they answer: it is started anew then.
    """
    private_token()
    folder = session_folder()
    place = {} if folder is None else {"_temp_dir": folder}
    settings = {
        "num_cpus": cpus,
        "object_store_memory": memory,
        "include_dashboard": False,
        "_node_name": PRIVATE,
        **place,
        **ways,
    }

    def start() -> None:
        before = child_processes()
        try:
            ray.init(address="local", **settings)
        except Exception:
            _end(child_processes() - before)
            raise

    try:
        retry(start, _is_timeout, Pauses(0.0, 0.0), tries=TRIES)
    except Exception as error:  # Ray raises bare ones where its processes do not answer in time
        raise InputError(
            f"Ray does not start on this machine ({' '.join(str(error).split())}): it is too busy, "
            "or something ends Ray's processes; see the logs "
            f"in {folder or _chosen_by_ray() / 'ray'}/session_latest, or measure without "
            "Ray (runner: inline)"
        ) from error


def _is_timeout(error: Exception) -> bool:
    timed_out = "timed out" in " ".join(str(error).split()).lower()
    if timed_out:
        _log.warning("Ray did not start in time, as on a busy machine")
    return timed_out


def _end(processes: set[Any]) -> None:
    """End what a start in vain has left."""
    for process in processes:
        with suppress(Exception):  # it has ended meanwhile
            process.kill()


def session_folder(environment: Mapping[str, str] = os.environ) -> str | None:
    """Return where Ray's session is to lie; None if Ray's own choice will do.

    Raises InputError where no folder can be.

    The folder of TMPDIR may be too long for sockets, as job schedulers make it, and /tmp/ray may be
    another user's: then it is a short one of our own.
    """
    chosen = _chosen_by_ray(environment) / "ray"
    if _fits(chosen) and _writable(chosen):
        return None
    if environment.get("RAY_TMPDIR"):
        why = (
            "cannot be written"
            if _fits(chosen)
            else f"is too long for sockets, which have {_SOCKET - _SESSION} bytes for it"
        )
        raise InputError(
            f"Ray's folder {chosen} {why}: set RAY_TMPDIR to a short folder that can be written"
        )
    own = own_folder()
    if own is not None:
        return f"{own}/ray"  # Ray lets everybody write to it, who may pass the folder around it
    raise InputError(
        f"no folder for Ray's session: {chosen} is too long or cannot be written; set "
        "RAY_TMPDIR to a short one that can be"
    )


def own_folder() -> str | None:
    """A short folder that is this user's alone, made if need be; None where there can be none."""
    for place in PLACES:
        own = Path(place) / f"advcore-{os.getuid()}"
        if _fits(own / "ray") and _is_ours(own):
            return str(own)
    return None


def _chosen_by_ray(environment: Mapping[str, str] = os.environ) -> Path:
    return Path(environment.get("RAY_TMPDIR") or environment.get("TMPDIR") or "/tmp")


def _fits(folder: Path) -> bool:
    return folder.is_absolute() and len(os.fsencode(folder)) + _SESSION <= _SOCKET


def _writable(folder: Path) -> bool:
    there = next(place for place in (folder, *folder.parents) if place.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def _is_ours(folder: Path) -> bool:
    """Return whether a folder that belongs to this user alone is there; make it if need be."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.is_symlink() or folder.lstat().st_uid != os.getuid():
            return False
        folder.chmod(0o700)
    except OSError:
        return False
    return True
