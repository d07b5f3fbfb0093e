"""Signals that end the process, and output that nobody reads any more."""

import io
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from types import FrameType
from typing import TextIO


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


@contextmanager
def interrupts_noted() -> Iterator[threading.Event]:
    """Let Ctrl-C and SIGTERM set an event for the time of the block; a second one ends the process.

    An exception in the main thread, wherever it is, could leave a lock closed that other threads
    wait for: logging's, where Ray is just starting. Outside the main thread nothing is changed.
    """
    noted = threading.Event()

    def note(number: int, frame: FrameType | None) -> None:
        if noted.is_set():
            os._exit(130)
        noted.set()

    if threading.current_thread() is not threading.main_thread():
        yield noted
        return
    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class LinesByStudy(io.TextIOBase):
    """A stream that several studies write to: each line begins with the name of its own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._begun: dict[int, str] = {}

    def write(self, text: str) -> int:
        """Write whole lines, and keep the beginning of one until it ends."""
        thread = threading.get_ident()
        *lines, rest = (self._begun.pop(thread, "") + text).split("\n")
        name = _SPEAKER.get()
        for line in lines:
            self._stream.write(f"{name}: {line}\n" if name and line else f"{line}\n")
        if lines:
            self._stream.flush()
        if rest:
            self._begun[thread] = rest
        return len(text)

    def flush(self) -> None:
        """Flush the stream below."""
        self._stream.flush()

    def fileno(self) -> int:
        """Return the number of the stream below."""
        return self._stream.fileno()


_SPEAKER: ContextVar[str] = ContextVar("speaker", default="")


@contextmanager
def speaking(name: str) -> Iterator[None]:
    """Let lines of this thread begin with a name, where they go to `LinesByStudy`."""
    token = _SPEAKER.set(name)
    try:
        yield
    finally:
        _SPEAKER.reset(token)


@contextmanager
def lines_by_study() -> Iterator[None]:
    """Let stderr be a stream of `LinesByStudy` for the time of the block."""
    before = sys.stderr
    sys.stderr = LinesByStudy(before)
    try:
        yield
    finally:
        sys.stderr = before


def _to_nowhere(*descriptors: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in descriptors:
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
