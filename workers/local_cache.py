"""The cache of this machine: files that are made or fetched once; all may be deleted any time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from advcore.workers.paths import expand_path


def cache_folder(kind: str) -> Path:
    """Return the folder of one kind of files: `advcore/KIND` in XDG_CACHE_HOME, or in ~/.cache."""
    root = expand_path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").absolute()
    return root / "advcore" / kind


@contextmanager
def one_at_a_time(file: Path) -> Iterator[None]:
    """Lock a file of the cache: one process makes it; the others wait and find it."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
