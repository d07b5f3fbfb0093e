"""Errors of a full disk, under whatever name a library raises them."""

from advcore.workers.errors import RunInterruptedError

FULL = (
    "No space left on device",
    "Disk quota exceeded",
    "File too large",
    "database or disk is full",
)
"""What is said of one: by the system, and by SQLite."""


class FullDiskError(RunInterruptedError):
    """An error for a full disk.

    What was written before is whole; the same command continues once there is space.
    """


def is_full(text: str) -> bool:
    """True if an error message is about a full disk."""
    return any(words in text for words in FULL)
