"""What is asked of a store that may be away for a while: again, until it answers."""

import time
from collections.abc import Callable
from typing import TypeVar

from workers.refusal import Away

Given = TypeVar("Given")

PAUSE = 5.0
"""Seconds between two tries."""


def patient(ask: Callable[[], Given], seconds: float) -> Given:
    """What `ask` gives; where it raises Away it is asked again, until so many seconds have passed."""
    end = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except Away:
            if time.monotonic() + PAUSE > end:
                raise
        time.sleep(PAUSE)
