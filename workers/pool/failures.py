"""Failures of the actors of a run.

When another one may be started, when no more are, and Ray's own reason.
"""

import re
from collections import defaultdict
from dataclasses import dataclass, field

from advcore.workers.errors import InputError, RunInterruptedError
from advcore.workers.redaction import LINE, shortened, without_secrets
from advcore.workers.retries import Pauses

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 60.0
"""Seconds until another actor is started in place of one that could not start: at first, then twice
as many each time, and at most."""
MOST_FAILED_STARTS = 4
"""Number of actors that may be killed as they start before any was ever ready; those of one pause
count once."""
MOST_LOST_ACTORS = 6
"""Number of actors that may be lost over tasks of one name without one result of it between; those
of one pause count once."""
STRANDED_SECONDS = 600.0
"""Seconds for which all that are started may be unable to start, where others could before."""

_KILLED = (
    "workers are killed during start-up, most often because memory runs out: give the machine or "
    "the container more, or ask for fewer workers"
)


@dataclass
class Backoff:
    """A pause that doubles with each failure and ends with a success.

    Failures within one pause count once.

    The driver has other tasks meanwhile: it does not wait, it compares `until`.

    Attributes:
        free: number of failures in a row that cost no pause.
        count: number of failures in a row.
        until: time of `time.monotonic` when the pause ends, in seconds.
    """

    free: int = 0
    count: int = 0
    until: float = 0.0

    def failed(self, now: float) -> None:
        """Note a failure at time `now`, in seconds, and set the end of the pause."""
        if now >= self.until:
            self.count += 1
            paid = self.count - self.free
            pauses = Pauses(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
            self.until = now + (pauses.after(paid) if paid > 0 else 0.0)


@dataclass
class FailureLog:
    """The books of failures.

    `started` says whether any actor was ever ready, `reason` what Ray said of the last one lost.
    """

    started: bool = False
    reason: str = ""
    _starts: Backoff = field(default_factory=Backoff)
    _losses: dict[str, Backoff] = field(
        default_factory=lambda: defaultdict(lambda: Backoff(free=1))
    )
    _stranded_since: float | None = None
    _waits: bool = False  # for those that are starting still: one of them may be able to

    def may_start(self, now: float) -> bool:
        """Return whether another actor may be started at this time."""
        return not self._waits and now >= max(
            [self._starts.until, *(loss.until for loss in self._losses.values())]
        )

    def ready(self) -> None:
        """Note that an actor can start."""
        self.started, self._waits, self._stranded_since = True, False, None
        self._starts = Backoff()

    def measured(self, name: str) -> None:
        """Note a result of a task of this name."""
        self._losses.pop(name, None)

    def lost(self, name: str, error: BaseException, now: float) -> None:
        """Note that an actor went away over a task of this name.

        A machine that goes takes all its actors along: no fault of the task's.
        """
        self.reason = reason_of(error)
        if not ("node has died" in str(error) or getattr(error, "preempted", False)):
            self._losses[name].failed(now)

    def is_given_up(self, name: str) -> bool:
        """Return whether tasks of this name have lost too many actors with no result between."""
        return name in self._losses and self._losses[name].count >= MOST_LOST_ACTORS

    def start_failed(
        self, error: BaseException, now: float, any_ready: bool, any_left: bool
    ) -> None:
        """Note that an actor died before it was ready.

        Raises InputError where none ever could start: at once where their own code fails in all of
        them, else after some tries; and RunInterruptedError where none can any more for a long
        time.
        """
        self.reason = reason_of(error)
        own_fault = bool(getattr(error, "actor_init_failed", False))
        if not self.started:
            self._waits = own_fault
            if not own_fault:
                self._starts.failed(now)
            if not any_left and (own_fault or self._starts.count >= MOST_FAILED_STARTS):
                raise InputError(f"no Ray worker can start: {self._why(own_fault)}") from error
            return
        self._starts.failed(now)
        if any_ready:
            self._stranded_since = None
        elif self._stranded_since is None:
            self._stranded_since = now
        elif now - self._stranded_since > STRANDED_SECONDS:
            raise RunInterruptedError(
                f"no Ray worker could start for {now - self._stranded_since:.0f} s: {self.reason}"
            )

    def _why(self, own_fault: bool) -> str:
        if own_fault:
            return self.reason
        killed = "process has died" in self.reason or "memory" in self.reason
        return f"{_KILLED if killed else 'workers exit during start-up'} ({self.reason})"


def reason_of(error: BaseException) -> str:
    """Return Ray's reason for an actor's end, in one line without secrets.

    An exception in the actor's own code gives its last line.
    """
    text = str(error).strip()
    found = re.search(
        r"The actor is dead because (.*?)(?:Some common causes|The actor never ran|$)",
        text,
        re.DOTALL,
    )
    said = (
        text.split("\n")[-1]
        if getattr(error, "actor_init_failed", False) or not found
        else found[1]
    )
    return without_secrets(" ".join(shortened(said, LINE).split())) or type(error).__name__
