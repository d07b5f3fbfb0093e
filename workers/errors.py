"""Errors: why a run does not begin, and why it does not continue."""

from collections.abc import Iterator
from contextlib import contextmanager

USERS_ERRORS = (Exception, SystemExit)
"""Errors that a user's own code (a factory, a probe, a claim, ...) may raise: `sys.exit` there ends
nothing but what called it."""


class InputError(ValueError):
    """An input that cannot work, found before any work is done.

    Its message is one line: what was expected, what came, what to do. The command line shows that
    line and exits with 2.
    """


class UnavailableError(InputError):
    """A place that does not answer, or cannot write just now.

    The same request may succeed later.
    """


@contextmanager
def named(name: str) -> Iterator[None]:
    """Put the name of what an input belongs to before the message of an InputError, kind kept."""
    try:
        yield
    except InputError as error:
        raise type(error)(f"{name}: {error}") from error


@contextmanager
def refused(name: str) -> Iterator[None]:
    """Turn a ValueError into an InputError, the name of what an input belongs to before it."""
    try:
        yield
    except ValueError as error:
        raise InputError(f"{name}: {error}") from error


class RunInterruptedError(RuntimeError):
    """A run was interrupted, and its input is not at fault.

    Everything measured so far is saved, and the same command continues from there.

    Its message is one line. The command line shows that line and exits with 1.
    """


_FULL_DISK = (
    "No space left on device",
    "Disk quota exceeded",
    "File too large",
    "database or disk is full",
)
"""Messages of the system and of SQLite about a full disk."""


class FullDiskError(RunInterruptedError):
    """An error for a full disk.

    What was written before is whole; the same command continues once there is space.
    """


def is_full(text: str) -> bool:
    """True if an error message is about a full disk."""
    return any(words in text for words in _FULL_DISK)
