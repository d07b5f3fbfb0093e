"""Paths as people write them: `~` written out, what no file can be called refused."""

from pathlib import Path

from advcore.workers.errors import InputError


def expand_path(path: str | Path) -> Path:
    """The path with its `~` written out.

    Raises InputError where it names nobody's home, or where no file can be called so.
    """
    if "\0" in str(path):
        raise InputError(
            f"path {str(path)!r} contains a NUL byte, which is not allowed in a path: leave it out"
        )
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InputError(
            f"path {str(path)!r}: no such home folder ({error}): write the path out from /"
        ) from error
