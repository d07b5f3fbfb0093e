"""Signals that end the process, and output that nobody reads any more."""

import os
import select
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType


def on_end(interrupt: Callable[[int, FrameType | None], None]) -> None:
    """Call `interrupt` on SIGTERM, and on SIGHUP when the terminal is closed.

    What was said to that terminal goes nowhere from then on. A SIGHUP that is ignored, as under
    nohup, stays so.
    """
    signal.signal(signal.SIGTERM, interrupt)
    terminals = [
        stream.fileno()
        for stream in (sys.__stdout__, sys.__stderr__)
        if stream is not None and stream.isatty()
    ]

    def hang_up(number: int, frame: FrameType | None) -> None:
        _to_nowhere(*terminals)
        interrupt(number, frame)

    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, hang_up)


def say(text: str) -> None:
    """Print a line to stderr, if it is still open."""
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def nobody_reads() -> bool:
    """True if the reader of stdout or stderr has gone, as `head` does.

    Further output is discarded.
    """
    look = select.poll()
    for stream in (sys.stdout, sys.stderr):
        with suppress(
            OSError, ValueError
        ):  # what stands in a stream's place in tests has no number
            look.register(stream.fileno(), 0)
    gone = [
        descriptor
        for descriptor, event in look.poll(0)
        if event & (select.POLLERR | select.POLLHUP)
    ]
    _to_nowhere(*gone)
    return bool(gone)


def _to_nowhere(*descriptors: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in descriptors:
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
