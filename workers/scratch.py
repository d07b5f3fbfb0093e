"""Folders for a while in the temporary folder; what a killed process leaves, the next one removes.

Whoever uses a folder holds `flock` on it, which the system frees when the process ends, however it
ends. Where the file system knows no such locks, folders that are left stay.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

PREFIX = "advcore-scratch-"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield an empty folder, which is removed at the end of the block."""
    remove_abandoned(tempfile.gettempdir())
    folder, lock = _locked()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _locked() -> tuple[Path, int]:
    """Return a new folder and its lock; one that was removed before it was locked is no folder."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        with suppress(FileNotFoundError):
            lock = _open(folder)
            with suppress(OSError):  # no locks on this file system: nobody else has one either
                fcntl.flock(lock, fcntl.LOCK_EX)
            if folder.exists():
                return folder, lock
            os.close(lock)


@cache
def remove_abandoned(place: str) -> None:
    """Remove this user's scratch folders that no process uses, once in each process."""
    for folder in Path(place).glob(f"{PREFIX}*"):
        with suppress(OSError):  # in use, another user's, or just gone
            lock = _open(folder)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(lock).st_uid == os.getuid():
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


def _open(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
