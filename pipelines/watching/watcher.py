"""The watching of a study: its view again and again, drawn in place or as plain lines."""

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TextIO

from advcore.pipelines.graph.running.progress import FILE, Nodes, from_text
from advcore.pipelines.graph.settings import structure_study
from advcore.pipelines.reports.page import ClaimRow, claim_row
from advcore.pipelines.watching.page import write_page
from advcore.pipelines.watching.text import describe, short
from advcore.pipelines.watching.view import View, look
from advcore.workers.errors import InputError
from advcore.workers.redaction import last_line

CLAIMS_SECONDS = 30.0
"""Least seconds from one evaluation of claims to the next."""
CLAIMS_REST = 10.0
"""Least pause between two evaluations, as a multiple of the time that the last one took."""
NICE = 10
"""Priority of the evaluation: the study goes first."""


class ClaimsSoFar:
    """The claims of a study that runs, evaluated in a thread, seldom, and after new tables alone.

    `rows` are the last ones, `note` says when they were evaluated, or why there are none.
    """

    def __init__(self) -> None:
        self.rows: list[ClaimRow] = []
        self.note = ""
        self._thread: threading.Thread | None = None
        self._next = 0.0
        self._seen: object = None

    def update(self, view: View, wait: bool) -> None:
        """Evaluate if there is something new and it is time; with `wait`, now and to the end."""
        progress = view.progress
        if progress is None:
            return
        if not progress.nodes.get("tables", Nodes()).done:
            self.note = "no table is complete yet"
            return
        if not _is_ours(view.folder):
            self.note = "not evaluated: others can write its folder, and its own code would run"
            return
        if self._thread is not None and wait:
            self._thread.join()
        seen = (progress.begun, *(own.done for own in progress.nodes.values()))
        idle = self._thread is None or not self._thread.is_alive()
        if idle and seen != self._seen and (wait or time.monotonic() >= self._next):
            self._seen = seen
            work = partial(self._evaluate, progress.settings, view.folder.parent)
            self._thread = threading.Thread(target=work, daemon=True)
            self._thread.start()
            if wait:
                self._thread.join()

    def _evaluate(self, settings: str, out: Path) -> None:
        began = time.monotonic()
        with suppress(OSError):  # this thread alone, where the system knows threads' priorities
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        from advcore.pipelines.watching.evaluating import claims_so_far  # takes seconds

        try:
            study = structure_study(from_text(settings))
            claims = claims_so_far(replace(study, run=replace(study.run, out=str(out))))
            self.rows = [claim_row(name, own) for name, own in claims.items()]
            self.note = f"as of {time.strftime('%H:%M:%S')}"
        except Exception as error:  # of a study's own code too, or of a file that is just moved
            self.note = f"cannot be evaluated here: {last_line(str(error))}"
        took = time.monotonic() - began
        self._next = time.monotonic() + max(CLAIMS_SECONDS, CLAIMS_REST * took)


def _is_ours(folder: Path) -> bool:
    """Return whether a study's folder and its progress can be written by this user alone."""
    places = [(folder / part).stat() for part in ("", FILE)]
    return all(own.st_uid == os.geteuid() and not own.st_mode & 0o022 for own in places)


@dataclass
class Screen:
    """The output: in place on a terminal, else a line whenever something changes."""

    stream: TextIO
    drawn: int = 0
    last: str = ""

    def show(self, view: View, lines: list[str], whole: bool) -> None:
        """Show a study; `whole` asks for all lines also where there is no terminal."""
        if self.stream.isatty():
            self._draw(lines)
        elif whole:
            self._print("\n".join(lines))
        elif short(view) != self.last:
            self.last = short(view)
            self._print(self.last)

    def _print(self, text: str) -> None:
        print(text, file=self.stream, flush=True)

    def _draw(self, lines: list[str]) -> None:
        """Draw over what was drawn before, as much as the terminal has room for."""
        size = shutil.get_terminal_size()
        most = max(1, size.lines - 1)
        if len(lines) > most:
            lines = [*lines[: most - 1], f"... {len(lines) - most + 1} lines more"]
        lines = [line[: size.columns - 1] for line in lines]
        up = f"\x1b[{self.drawn}F" if self.drawn else ""
        self.stream.write(up + "".join(f"\x1b[2K{line}\n" for line in lines) + "\x1b[J")
        self.stream.flush()
        self.drawn = len(lines)


def watch(
    out: Path,
    name: str,
    every: float,
    once: bool = False,
    claims: bool = True,
    page: Path | None = None,
    stream: TextIO | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> int:
    """Show a study every few seconds until it ends, or once; return the exit status.

    0 where it is complete, or runs while it is looked at once; 1 where it ended without all. With
    `claims`, those that can be evaluated are shown; `page` is a file that shows the same in a
    browser. Raises InputError where there is no such study, and for `every` that is not positive.
    """
    if not every > 0:
        raise InputError(f"--every is a number of seconds above 0; got {every}")
    screen, so_far = Screen(stream or sys.stdout), ClaimsSoFar()
    while True:
        view = look(out, name)
        last = once or not view.is_alive
        if claims and not view.claims:
            so_far.update(view, wait=last)
        rows = view.claims or so_far.rows
        note = "" if view.claims else so_far.note
        screen.show(view, describe(view, rows, note), whole=last)
        if page is not None:
            write_page(view, rows, note, None if last else every, page)
        if last:
            return 0 if view.complete or view.is_alive else 1
        pause(every)
