"""Logging in the background: entries are queued, and retried while MLflow is unreachable.

Only the end of a run waits for MLflow, up to a limit. The store is the truth: what was not logged
is logged by the next run of the same study, which finds its MLflow run unfinished and writes all of
it.
"""

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass
from functools import partial

from tqdm import tqdm

from advcore.pipelines.tracking.client import (
    CLIENT_SETTINGS,
    FIRST_CONTACT_SETTINGS,
    LAST_WORD_SETTINGS,
    retry_settings,
)
from advcore.pipelines.tracking.record import Entry, Run
from advcore.workers.errors import InputError, UnavailableError
from advcore.workers.redaction import shortened, without_secrets
from advcore.workers.retries import Pauses, retry

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 15.0
"""Seconds between two tries: at first, then twice as many each time, and at most."""

INTERRUPTED_WAIT_SECONDS = 5.0
"""Seconds that an interrupted run waits for MLflow: whoever stopped it waits too."""


class Ledger:
    """A queue of log entries, written one after the other by a thread.

    An entry that fails by `UnavailableError` is tried again, with growing pauses, and those behind
    it wait; one that fails otherwise is left out, and told by `settle`. `tell` is given a line when
    MLflow goes, and when it comes back.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._entries: deque[Callable[[], object]] = deque()
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None
        self._away: tuple[str, str] | None = None
        self._refused: dict[str, int] = {}
        self._over = False
        self._moved = 0.0

    def put(self, entry: Callable[[], object]) -> None:
        """Queue an entry and return at once."""
        with self._change:
            self._entries.append(entry)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="MLflow", daemon=True)
                self._thread.start()
            self._change.notify_all()

    def settle(self, seconds: float) -> str:
        """Wait until all is written; return what is not, in one line.

        It waits up to `seconds` for each entry; the line is empty when all is written.
        """
        with self._change:
            self._moved = time.monotonic()
            while self._entries and (left := self._moved + seconds - time.monotonic()) > 0:
                self._change.wait(left)
            told = [f"{reason} ({count} entries)" for reason, count in self._refused.items()]
            if self._entries:
                since, reason = self._away or (time.strftime("%H:%M:%S"), "it is slow")
                told.append(f"{len(self._entries)} entries are not logged: {reason}, since {since}")
        return "; ".join(told)

    def close(self) -> None:
        """Give up the entries that are left."""
        with self._change:
            self._over = True
            self._change.notify_all()

    def _work(self) -> None:
        while (entry := self._next()) is not None:
            write = partial(_write, entry)
            try:
                retry(
                    write,
                    self._is_away,
                    Pauses(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS),
                    wait=self._is_over_after,
                )
            except UnavailableError:
                continue  # it is over, and the entry is left
            except Exception as error:
                # whatever MLflow makes of it: the work goes on, the end tells
                reason = without_secrets(" ".join(shortened(str(error)).split()))
                self._refused[reason] = self._refused.get(reason, 0) + 1
            self._done()

    def _is_away(self, error: Exception) -> bool:
        """Tell that MLflow is unreachable, if that is the error."""
        if isinstance(error, UnavailableError):
            self._gone(str(error))
            return True
        return False

    def _is_over_after(self, seconds: float) -> bool:
        with self._change:
            return self._change.wait_for(lambda: self._over, seconds)

    def _next(self) -> Callable[[], object] | None:
        """Return the entry to write now; None at the end."""
        with self._change:
            self._change.wait_for(lambda: self._entries or self._over)
            return None if self._over else self._entries[0]

    def _done(self) -> None:
        if self._away is not None:
            self._tell(f"MLflow is back, after it was away since {self._away[0]}")
            self._away = None
        with self._change:
            self._entries.popleft()
            self._moved = time.monotonic()
            self._change.notify_all()

    def _gone(self, reason: str) -> None:
        if self._away is None:
            self._away = time.strftime("%H:%M:%S"), reason
            self._tell(
                f"{reason.partition(';')[0]}; the work goes on, and what is to be logged waits"
            )


def _write(entry: Callable[[], object]) -> None:
    with retry_settings(CLIENT_SETTINGS):
        entry()


def start_run(record: Run, describe: Callable[[], None]) -> None:
    """Start a run and log its definition.

    Raises InputError where that cannot be written; then the run is ended.
    """
    try:
        with retry_settings(FIRST_CONTACT_SETTINGS):
            record.start()
            describe()
    except BaseException as error:
        with suppress(InputError), retry_settings(LAST_WORD_SETTINGS):
            record.end("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        raise


@dataclass
class Log:
    """A run that is being logged, its final status, and at the end what MLflow still lacks."""

    run: Run
    status: str = "FAILED"
    unlogged: str = ""


@contextmanager
def background_log(opened: Run, wait: float) -> Iterator[Log]:
    """Log a run in the background; at the end wait up to `wait` seconds for each entry left.

    It ends with the `status` that the block has set, KILLED after an interrupt, which waits a few
    seconds only.
    """
    ledger = Ledger(lambda line: tqdm.write(f"advcore: {line}", file=sys.stderr))
    log = Log(BackgroundRun(ledger, lambda: opened))
    whole = False
    try:
        yield log
        whole = True
    except KeyboardInterrupt:
        log.status, wait = "KILLED", min(wait, INTERRUPTED_WAIT_SECONDS)
        raise
    finally:
        log.run.end(log.status)
        log.unlogged = ledger.settle(wait)
        ledger.close()
        if log.unlogged and not whole:
            print(f"advcore: not all is in MLflow: {log.unlogged}", file=sys.stderr)


class BackgroundRun:
    """A run whose entries are written by a ledger.

    `opened` opens the run itself, in the ledger's thread.
    """

    def __init__(self, ledger: Ledger, opened: Callable[[], Run]) -> None:
        self._ledger, self._opened = ledger, opened
        self._run: Run | None = None

    @property
    def id(self) -> str:
        """The run's own id.

        It waits briefly for the answer, and is empty without one.
        """
        self._open()
        return self._run.id if self._run is not None else ""

    @property
    def finished(self) -> bool:
        """True if the run was finished when it was opened.

        It waits briefly for the answer, and is False without one.
        """
        self._open()
        return self._run is not None and self._run.finished

    def start(self) -> None:
        """Start the run, later."""
        self._ledger.put(lambda: self._own().start())

    def log(self, entry: Entry) -> None:
        """Write the entry as it is now, later."""
        kept = deepcopy(entry)
        self._ledger.put(lambda: self._own().log(kept))

    def child(self, key: str, name: str) -> Run:
        """Return a run inside this one, which is opened later."""
        return BackgroundRun(self._ledger, lambda: self._own().child(key, name))

    def other(self, run: str) -> Run:
        """Return the run with this id, which is opened later."""
        return BackgroundRun(self._ledger, lambda: self._own().other(run))

    def end(self, status: str = "FINISHED") -> None:
        """End the run, later."""
        self._ledger.put(lambda: self._own().end(status))

    def _open(self) -> None:
        if self._run is None:
            self._ledger.put(self._own)
            self._ledger.settle(FIRST_PAUSE_SECONDS)

    def _own(self) -> Run:
        if self._run is None:
            self._run = self._opened()
        return self._run
