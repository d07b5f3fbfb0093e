"""Paths as people write them: `~` written out, what no file can be called refused."""

from pathlib import Path

from advcore.workers.errors import InputError


def expand_path(path: str | Path) -> Path:
    """The path with its `~` written out.

    Raises InputError where it names nobody's home, or where no file can be called so.
    """
    if "\0" in str(path):
        raise InputError(f"path {str(path)!r} holds a NUL, which no file's name can: leave it out")
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InputError(
            f"path {str(path)!r}: there is no such home ({error}): write it out from /"
        ) from error
