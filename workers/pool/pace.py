"""The pace of tasks of each name, and which are late by it."""

LATE = 2.0
"""Factor of the slowest finished task of its name (and a second at least) above which a task is
late."""


class Pace:
    """The slowest finished work of each name."""

    def __init__(self) -> None:
        self._slowest: dict[str, float] = {}

    def took(self, name: str, seconds: float) -> None:
        """Note a finished work."""
        self._slowest[name] = max(seconds, self._slowest.get(name, 0))

    def is_late(self, name: str, seconds: float) -> bool:
        """Return whether a task of this name that is in flight for so long is late.

        For an unknown name the slowest of all names decides.
        """
        known = self._slowest.get(name) or max(self._slowest.values(), default=float("inf"))
        return seconds > max(1.0, LATE * known)
