"""A live table of a sweep's trials in the terminal, or plain lines without a terminal."""

import shutil
import sys
import time
from typing import TextIO

from advcore.pipelines.reports.tables import format_number
from advcore.pipelines.sweep.journal import Journal
from advcore.pipelines.sweep.space import label
from advcore.pipelines.sweep.trial_files import Trial
from advcore.workers.redaction import LINE, shortened

SHOWN_ROWS = 12
"""Rows at most: those that run, then those that were done last."""

REFRESH_SECONDS = 0.5
"""Seconds between two drawings."""


class Live:
    """A callback that shows the journal after each event.

    `metric` is the number shown beside the epoch.
    """

    def __init__(self, name: str, metric: str | None, stream: TextIO | None = None) -> None:
        self._name, self._metric = name, metric
        self._stream = stream or sys.stderr
        self._drawn, self._last = 0, 0.0
        self._printed_status: dict[str, str] = {}
        self._start = time.monotonic()

    def __call__(self, journal: Journal) -> None:
        """Show the journal's trials."""
        if not self._stream.isatty():
            self._tell(journal)
        elif time.monotonic() - self._last > REFRESH_SECONDS or all(
            trial.status != "running" for trial in journal.trials.values()
        ):
            self._draw(journal)

    def _tell(self, journal: Journal) -> None:
        """Print a line for each trial that has begun or ended."""
        for trial in journal.trials.values():
            before = self._printed_status.get(trial.key)
            if trial.status != before and (before is not None or trial.status == "running"):
                print(f"{self._name}: {self._line(journal, trial)}", file=self._stream, flush=True)
            self._printed_status[trial.key] = trial.status

    def _draw(self, journal: Journal) -> None:
        """Draw the table over the last one."""
        trials = list(journal.trials.values())
        running = [trial for trial in trials if trial.status == "running"]
        others = [trial for trial in trials if trial.status not in ("running", "waiting")]
        shown = sorted(
            [*running, *others[-max(0, SHOWN_ROWS - len(running)) :]][:SHOWN_ROWS],
            key=lambda trial: trial.number,
        )
        done = len(others)
        head = (
            f"{self._name}: {done} of {len(trials)} trials ended, {len(running)} run, "
            f"{time.monotonic() - self._start:.0f} s"
        )
        width = shutil.get_terminal_size().columns - 1
        lines = [
            line[:width] for line in (head, *(f"  {self._line(journal, trial)}" for trial in shown))
        ]
        up = f"\x1b[{self._drawn}F" if self._drawn else ""
        self._stream.write(up + "".join(f"\x1b[2K{line}\n" for line in lines) + "\x1b[J")
        self._stream.flush()
        self._drawn, self._last = len(lines), time.monotonic()

    def _line(self, journal: Journal, trial: Trial) -> str:
        words = [
            f"{trial.number:>3}",
            label(journal.plan.sweep.space, trial.settings),
            trial.status,
            f"epoch {trial.epoch}",
        ]
        value = trial.metrics.get(self._metric or "")
        words += [f"{self._metric} {format_number(value)}"] if value is not None else []
        words += [shortened(trial.error.strip().splitlines()[-1], LINE)] if trial.error else []
        return "  ".join(words)
