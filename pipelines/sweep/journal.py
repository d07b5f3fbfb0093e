"""The journal of a sweep's trials: one JSON file each, which decides what is finished.

The runs in MLflow follow it.
"""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from advcore.pipelines.machine.environment import environment_tags
from advcore.pipelines.settings.schedulers import Optuna
from advcore.pipelines.sweep.metric_names import curves_of
from advcore.pipelines.sweep.plan import Plan
from advcore.pipelines.sweep.space import Point, label
from advcore.pipelines.sweep.trial import TrialReport
from advcore.pipelines.sweep.trial_files import ENDED, SUFFIXES, Status, Trial, read_trial
from advcore.pipelines.tracking.record import (
    Artifact,
    MetricCurve,
    Metrics,
    Params,
    Run,
    Tags,
    Text,
    Warnings,
)
from advcore.workers.files import atomic_write
from advcore.workers.redaction import plain_without_secrets, shortened, without_secrets

_MLFLOW = {
    "finished": "FINISHED",
    "stopped": "FINISHED",
    "failed": "FAILED",
    "interrupted": "KILLED",
}


class Journal:
    """The record of all trials.

    Its methods are called in this order: started, reported each epoch, ended.

    `watch` is called after each event. Told the same twice, it holds it once: also in MLflow, where
    a trial's run is found again by its key.
    """

    def __init__(
        self, folder: Path, plan: Plan, record: Run, watch: Callable[["Journal"], None]
    ) -> None:
        self.folder, self.plan = folder, plan
        self.trials: dict[str, Trial] = {}
        self.record, self._watch = record, watch
        self._runs: dict[str, Run] = {}
        self._since: dict[str, tuple[float, float]] = {}
        self._environment = environment_tags()

    def begun_points(self) -> list[Point]:
        """Return the points of this sweep that were begun, in their order."""
        every = [read_trial(path) for path in (self.folder / "trials").glob("*.json")]
        own = [trial for trial in every if trial is not None and trial.sweep == self.plan.identity]
        return [trial.point for trial in sorted(own, key=lambda trial: trial.number)]

    def expect(self, point: Point) -> Trial:
        """Return the trial of a point, as an earlier attempt left it, or a new one."""
        key = self.plan.key(point)
        if key not in self.trials:
            trial = read_trial(self.path(key)) or Trial(key, 0, point, self.plan.identity)
            trial.number, trial.sweep = len(self.trials) + 1, self.plan.identity
            lost = trial.status == "finished" and not (
                trial.measured == self.plan.measured and self.model(key).is_file()
            )
            if trial.status == "running" or lost:
                trial.status = "interrupted"
            self.trials[key] = trial
        return self.trials[key]

    def unfinished(self) -> tuple[list[Point], int]:
        """Expect every point of the sweep; return those to be run.

        Also return how many more a searcher is to choose.
        """
        sweep = self.plan.sweep
        for point in sweep.points() or self.begun_points():
            self.expect(point)
        todo = [trial.point for trial in self.trials.values() if trial.status not in ENDED]
        searched = isinstance(sweep.searcher, Optuna)
        return todo, max(0, sweep.trials - len(self.trials)) if searched else 0

    def started(self, point: Point) -> Trial:
        """Record that a trial begins or continues."""
        trial = self.expect(point)
        self._since[trial.key] = (time.monotonic(), trial.seconds)
        if trial.key not in self._runs:
            self._runs[trial.key] = self._open(trial)
        trial.status, trial.error = "running", ""
        self._write(trial)
        return trial

    def reported(self, key: str, report: TrialReport) -> None:
        """Record an epoch; the final numbers come with `finished`."""
        trial = self.trials[key]
        trial.epoch, trial.metrics = report.epoch, dict(report.metrics)
        if report.lineage != trial.lineage:
            trial.lineage = [dict(stretch) for stretch in report.lineage]
            self._runs[key].log(Tags({"advcore.lineage": self.lineage_text(trial)}))
        self._count(trial)
        if report.rows is None:
            self._runs[key].log(Metrics(report.metrics, report.epoch))
        self._write(trial)

    def stored(self, key: str, state: str) -> None:
        """Record where the state of the last epoch is stored."""
        self.trials[key].state = state
        self._write(self.trials[key])

    def finished(self, key: str, report: TrialReport, folder: Path) -> None:
        """Record the final numbers and keep the trained network from `folder`."""
        trial = self.trials[key]
        trial.rows, trial.warnings, trial.measured = (
            dict(report.rows or {}),
            dict(report.warnings),
            self.plan.measured,
        )
        for suffix in SUFFIXES:
            with atomic_write(self.model(key).with_suffix(suffix)) as unfinished:
                shutil.copyfile(folder / f"model{suffix}", unfinished)
        self._hand_in(trial, self._runs[key])
        self.ended(key, "finished")

    def ended(self, key: str, status: Status, error: str = "") -> None:
        """Record that a trial is over, at least in this attempt."""
        trial = self.trials[key]
        self._count(trial)
        self._since.pop(key, None)
        trial.status, trial.error = status, without_secrets(shortened(error))
        run = self._runs.pop(key, None)
        if run is not None:
            self._end(trial, run)
        self._write(trial)

    def close(self) -> None:
        """End runs that an earlier attempt left RUNNING.

        Trials finished before this MLflow run are logged in it.
        """
        for trial in self.trials.values():
            if trial.status == "running":
                self.ended(trial.key, "interrupted")
            elif trial.status != "waiting":
                run = self.run(trial)
                if not run.finished:
                    run = self._open(trial)
                    if trial.status == "finished":
                        self._hand_in(trial, run)
                    self._end(trial, run)

    def run(self, trial: Trial) -> Run:
        """Return a trial's run in MLflow, found by its key."""
        return self.record.child(
            trial.key, f"{trial.number:03d} {label(self.plan.sweep.space, trial.point)}"
        )

    def lineage_text(self, trial: Trial) -> str:
        """Return a lineage in words: `weight=1; after epoch 2: weight=1.25`."""
        words = [
            (stretch["after"], label(self.plan.sweep.space, stretch["settings"]))
            for stretch in trial.lineage
        ]
        return "; ".join(
            f"after epoch {after}: {settings}" if after else settings for after, settings in words
        )

    def seconds(self) -> float:
        """Return the total run time of all trials in seconds, over all attempts."""
        return sum(trial.seconds for trial in self.trials.values())

    def model(self, key: str) -> Path:
        """Return the path of a trial's trained network."""
        return self.folder / "models" / f"{key}.safetensors"

    def path(self, key: str) -> Path:
        """Return the path of a trial's file."""
        return self.folder / "trials" / f"{key}.json"

    def _open(self, trial: Trial) -> Run:
        run = self.run(trial)
        run.start()
        run.log(Params(plain_without_secrets(self.plan.complete(trial.point))))
        run.log(
            Tags(
                {
                    "advcore.trial": trial.key,
                    "advcore.sweep": self.plan.identity,
                    **self._environment,
                }
            )
        )
        return run

    def _hand_in(self, trial: Trial, run: Run) -> None:
        """Log all epochs, the probes' numbers and warnings, and the network."""
        about = json.loads(self.model(trial.key).with_suffix(".json").read_text())
        for epoch, metrics in enumerate(about["metrics"], 1):
            run.log(Metrics(metrics, epoch))
        own = {
            name: value for name, value in trial.metrics.items() if name not in about["metrics"][-1]
        }
        single, curves = curves_of(own)
        asked = {
            name
            for name in (
                self.plan.sweep.metric,
                self.plan.chosen_by,
                *(self.plan.sweep.tradeoff or ()),
            )
            if name
        }
        run.log(
            Metrics(
                {**{name: value for name, value in own.items() if name in asked}, **single},
                trial.epoch,
            )
        )
        for name, (x, y) in curves.items():
            run.log(MetricCurve(name, x, y))
        run.log(Warnings(trial.warnings))
        for suffix in SUFFIXES:
            run.log(Artifact(self.model(trial.key).with_suffix(suffix), "checkpoint"))

    def _end(self, trial: Trial, run: Run) -> None:
        run.log(Tags({"advcore.status": f"{trial.status} after epoch {trial.epoch}"}))
        if trial.error:
            run.log(Text(trial.error, "error.txt"))
        run.end(_MLFLOW[trial.status])

    def _count(self, trial: Trial) -> None:
        if trial.key in self._since:
            start, before = self._since[trial.key]
            trial.seconds = before + time.monotonic() - start

    def _write(self, trial: Trial) -> None:
        with atomic_write(self.path(trial.key)) as unfinished:
            unfinished.write_text(json.dumps(asdict(trial), indent=1))
        self._watch(self)
