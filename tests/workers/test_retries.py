"""Calls are repeated while what they raise may pass, after growing pauses, up to a limit."""

from collections.abc import Callable

import pytest

from advcore.workers.errors import InputError, UnavailableError
from advcore.workers.retries import Pauses, retry


def is_away(error: Exception) -> bool:
    return isinstance(error, UnavailableError)


def failing(times: int, error: type[Exception] = UnavailableError) -> Callable[[], int]:
    """A call that fails so many times, then returns the number of its calls."""
    calls = [0]

    def call() -> int:
        calls[0] += 1
        if calls[0] <= times:
            raise error(f"call {calls[0]}")
        return calls[0]

    return call


def test_pauses_double_up_to_the_longest() -> None:
    pauses = Pauses(1.0, 60.0)
    assert [pauses.after(failures) for failures in range(1, 9)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert pauses.after(10**6) == 60
    assert Pauses(0.0, 60.0).after(7) == 0


def test_a_call_is_repeated_after_growing_pauses() -> None:
    waited: list[float] = []
    assert retry(failing(4), is_away, Pauses(0.5, 3.0), wait=waited.append) == 5
    assert waited == [0.5, 1, 2, 3]


def test_what_is_not_retryable_is_raised_at_once() -> None:
    waited: list[float] = []
    with pytest.raises(InputError, match="call 1"):
        retry(failing(1, InputError), is_away, Pauses(0.5, 3.0), wait=waited.append)
    assert waited == []


def test_the_last_error_is_raised_at_a_limit() -> None:
    waited: list[float] = []
    with pytest.raises(UnavailableError, match="call 3"):
        retry(failing(9), is_away, Pauses(1.0, 9.0), tries=3, wait=waited.append)
    assert waited == [1, 2]
    assert retry(failing(2), is_away, Pauses(1.0, 9.0), tries=3, wait=waited.append) == 3
    with pytest.raises(UnavailableError, match="call 1"):
        retry(failing(1), is_away, Pauses(5.0, 5.0), seconds=4.0, wait=waited.append)


def test_whoever_waits_may_stop_it() -> None:
    with pytest.raises(UnavailableError, match="call 2"):
        retry(failing(9), is_away, Pauses(1.0, 9.0), wait=lambda pause: pause == 2)
