"""The driver of a sweep: run unfinished trials, report on all of them."""

import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from advcore.pipelines.machine.lock import exclusive_lock
from advcore.pipelines.settings.names import check_alone
from advcore.pipelines.settings.schedulers import FIFO, Optuna
from advcore.pipelines.sweep.choice import check_metrics
from advcore.pipelines.sweep.journal import Journal
from advcore.pipelines.sweep.live_table import Live
from advcore.pipelines.sweep.log import log_sweep_definition, log_sweep_results
from advcore.pipelines.sweep.plan import Plan, check_trial_settings, plan_of
from advcore.pipelines.sweep.report import SweepReport, read_finished_sweep, report_of
from advcore.pipelines.sweep.settings import Sweep
from advcore.pipelines.sweep.space import Point
from advcore.pipelines.sweep.trial import reports
from advcore.pipelines.tracking.background import background_log, start_run
from advcore.pipelines.tracking.checkpoints import upload_checkpoint
from advcore.pipelines.tracking.record import NullRun, Run
from advcore.pipelines.tracking.tracker import make_tracker
from advcore.pipelines.training.loading import warn_of_unseen
from advcore.workers.errors import USERS_ERRORS, InputError
from advcore.workers.files import check_writable
from advcore.workers.paths import expand_path
from advcore.workers.pool.ray_runner import RayPool
from advcore.workers.stores.store import open_store


def sweep(settings: Sweep, verbose: bool = False) -> SweepReport:
    """Run the trials that are not finished yet and report on all of them.

    Raises InputError before any work for what cannot work. A trial that fails is reported, the
    others go on. An interrupt leaves the finished epochs of every trial and goes through; the next
    run goes on from there, in the same MLflow runs.
    """
    settings.run.check()
    with exclusive_lock(expand_path(settings.run.out).absolute(), "sweep", settings.name):
        return _sweep(settings, verbose)


def _sweep(settings: Sweep, verbose: bool) -> SweepReport:
    out = expand_path(settings.run.out).absolute()
    plan = plan_of(settings)
    runner = _runner(plan, verbose)
    check_trial_settings(plan, settings.points())
    warn_of_unseen(settings, plan.training)
    check_alone(out / settings.name, "study.yaml")
    check_metrics(plan)
    try:
        check_writable(out / settings.name, "results")
        store = open_store(plan.store)
    except InputError as error:
        shown = read_finished_sweep(plan, out / settings.name)
        if shown is None:
            raise
        print(
            f"advcore: everything is measured, but the results cannot be written again: {error}",
            file=sys.stderr,
        )
        return shown
    if str(settings.run.storage).startswith("s3://"):
        # tried out in the same way: Tune would raise what pyarrow raises
        open_store(str(settings.run.storage))
    if settings.run.runner == "ray":
        model = upload_checkpoint(plan.training.model, store)
        plan = replace(plan, training=replace(plan.training, model=model))
    opened = make_tracker(settings.run.track, settings.run.tracking_uri, out).open(
        settings.run.experiment, plan.identity, settings.name
    )
    journal = Journal(out / settings.name, plan, opened, Live(settings.name, plan.chosen_by))
    return _run_unfinished(plan, runner, journal, opened)


class Budget:
    """A limit of time or money: seconds of this attempt, hours of all trials in all attempts.

    `spent` says which limit was reached.
    """

    def __init__(self, plan: Plan, journal: Journal) -> None:
        self._settings, self._journal = plan.sweep.run, journal
        self._start = time.monotonic()
        self.spent = ""

    def __call__(self) -> bool:
        """True if a limit is reached."""
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


def _run_unfinished(plan: Plan, runner: Runner, journal: Journal, opened: Run) -> SweepReport:
    """Run the trials that are not finished yet, log them, and report on all."""
    todo, more = journal.unfinished()
    if not todo and not more and opened.finished:
        # all is there already, also in MLflow; only the folder may hold another sweep of that name
        opened = NullRun()
    start_run(opened, lambda: log_sweep_definition(opened, plan))
    budget = Budget(plan, journal)
    with background_log(opened, plan.sweep.run.tracking_wait) as log:
        journal.record = log.run
        try:
            if todo or more:
                runner(journal, todo, more, budget)
            journal.close()
            report = report_of(journal, len(todo) + more, budget.spent)
            log_sweep_results(log.run, report, journal)
            log.status = "KILLED" if budget.spent else "FINISHED" if report.complete else "FAILED"
        except BaseException:
            journal.close()
            raise
    problems = (
        [f"not all is in MLflow: {log.unlogged}; the same command completes it"]
        if log.unlogged
        else []
    )
    return replace(report, problems=[*report.problems, *problems])


def _runner(plan: Plan, verbose: bool) -> Runner:
    """Return the runner that the settings name. Raises InputError where it cannot work."""
    own = plan.sweep.run
    if own.runner == "ray":
        pool = RayPool(plan.store, own.concurrent, own.cpus, own.gpus, own.address, verbose)
        pool.check()
        return lambda journal, todo, more, budget: _on_ray(
            journal.plan, pool, journal, todo, more, budget
        )
    if not isinstance(plan.sweep.scheduler, FIFO) or isinstance(plan.sweep.searcher, Optuna):
        raise InputError(
            "run.runner inline runs one trial at a time and supports only the scheduler fifo "
            "and the searcher random: use runner: ray"
        )
    return lambda journal, todo, _, budget: _inline(plan, journal, todo, budget)


def _on_ray(
    plan: Plan, pool: RayPool, journal: Journal, todo: list[Point], more: int, budget: Budget
) -> None:
    with pool.session():
        from advcore.pipelines.sweep import (
            ray_tune,
        )  # it imports Ray, whose environment is made by now

        place = ray_tune.Place(plan.sweep.run, _storage(plan), plan.sweep.scheduler, budget)
        if todo:
            ray_tune.run_trials(plan, todo, journal, place)
        searcher, metric = plan.sweep.searcher, plan.chosen_by
        if more and isinstance(searcher, Optuna) and metric is not None and not budget():
            ray_tune.search_trials(plan, searcher, metric, plan.sweep.mode, more, journal, place)


def _inline(plan: Plan, journal: Journal, todo: list[Point], budget: Budget) -> None:
    """Run one trial after the other in this process."""
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
        except (InputError, FloatingPointError) as error:
            journal.ended(trial.key, "failed", f"{type(error).__name__}: {error}")
        except USERS_ERRORS:  # a probe or a term may be a user's own code
            journal.ended(trial.key, "failed", traceback.format_exc())


def _storage(plan: Plan) -> str:
    """Return where the states of this sweep's trainings are stored."""
    own = plan.sweep.run
    place = own.storage or str(expand_path(own.out) / "storage")
    return f"{place.rstrip('/') if '://' in place else Path(place).absolute()}/{plan.sweep.name}"
