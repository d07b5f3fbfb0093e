"""The driver of a study: fan out what is missing, collect, summarise, draw, track."""

import sys
import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from advcore.pipelines.graph.layout import PlannedFit
from advcore.pipelines.graph.loader import Loader
from advcore.pipelines.graph.plan import Prepared, prepare_layout
from advcore.pipelines.graph.reporting.log import log_study_definition, log_study_results
from advcore.pipelines.graph.reporting.report import Report
from advcore.pipelines.graph.reporting.report_files import read_finished_study, write_report
from advcore.pipelines.graph.reporting.saved_answer import Kept
from advcore.pipelines.graph.running.collecting import collect_results, set_aside
from advcore.pipelines.graph.running.estimates import TimeEstimate, estimate, note_measuring
from advcore.pipelines.graph.running.execution import Place
from advcore.pipelines.graph.running.progress_log import ProgressLog
from advcore.pipelines.graph.running.trained_models import with_trained
from advcore.pipelines.graph.running.witnesses import input_files, output_files
from advcore.pipelines.graph.settings import AnyStudy
from advcore.pipelines.machine.lock import Locks, exclusive_lock
from advcore.pipelines.settings.names import check_alone
from advcore.pipelines.settings.runs import RunSettings
from advcore.pipelines.tracking.background import background_log, start_run
from advcore.pipelines.tracking.checkpoints import upload_checkpoints
from advcore.pipelines.tracking.record import NullRun, Run
from advcore.pipelines.tracking.tracker import make_tracker
from advcore.pipelines.training.settings import Training
from advcore.workers.errors import (
    FullDiskError,
    InputError,
    RunInterruptedError,
    UnavailableError,
    is_full,
)
from advcore.workers.files import check_writable
from advcore.workers.inline import Inline
from advcore.workers.paths import expand_path
from advcore.workers.pool.ray_runner import RayPool
from advcore.workers.stores.rows import Damaged
from advcore.workers.stores.store import Store, open_store, store_of
from advcore.workers.tasks import Runner, Task, TaskResult


def run_study(study: AnyStudy, verbose: bool = False, place: Place | None = None) -> Report:
    """Measure what is missing of a study and report on all of it.

    Raises InputError before any work for what cannot work, another driver on the same study among
    it; only what an MLflow that listens says, which takes seconds, is heard once workers on Ray
    have begun. A shard that fails is reported, the others go on. An interrupt leaves the finished
    shards in the store and goes through; the next run goes on from there, in the same MLflow run.
    Where MLflow goes away in the middle, the work goes on, and the end waits for it up to
    `run.tracking_wait`. Raises RunInterruptedError where rows or the report cannot be written for
    lack of space, where the store goes away for good, and where Ray's head does.

    `place` stands in for the runner and the store of the settings: one that drivers share.
    """
    study.run.check()
    out = expand_path(study.run.out).absolute()
    with exclusive_lock(out, "study", study.name), ProgressLog(study, out / study.name) as progress:
        if place is not None:
            return _run(study, place, progress)
        with Locks() as locks:
            location = store_of(study.run.out, study.run.store)
            own = Place(make_runner(study.run, location, verbose), location, locks)
            return _run(study, own, progress)


def _run(study: AnyStudy, place: Place, progress: ProgressLog) -> Report:
    start = time.perf_counter()
    out = expand_path(study.run.out).absolute()
    place.runner.check()
    check_alone(out / study.name, "sweep.yaml")
    asked, load = study, Loader()

    def tell(
        plan: Prepared, missing: Mapping[str, Training], unlearnt: Mapping[str, PlannedFit]
    ) -> None:
        _tell(estimate(asked, plan, plan.all_tasks(), missing, unlearnt, out))

    study, layout, before = with_trained(asked, load, tell, place, progress)
    inputs = input_files(asked, layout)
    prepared = prepare_layout(study, layout, load)
    try:
        check_writable(out / study.name, "results")
        store = open_store(place.store)
    except InputError as error:
        return _shown_again(prepared, place.store, out / study.name, error)
    measuring = _Measuring(prepared, place.runner, store, out, start, progress)
    with _full_disk_named(out / study.name):
        report, in_mlflow = measuring.run(before)
    progress.end(report.complete)
    keys = [task.key for task in prepared.all_tasks()]
    outputs = output_files(report, store, keys) if report.complete else None
    kept = None if inputs is None or outputs is None else Kept(inputs, outputs, in_mlflow)
    return replace(report, kept=kept)


