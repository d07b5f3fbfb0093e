"""Files that are written whole or not at all, and folders that can be written."""

import os
import re
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from advcore.workers.errors import InputError

ABANDONED_SECONDS = 24 * 3600.0
"""Seconds after the last write from which an unfinished file is taken for a killed process's."""
_UNFINISHED = re.compile(r"\..+\.[0-9a-f]{32}")


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a path to write to, which replaces `path` at the end of the block.

    If the block fails, `path` is as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        yield unfinished
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def remove_abandoned(folders: Iterable[Path], now: float) -> None:
    """Remove what killed processes left of files in folders: what nobody wrote to for a day.

    `now` is the time by the clock that stamps these files, in seconds.
    """
    for folder in folders:
        for path in folder.glob(".*"):
            with suppress(OSError):  # another process may have removed it
                old = now - path.stat().st_mtime > ABANDONED_SECONDS
                if old and _UNFINISHED.fullmatch(path.name) and path.is_file():
                    path.unlink()


def check_writable(folder: Path, what: str = "folder") -> None:
    """Make a folder and try to write to it, before the work whose results it keeps.

    Messages call it `what`. Raises InputError.
    """
    trial = folder / f".trial.{uuid.uuid4().hex}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trial.touch()
        trial.unlink()
    except (OSError, ValueError) as error:  # the second: a NUL
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"{what} {folder} cannot be written ({reason}): choose another one (out: ...)"
        ) from error
