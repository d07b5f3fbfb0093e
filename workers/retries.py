"""Retries with exponential back-off.

`retry` repeats a call; `Pauses` alone is for a loop that has other things to do meanwhile.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Pauses:
    """Pauses between tries, in seconds: the `first`, twice as long each time, `longest` at most."""

    first: float
    longest: float

    def after(self, failures: int) -> float:
        """Return the pause in seconds after `failures` >= 1 failures in a row."""
        doublings = min(failures - 1, 64)  # 2^64 s is longer than any bound, and still a float
        return min(self.first * 2.0**doublings, self.longest)


def retry(
    call: Callable[[], T],
    retryable: Callable[[Exception], bool],
    pauses: Pauses,
    *,
    tries: int | None = None,
    seconds: float | None = None,
    wait: Callable[[float], object] = time.sleep,
) -> T:
    """Return what `call` returns; call it again, after a pause, while it raises what is retryable.

    Args:
        call: the function, without arguments.
        retryable: decides whether an exception may pass; it may log that it came.
        pauses: between two tries.
        tries: number of calls, at most; None for no limit.
        seconds: time limit: no pause begins that would end after it; None for no limit.
        wait: takes the pause in seconds; returns a true value to stop retrying.

    Raises the last exception where it is not retryable, or a limit is reached.
    """
    end = None if seconds is None else time.monotonic() + seconds
    failures = 0
    while True:
        try:
            return call()
        except Exception as error:
            failures += 1
            pause = pauses.after(failures)
            if not retryable(error) or failures == tries:
                raise
            if end is not None and time.monotonic() + pause > end:
                raise
            if wait(pause):
                raise