def _shown_again(prepared: Prepared, location: str, folder: Path, error: InputError) -> Report:
    """Return the report of a finished study that cannot be written; else raise the error."""
    shown = read_finished_study(prepared, location, folder)
    if shown is None:
        raise error
    print(
        f"advcore: everything is measured, but the results cannot be written again: {error}",
        file=sys.stderr,
    )
    return shown


@contextmanager
def _full_disk_named(folder: Path) -> Iterator[None]:
    """Raise FullDiskError with the folder's name where no space is left."""
    try:
        yield
    except OSError as error:
        if is_full(str(error)):
            raise FullDiskError(
                f"no space is left to write the results in {folder} ({error.strerror})"
            ) from error
        raise


@dataclass(frozen=True)
class _Measuring:
    """The measuring of what the store lacks, and the report, with the study's run in MLflow.

    `start` is the clock when the study began; `progress` is told how far it is.
    """

    prepared: Prepared
    runner: Runner
    store: Store
    out: Path
    start: float
    progress: ProgressLog

    def run(self, before: list[TaskResult]) -> tuple[Report, str]:
        """Return the report and the run's id in MLflow; `before` are results that are there."""
        study, prepared = self.prepared.study, self.prepared
        missing = set(self.store.missing(task.key for task in prepared.all_tasks()))
        tracker = make_tracker(study.run.track, study.run.tracking_uri, self.out)
        tasks = [task for task in prepared.all_tasks() if task.key in missing]
        self.progress.planned(prepared)
        self.progress.found(prepared.all_tasks(), missing)
        if tasks:
            _tell(estimate(study, prepared, tasks, {}, {}, self.out))
        if tasks and isinstance(self.runner, RayPool):
            print(f"starting workers ({self.runner.workers}) on Ray", file=sys.stderr)
        with closing(self._results(tasks)) as coming:
            opened = tracker.open(study.run.experiment, prepared.identity, study.name)
            in_mlflow = opened.id
            if not missing and opened.finished:
                # all is there already, also in MLflow; only the folder may hold another study of
                # that name
                opened = NullRun()
            start_run(opened, lambda: log_study_definition(opened, prepared))
            with background_log(opened, study.run.tracking_wait) as log:
                self.progress.phase("measuring")
                results = before + self._collected(coming, tasks, log.run)
                self.progress.phase("reporting")
                note_measuring(self.out, prepared, results)
                with self._readable(results, len(tasks)):
                    report = self._report(results, log.run)
                log.status = "FINISHED" if report.complete else "FAILED"
        return replace(report, unlogged=log.unlogged), in_mlflow

    def _results(self, tasks: list[Task]) -> Generator[TaskResult]:
        sent = tasks if isinstance(self.runner, Inline) else upload_checkpoints(tasks, self.store)
        return self.runner.run(sent, self.prepared.datasets)

    def _collected(
        self, coming: Iterable[TaskResult], tasks: list[Task], record: Run
    ) -> list[TaskResult]:
        name = self.prepared.study.name
        return collect_results(coming, tasks, name, record, self.progress)

    def _report(self, results: list[TaskResult], record: Run) -> Report:
        """Write and log the report; rows that are damaged are measured again first."""
        prepared, folder = self.prepared, self.out / self.prepared.study.name
        try:
            report = write_report(prepared, self.store, results, folder)
        except Damaged:
            again = set_aside(prepared.all_tasks(), self.store)
            self.progress.found(prepared.all_tasks(), {task.key for task in again})
            with closing(self._results(again)) as coming:
                results += self._collected(coming, again, record)
            report = write_report(prepared, self.store, results, folder)
        log_study_results(record, prepared, report, time.perf_counter() - self.start)
        return report

    @contextmanager
    def _readable(self, results: list[TaskResult], count: int) -> Iterator[None]:
        """Raise RunInterruptedError where the store goes away."""
        try:
            yield
        except UnavailableError as error:
            done = sum(result.ok for result in results)
            raise RunInterruptedError(
                f"{done} of {count} shards were measured, and the store cannot be read now: {error}"
            ) from error


def _tell(expected: TimeEstimate) -> None:
    """Print the estimated time to stderr."""
    print(f"time: {expected}", file=sys.stderr)


def make_runner(settings: RunSettings, store_location: str, verbose: bool = False) -> Runner:
    """Return the runner that the settings name."""
    if settings.runner == "inline":
        return Inline(store_location, settings.threads)
    return RayPool(
        store_location,
        settings.workers,
        settings.threads or 1,
        settings.gpus_per_worker,
        settings.address,
        verbose,
        settings.shard_seconds,
    )
