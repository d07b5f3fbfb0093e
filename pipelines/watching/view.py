"""A study by its name, as its folder and its lock show it: it runs, ended, or was killed."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from advcore.pipelines.graph.reporting.report import RESULTS
from advcore.pipelines.graph.running.progress import FILE, REPORTED, StudyProgress
from advcore.pipelines.graph.running.progress_log import PULSE_SECONDS
from advcore.pipelines.machine.lock import FOLDER, Holder, find_holder
from advcore.pipelines.reports.page import ClaimRow, claim_row
from advcore.pipelines.settings.messages import suggestion
from advcore.pipelines.settings.names import check_name
from advcore.workers.errors import InputError

State = Literal["begins", "runs", "ended", "stopped"]
"""State of a study: begins, with its checks; runs; ended, in the way that its progress says;
stopped, where its process is gone and has not told its end."""


@dataclass(frozen=True)
class View:
    """A study as it is now.

    Attributes:
        name: its name.
        state: whether it runs.
        folder: folder of its results.
        holder: process that runs it, in words; empty where none does.
        progress: how far it is; None where nothing is known.
        claims: claims of the report that it ended with.
        complete: whether it ended with all that it names.
    """

    name: str
    state: State
    folder: Path
    holder: str = ""
    progress: StudyProgress | None = None
    claims: Sequence[ClaimRow] = ()
    complete: bool = False

    @property
    def is_alive(self) -> bool:
        """True while a process works on it."""
        return self.state in ("begins", "runs")


def look(out: Path, name: str) -> View:
    """Look at the study of a name in a folder of results.

    Raises InputError where there is none, with names that are near.
    """
    _check(out, name)
    folder = out / name
    try:
        holder = find_holder(out, "study", name)
    except OSError:  # no locks here: by the signs of life
        return _by_pulse(name, folder)
    progress = StudyProgress.read(folder)
    if holder is not None and (progress is None or not _is_of(progress, holder)):
        return View(name, "begins", folder, str(holder))
    if holder is not None and progress is not None and progress.is_running:
        return View(name, "runs", folder, str(holder), progress)
    return _without_process(name, folder, progress)


def _by_pulse(name: str, folder: Path) -> View:
    """Look at a study by the time when its progress was written."""
    progress = StudyProgress.read(folder)
    if progress is None or time.time() - progress.written > 3 * PULSE_SECONDS:
        return _without_process(name, folder, progress)
    if progress.is_running:
        who = f"process {progress.pid} on {progress.host}"
        return View(name, "runs", folder, who, progress)
    return _without_process(name, folder, progress)


def _without_process(name: str, folder: Path, progress: StudyProgress | None) -> View:
    if progress is not None and progress.is_running:
        return View(name, "stopped", folder, "", progress)
    if progress is not None and progress.phase not in REPORTED:
        return View(name, "ended", folder, "", progress)
    claims, complete = _results(folder)
    return View(name, "ended", folder, "", progress, claims, complete)


def _is_of(progress: StudyProgress, holder: Holder) -> bool:
    """Return whether a progress is that of the process that holds the lock, and of this run."""
    try:
        since = datetime.fromisoformat(holder.since).timestamp()
    except ValueError:
        return False
    same = (progress.host, progress.pid) == (holder.host, holder.pid)
    return same and progress.begun >= since - 1  # `since` is of whole seconds


def _results(folder: Path) -> tuple[Sequence[ClaimRow], bool]:
    """Return the claims of a study's results, and whether these are complete."""
    try:
        results = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
        claims = [claim_row(name, own) for name, own in results["claims"].items()]
        return claims, results["complete"] is True
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return (), False


def _check(out: Path, name: str) -> None:
    """Raise InputError for what is no name, or no name of a study that was begun here."""
    try:
        check_name(name)
    except ValueError as error:
        raise InputError(f"expected the name of a study: {error}") from error
    known = _studies(out)
    if name not in known:
        there = f"; there are {', '.join(known[:20])}" if known else ""
        raise InputError(
            f"no study {name} was begun in {out}{suggestion(name, known)}{there}; "
            f"`advcore run {name}` begins it, --out names another folder of results"
        )


def _studies(out: Path) -> list[str]:
    """Return the names of the studies that were begun in a folder of results."""
    locked = {path.name.removeprefix("study-") for path in (out / FOLDER).glob("study-*")}
    written = {path.parent.name for file in (FILE, RESULTS) for path in out.glob(f"*/{file}")}
    return sorted(locked | written)
