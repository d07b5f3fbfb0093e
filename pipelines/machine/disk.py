"""A full disk, by whatever name a library calls it."""

from advcore.workers.errors import RunInterruptedError

FULL = (
    "No space left on device",
    "Disk quota exceeded",
    "File too large",
    "database or disk is full",
)
"""What is said of one: by the system, and by SQLite."""


class FullDiskError(RunInterruptedError):
    """There is no space to write to: what was written before is whole, and the same command goes on
    once there is some."""


def is_full(text: str) -> bool:
    """Whether a failure tells of a full disk."""
    return any(words in text for words in FULL)
