"""The calls of Ray Tune while trials run: a callback that writes the journal, and a stopper.

Import this module only once Ray runs.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray import tune

from advcore.pipelines.sweep.journal import Journal
from advcore.pipelines.sweep.trial import TrialReport


class JournalCallback(tune.Callback):
    """A callback of Tune that writes to the journal.

    Pickled it is empty: Tune pickles callbacks for a restore that never happens.

    Tune goes on when a callback fails: what fails here is kept in `error`, and is raised at the
    end.
    """

    def __init__(self, journal: Journal) -> None:
        self.journal: Journal | None = journal
        self.error: Exception | None = None
        self._keys: dict[str, str] = {}
        self._last: dict[str, TrialReport | str] = {}
        self._checkpoints: dict[str, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"journal": None, "error": None, "_keys": {}, "_last": {}, "_checkpoints": {}}

    def on_trial_start(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """Record that a trial begins."""
        self._keep(lambda journal: self._start(journal, trial))

    def on_trial_result(
        self, iteration: int, trials: Any, trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Record an epoch."""
        told = result["told"]
        self._last[trial.trial_id] = told["refused"] if "refused" in told else TrialReport(**told)
        if "refused" not in told:
            self._keep(
                lambda journal: journal.reported(self._keys[trial.trial_id], TrialReport(**told))
            )

    def on_checkpoint(
        self, iteration: int, trials: Any, trial: Any, checkpoint: Any, **info: Any
    ) -> None:
        """Record where the state is stored."""
        self._checkpoints[trial.trial_id] = checkpoint
        self._keep(lambda journal: journal.stored(self._keys[trial.trial_id], checkpoint.path))

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """Record that a trial ended."""
        self._keep(lambda journal: self._end(journal, trial))

    def on_trial_error(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """Record that a trial failed."""
        self._keep(
            lambda journal: journal.ended(
                self._start(journal, trial), "failed", failure_reason(_error_text(trial))
            )
        )

    def _start(self, journal: Journal, trial: Any) -> str:
        if (
            trial.trial_id not in self._keys
            or journal.trials[self._keys[trial.trial_id]].status != "running"
        ):
            own = trial.config["trial"]
            known = self._keys.get(trial.trial_id) or own.get(
                "key"
            )  # in a population the settings may be another one's by now
            self._keys[trial.trial_id] = journal.started(
                journal.trials[known].point if known else own["point"]
            ).key
        return self._keys[trial.trial_id]

    def _end(self, journal: Journal, trial: Any) -> None:
        key, last = self._keys[trial.trial_id], self._last.get(trial.trial_id)
        if isinstance(last, str):
            journal.ended(key, "failed", last)
        elif last is None or last.rows is None:
            journal.ended(key, "stopped")
        else:
            with self._checkpoints[trial.trial_id].as_directory() as folder:
                journal.finished(key, last, Path(folder))

    def _keep(self, tell: Callable[[Journal], object]) -> None:
        try:
            if self.error is None and self.journal is not None:
                tell(self.journal)
        except Exception as error:
            # MLflow that went away, a full disk: told to the user at the end
            self.error = error


class StopAll(tune.Stopper):
    """A stopper that stops all trials when `over` says so; pickled, it never does."""

    def __init__(self, over: Callable[[], bool]) -> None:
        self._over: Callable[[], bool] | None = over

    def __getstate__(self) -> dict[str, Any]:
        return {"_over": None}

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Return False: no trial is stopped by itself."""
        return False

    def stop_all(self) -> bool:
        """Return whether all trials have to stop."""
        return self._over is not None and self._over()


def _error_text(trial: Any) -> str:
    """Return the text that Tune wrote of a trial's failures.

    It stands on this machine first; in the storage only where the trial came to write there.
    """
    local = trial.error_file
    if local and Path(local).is_file():
        return Path(local).read_text(errors="replace")
    return trial.get_error() or "Ray Tune tells no reason"


def failure_reason(error: str) -> str:
    """Return why a trial failed: Ray's own text.

    Where a node lacks advcore, a last line says what mends it.
    """
    if re.search(r"No module named 'advcore\b", error) is None:
        return error
    place = re.search(r"\bip[=:] ?([\w.:]+)", error)
    node = f"on node {place[1]}" if place else "on a node of this Ray"
    return f"{error}\nadvcore is not installed {node}: install its checkout there, as here"
