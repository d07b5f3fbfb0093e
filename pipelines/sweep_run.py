"""The driver of a sweep: what is unfinished runs, what is finished is shown."""

import hashlib
import json
import shutil
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml

from pipelines import figures, schema, trials_table
from pipelines.claims import Measured
from pipelines.environment import environment_tags
from pipelines.live import Live
from pipelines.prepare import prepare
from pipelines.record import NullRun, Run
from pipelines.run import claimed
from pipelines.schedulers import FIFO, Optuna
from pipelines.search import Point
from pipelines.study import RunSettings
from pipelines.sweep import Sweep
from pipelines.sweep_record import ENDED, Journal, Trial
from pipelines.tracking import make_tracker
from pipelines.train import Training, TrainSettings
from pipelines.trained import on_data
from pipelines.trial import Plan, reports, study_of
from pipelines.trials_charts import charts
from workers.datasets import load
from workers.models import content_hash
from workers.pool import RayPool
from workers.refusal import Refused
from workers.store import open_store


@dataclass(frozen=True)
class SweepReport:
    """What a sweep came to: its trials in the order of their points, those that ran now, the best, claims, why it is not complete."""

    sweep: Sweep
    trials: list[Trial]
    ran: int
    best: Trial | None
    claims: dict[str, Measured | str]
    problems: list[str]
    folder: Path
    figures: list[Path] = field(default_factory=list)


def sweep(sweep: Sweep, verbose: bool = False) -> SweepReport:
    """Run the trials that are not finished yet and report on all of them.

    Raises Refused before any work for what cannot work. A trial that fails is reported, the others go on. An interrupt leaves the
    finished epochs of every trial and goes through; the next run goes on from there, in the same MLflow runs.
    """
    sweep.run.check()
    out = Path(sweep.run.out).absolute()
    plan = _plan(sweep, out)
    todo = sweep.points()
    _check(sweep, plan, todo)
    runner = _runner(sweep, plan, verbose)
    open_store(plan.store)
    identity = _identity(sweep, plan)
    record = make_tracker(sweep.run.track, sweep.run.tracking_uri, out).open(sweep.run.experiment, identity, sweep.name)
    journal = Journal(out / sweep.name, plan, identity, record, Live(sweep.name, sweep.metric))
    for point in todo or journal.remembered():
        journal.expect(point)
    unfinished = [trial.point for trial in journal.trials.values() if trial.status not in ENDED]
    more = max(0, sweep.trials - len(journal.trials)) if isinstance(sweep.searcher, Optuna) else 0
    if not unfinished and not more and record.finished:
        record = NullRun()  # all is there already, also in MLflow; only the figures may be drawn anew
    status = "FAILED"
    try:
        record.start()
        _describe(record, sweep, plan, identity)
        over = _Budget(sweep, journal)
        if unfinished or more:
            runner(journal, unfinished, more, over)
        journal.close()
        report = _report(sweep, plan, journal, len(unfinished) + more, over.reason)
        _track(record, report)
        status = "KILLED" if over.reason else "FAILED" if report.problems else "FINISHED"
        return report
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        journal.close()
        record.end(status)


class _Budget:
    """Whether time or money is spent; `reason` says which."""

    def __init__(self, sweep: Sweep, journal: Journal) -> None:
        self._settings, self._journal = sweep.run, journal
        self._start = time.monotonic()
        self.reason = ""

    def __call__(self) -> bool:
        own = self._settings
        hours = self._journal.seconds() / 3600
        spent = {
            "time_budget_s": (time.monotonic() - self._start, own.time_budget_s),
            "gpu_hours": (hours * own.gpus, own.gpu_hours),
            "cost": (hours * (own.cost_per_hour or 0), own.cost),
        }
        for name, (value, limit) in spent.items():
            if limit is not None and value >= limit:
                self.reason = f"run.{name} is spent: {value:.4g} of {limit:g}"
        return bool(self.reason)


