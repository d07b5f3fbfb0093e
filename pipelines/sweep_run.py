"""The driver of a sweep: what is unfinished runs, what is finished is shown."""

import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pipelines import schema
from pipelines.choice import check_metrics
from pipelines.environment import environment_tags
from pipelines.fetch import portable
from pipelines.live import Live
from pipelines.lock import alone
from pipelines.patient import begin, patiently
from pipelines.record import NullRun, Run
from pipelines.schedulers import FIFO, Optuna
from pipelines.search import Point
from pipelines.study import check_alone
from pipelines.sweep import Sweep
from pipelines.sweep_plan import Plan, check_points, defining, plan_of
from pipelines.sweep_record import ENDED, Journal
from pipelines.sweep_report import SweepReport, report_of, track
from pipelines.tracking import make_tracker
from pipelines.training import warn_of_unseen
from pipelines.trial import reports
from workers.checkpoints import check_writable
from workers.paths import local
from workers.pool import RayPool
from workers.redaction import plain_without_secrets
from workers.refusal import USERS_ERRORS, Refused
from workers.store import open_store


def sweep(settings: Sweep, verbose: bool = False) -> SweepReport:
    """Run the trials that are not finished yet and report on all of them.

    Raises Refused before any work for what cannot work. A trial that fails is reported, the others go on. An interrupt leaves the
    finished epochs of every trial and goes through; the next run goes on from there, in the same MLflow runs.
    """
    settings.run.check()
    with alone(local(settings.run.out).absolute(), "sweep", settings.name):
        return _sweep(settings, verbose)


def _sweep(settings: Sweep, verbose: bool) -> SweepReport:
    out = local(settings.run.out).absolute()
    plan = plan_of(settings)
    runner = _runner(plan, verbose)
    check_points(plan, settings.points())
    warn_of_unseen(settings, plan.training)
    check_alone(out / settings.name, "study.yaml")
    check_metrics(plan)
    check_writable(out / settings.name, "results")
    store = open_store(plan.store)
    if str(settings.run.storage).startswith("s3://"):
        open_store(str(settings.run.storage))  # tried out in the same way: Tune would raise what pyarrow raises
    if settings.run.runner == "ray":
        plan = replace(plan, training=replace(plan.training, model=portable(plan.training.model, store)))
    opened = make_tracker(settings.run.track, settings.run.tracking_uri, out).open(
        settings.run.experiment, plan.identity, settings.name
    )
    journal = Journal(out / settings.name, plan, opened, Live(settings.name, plan.chosen_by))
    for point in settings.points() or journal.remembered():
        journal.expect(point)
    todo = [trial.point for trial in journal.trials.values() if trial.status not in ENDED]
    more = max(0, settings.trials - len(journal.trials)) if isinstance(settings.searcher, Optuna) else 0
    if not todo and not more and opened.finished:
        opened = NullRun()  # all is there already, also in MLflow; only the folder may hold another sweep of that name
    begin(opened, lambda: _describe(opened, plan))
    budget = Budget(plan, journal)
    with patiently(opened, settings.run.tracking_wait) as log:
        journal.record = log.run
        try:
            if todo or more:
                runner(journal, todo, more, budget)
            journal.close()
            report = report_of(journal, len(todo) + more, budget.spent)
            track(log.run, report, journal)
            log.status = "KILLED" if budget.spent else "FINISHED" if report.complete else "FAILED"
        except BaseException:
            journal.close()
            raise
    problems = [f"not all is in MLflow: {log.unlogged}; the same command completes it"] if log.unlogged else []
    return replace(report, problems=[*report.problems, *problems])


