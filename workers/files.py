"""Files that are written whole or not at all, and folders that can be written."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from advcore.workers.errors import InputError


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
