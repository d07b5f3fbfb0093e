"""Ask a store that may be away for a while again, until it answers."""

import time
from collections.abc import Callable
from typing import TypeVar

from advcore.workers.errors import UnavailableError

Given = TypeVar("Given")

PAUSE_SECONDS = 5.0
"""Seconds between two tries."""


def patient(ask: Callable[[], Given], seconds: float) -> Given:
    """Return what `ask` gives, with retries while it raises UnavailableError.

    It is asked until so many seconds have passed.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except UnavailableError:
            if time.monotonic() + PAUSE_SECONDS > end:
                raise
        time.sleep(PAUSE_SECONDS)
