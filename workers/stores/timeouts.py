"""Timeouts for what has none: a server that nobody runs, a call that never ends."""

import socket
import threading
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

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
        raise TimeoutError(f"no complete answer within {seconds:g} s")
    return given[0]


def check_listening(url: str, seconds: float) -> None:
    """Raises OSError where nobody listens at an http(s) URL, ValueError where it is none.

    Behind a proxy nothing is asked.
    """
    found = urlsplit(url)
    host, port = found.hostname or "", found.port or {"http": 80}.get(found.scheme, 443)
    if found.scheme not in getproxies() or proxy_bypass(host):
        socket.create_connection((host, port), timeout=seconds).close()
