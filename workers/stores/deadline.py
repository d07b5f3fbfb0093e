"""A time limit for calls that know none.

For example a server whose answer drips, or a library that waits between any two bytes.
"""

import threading
from collections.abc import Callable
from typing import TypeVar

Given = TypeVar("Given")


def within(seconds: float, ask: Callable[[], Given]) -> Given:
    """Return what `ask` gives, or raise what it raises.

    Raises TimeoutError where it takes longer; it then goes on in its own thread, unheard.
    """
    given: list[Given] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            given.append(ask())
        except BaseException as error:  # it is raised where it was asked
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if raised:
        raise raised[0]
    if not given:
        raise TimeoutError(f"no whole answer within {seconds:g} s")
    return given[0]