class Budget:
    """Whether time or money is spent: seconds of this attempt, hours of all trials in all attempts. `spent` says which."""

    def __init__(self, plan: Plan, journal: Journal) -> None:
        self._settings, self._journal = plan.sweep.run, journal
        self._start = time.monotonic()
        self.spent = ""

    def __call__(self) -> bool:
        own, hours = self._settings, self._journal.seconds() / 3600
        for name, value, limit in (
            ("time_budget_s", time.monotonic() - self._start, own.time_budget_s),
            ("gpu_hours", hours * own.gpus, own.gpu_hours),
            ("cost", hours * (own.cost_per_hour or 0), own.cost),
        ):
            if limit is not None and value >= limit:
                self.spent = f"run.{name} is spent ({value:.4g} of {limit:g})"
        return bool(self.spent)


Runner = Callable[[Journal, list[Point], int, Budget], None]
"""Runs unfinished points, then so many more that a searcher chooses."""


def _runner(plan: Plan, verbose: bool) -> Runner:
    """The place that the settings name. Raises Refused where it cannot work."""
    own = plan.sweep.run
    if own.runner == "ray":
        pool = RayPool(plan.store, own.concurrent, own.cpus, own.gpus, own.address, verbose)
        pool.check()
        return lambda journal, todo, more, budget: _on_ray(journal.plan, pool, journal, todo, more, budget)
    if not isinstance(plan.sweep.scheduler, FIFO) or isinstance(plan.sweep.searcher, Optuna):
        raise Refused("run.runner inline has one trial after the other, by fifo and random: use runner: ray for other ones")
    return lambda journal, todo, _, budget: _inline(plan, journal, todo, budget)


def _on_ray(plan: Plan, pool: RayPool, journal: Journal, todo: list[Point], more: int, budget: Budget) -> None:
    with pool.session():
        from pipelines import tuning  # it imports Ray, whose environment is made by now

        place = tuning.Place(plan.sweep.run, _storage(plan), plan.sweep.scheduler, budget)
        if todo:
            tuning.run_trials(plan, todo, journal, place)
        searcher, metric = plan.sweep.searcher, plan.chosen_by
        if more and isinstance(searcher, Optuna) and metric is not None and not budget():
            tuning.search_trials(plan, searcher, metric, plan.sweep.mode, more, journal, place)


def _inline(plan: Plan, journal: Journal, todo: list[Point], budget: Budget) -> None:
    """One trial after the other, in this process."""
    for point in todo:
        if budget():
            return
        trial = journal.started(point)
        folder = Path(_storage(plan)) / trial.key
        try:
            for report in reports(plan, point, folder):
                journal.reported(trial.key, report)
                if report.rows is None and budget():
                    return
            journal.finished(trial.key, report, folder)
        except (Refused, FloatingPointError) as error:
            journal.ended(trial.key, "failed", f"{type(error).__name__}: {error}")
        except USERS_ERRORS:  # a probe or a term may be a user's own code
            journal.ended(trial.key, "failed", traceback.format_exc())


def _storage(plan: Plan) -> str:
    """Where the states of this sweep's trainings lie."""
    own = plan.sweep.run
    place = own.storage or str(local(own.out) / "storage")
    return f"{place.rstrip('/') if '://' in place else Path(place).absolute()}/{plan.sweep.name}"


def _describe(record: Run, plan: Plan) -> None:
    """What is known before the work: the parameters that define the sweep, and, as tags, what may change as it goes on."""
    settings = plain_without_secrets(schema.unstructure(plan.sweep))
    rows = {name: settings["run"][name] for name in ("shard_size", "seed", "dtype")}
    probes = {"probes": settings["probes"], "probes_data": settings["data"], "run": rows}
    record.params(schema.flatten({**defining(plan.training), **probes, "searcher": settings["searcher"]}))
    tags = {name: settings[name] for name in ("space", "scheduler", "metric", "mode", "trials")}
    tags["run"] = {name: value for name, value in settings["run"].items() if name not in rows}
    record.tags({f"advcore.{name}": str(value) for name, value in schema.flatten(tags).items() if value is not None})
    record.tags({"advcore.sweep": plan.identity, **environment_tags()})