Runner = Callable[[Journal, list[Point], int, _Budget], None]
"""Runs unfinished points, then so many more that a searcher chooses."""


def _plan(sweep: Sweep, out: Path) -> Plan:
    training = replace(sweep.base(), run=TrainSettings(threads=sweep.run.cpus, device="cuda" if sweep.run.gpus else "cpu"))
    if sweep.data is not None:
        training = on_data(training, sweep.data, load(sweep.data))
    training = replace(training, name=sweep.name)
    if training.model.checkpoint is not None:
        path = str(Path(training.model.checkpoint).absolute())
        training = replace(training, model=replace(training.model, checkpoint=path))
    origin = [content_hash(training.model), load(training.data).digest]
    if training.test is not None:
        origin.append(load(training.test).digest)
    own = sweep.run
    run = RunSettings(threads=own.cpus, shard_size=own.shard_size, seed=own.seed, dtype=own.dtype)
    judged = getattr(sweep.scheduler, "metric", None)
    return Plan(training, sweep.space, tuple(origin), sweep.probes, sweep.data, run, str(out / "store"), judged)


def _check(sweep: Sweep, plan: Plan, todo: list[Point]) -> None:
    """Raise Refused for a point that is no training, or for a network that the probes cannot measure."""
    seen = set()
    for training in [plan.at(point) for point in todo] or [plan.training]:
        parts = [training.model, training.data, training.test, *map(type, training.recipe.objective.values())]
        if repr(parts) not in seen:
            seen.add(repr(parts))
            loaded(training)
            study = study_of(plan, training, None)
            if study is not None:
                prepare(study)


def _runner(sweep: Sweep, plan: Plan, verbose: bool) -> Runner:
    """The place that the settings name. Raises Refused where it cannot work."""
    if sweep.run.runner == "ray":
        pool = RayPool(plan.store, sweep.run.concurrent, sweep.run.cpus, sweep.run.gpus, sweep.run.address, verbose)
        pool.check()
        return lambda journal, todo, more, over: _on_ray(sweep, plan, pool, journal, todo, more, over)
    if not isinstance(sweep.scheduler, FIFO) or isinstance(sweep.searcher, Optuna):
        raise Refused("run.runner inline has one trial after the other, by fifo and random: use runner: ray for other ones")
    return lambda journal, todo, _, over: _inline(sweep, plan, journal, todo, over)


def _on_ray(sweep: Sweep, plan: Plan, pool: RayPool, journal: Journal, todo: list[Point], more: int, over: _Budget) -> None:
    with pool.session():
        from pipelines import tuning  # it imports Ray, whose environment is made by now

        storage = sweep.run.storage or str(Path(sweep.run.out).absolute() / "storage")
        place = tuning.Place(sweep.run, f"{storage.rstrip('/')}/{sweep.name}", sweep.scheduler, over)
        if todo:
            tuning.run_trials(plan, todo, journal, place)
        if more and sweep.metric is not None and isinstance(sweep.searcher, Optuna) and not over():
            tuning.search_trials(plan, sweep.searcher, sweep.metric, sweep.mode, more, journal, place)


def _inline(sweep: Sweep, plan: Plan, journal: Journal, todo: list[Point], over: _Budget) -> None:
    """One trial after the other, in this process."""
    storage = Path(sweep.run.storage or Path(sweep.run.out) / "storage").absolute() / sweep.name
    for point in todo:
        if over():
            return
        trial = journal.started(point)
        folder = storage / trial.key
        try:
            for report in reports(plan, point, folder):
                journal.reported(trial.key, report.epoch, report.metrics)
                if report.rows is not None:
                    journal.finished(trial.key, report.rows, report.warnings, folder)
                elif over():
                    return
        except (Refused, FloatingPointError) as error:
            journal.ended(trial.key, "failed", f"{type(error).__name__}: {error}")
        except Exception:  # a probe or a term may be a user's own code
            journal.ended(trial.key, "failed", traceback.format_exc())
