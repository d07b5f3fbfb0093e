"""Patience with a store that is away for a while."""

from collections.abc import Callable
from typing import TypeVar

from advcore.workers.errors import UnavailableError
from advcore.workers.retries import Pauses, retry

T = TypeVar("T")

STORE_AWAY_SECONDS = 600.0
"""Seconds that measured rows wait for a store that is away, beside the tries of each request: to
measure them anew costs more."""
STORE_PAUSE_SECONDS = 5.0
"""Seconds between two tries meanwhile."""


def with_store_retries(ask: Callable[[], T]) -> T:
    """Return what a request of the store returns, repeated for a while if it is unreachable."""
    return retry(
        ask,
        lambda error: isinstance(error, UnavailableError),
        Pauses(STORE_PAUSE_SECONDS, STORE_PAUSE_SECONDS),
        seconds=STORE_AWAY_SECONDS,
    )
