"""A file lock that admits one driver at a time to a study, training or sweep.

It is `flock` on a file in the results folder: the system frees it when the process that holds it
ends, however it ends, so that a killed driver leaves nothing behind. Between machines it holds
where their folder's file system passes such locks on (NFS since version 4, Lustre with `flock`).
Two drivers with folders of their own and a common store are not kept apart, and need not be: rows
are named by content and written whole.
"""

import errno
import fcntl
import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from advcore.workers.errors import InputError

FOLDER = ".locks"
"""Name of the folder of the lock files, in the results folder. The files stay: one that is removed
while another driver opens it locks nothing."""

LOOK_SECONDS = 0.05
"""Seconds that `find_holder` takes at most, for which it keeps a driver from the lock."""


@dataclass(frozen=True)
class Holder:
    """The process that holds a lock: its machine, its number, since when; unknown without."""

    host: str = ""
    pid: int = 0
    since: str = ""

    def __str__(self) -> str:
        if not self.host:
            return "another process"
        return f"process {self.pid} on {self.host} since {self.since}"


@contextmanager
def exclusive_lock(out: Path, kind: str, name: str) -> Iterator[None]:
    """Hold an exclusive lock on `kind` `name` ("study", "demo") of the results folder.

    Raises InputError, with host, process and since when, where another one does, or where the
    folder cannot be made.
    """
    path = out / FOLDER / f"{kind}-{name}"
    file = _opened(path, out, name)
    if file is None:
        yield
        return
    with file:
        try:
            _take(file)
        except BlockingIOError:
            raise InputError(
                f"{kind} {name} in {out} is in use by {_read_holder(path)}: wait for its end, "
                "stop it, or give another folder (out: ...)"
            ) from None
        except OSError as error:
            print(
                f"advcore: {out} does not support file locks ({error.strerror}): "
                "start no second driver on it",
                file=sys.stderr,
            )
        since = datetime.now().astimezone().isoformat(" ", "seconds")
        with suppress(OSError):  # on a full disk the lock holds, and only its holder has no name
            file.truncate(0)
            file.write(
                json.dumps({"host": platform.node(), "pid": os.getpid(), "since": since}).encode()
            )
        yield


class Locks(ExitStack):
    """Locks that are held to the end of the block; drivers of one process may share them."""

    def __init__(self) -> None:
        super().__init__()
        self._held: set[tuple[Path, str, str]] = set()

    def hold(self, out: Path, kind: str, name: str) -> bool:
        """Take a lock as `exclusive_lock` does; return False where it is held by these already."""
        own = (out, kind, name)
        if own in self._held:
            return False
        self.enter_context(exclusive_lock(out, kind, name))
        self._held.add(own)
        return True


def _opened(path: Path, out: Path, name: str) -> IO[bytes] | None:
    """Open the lock's file; None if the folder is read-only, so that nothing can begin there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("ab", buffering=0)
    except (OSError, ValueError) as error:  # ValueError: of a name that no file can have
        if getattr(error, "errno", None) in (errno.EROFS, errno.EACCES) and out.is_dir():
            return None
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"folder for results {out / name} cannot be written ({reason}): choose another one "
            "(out: ...)"
        ) from error


def find_holder(out: Path, kind: str, name: str) -> Holder | None:
    """Return who holds the lock on `kind` `name` of the results folder; None where nobody does.

    Raises OSError where the folder's file system has no locks, or the file cannot be read.
    """
    path = out / FOLDER / f"{kind}-{name}"
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return _read_holder(path)
    return None


def _take(file: IO[bytes]) -> None:
    """Lock a file, also where another process looks just now who holds it. Raises OSError."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        time.sleep(LOOK_SECONDS)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _read_holder(path: Path) -> Holder:
    """Return the process that holds the lock, unknown where it is just being written."""
    try:
        told = json.loads(path.read_text())
        return Holder(str(told["host"]), int(told["pid"]), str(told["since"]))
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return Holder()
