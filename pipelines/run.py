"""The driver of a study: fan out what is missing, collect, summarise, draw, track."""

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import replace

from tqdm import tqdm

from pipelines.again import Kept
from pipelines.archived import archived
from pipelines.estimate import Estimate, estimate, note_measuring
from pipelines.fetch import carried
from pipelines.full import FullDisk, is_full
from pipelines.lock import alone
from pipelines.origins import came_of, left
from pipelines.patient import begin, patiently
from pipelines.prepare import prepare
from pipelines.record import NullRun, Run
from pipelines.repair import set_aside
from pipelines.report import Report, written
from pipelines.study import RunSettings, Study, check_alone
from pipelines.study_record import describe, track
from pipelines.tracking import make_tracker
from pipelines.trained import with_trained
from workers.checkpoints import check_writable
from workers.inline import Inline
from workers.paths import local
from workers.pool import RayPool
from workers.redaction import LINE, shortened, without_secrets
from workers.refusal import Away, Refused, Unfinished
from workers.rows import Damaged
from workers.store import open_store, resolved
from workers.work import Outcome, Runner, Work

PROGRESS = 10.0
"""Seconds between two entries of progress in MLflow."""


def run(study: Study, verbose: bool = False) -> Report:
    """Measure what is missing of a study and report on all of it.

    Raises Refused before any work for what cannot work, another driver on the same study among it; only what an MLflow that listens
    says, which takes seconds, is heard once workers on Ray have begun. A shard that fails is reported, the others go on. An
    interrupt leaves the finished shards in the store and goes through; the next run goes on from there, in the same MLflow run.
    Where MLflow goes away in the middle, the work goes on, and the end waits for it up to `run.tracking_wait`. Raises Unfinished
    where rows or the report cannot be written for lack of space, where the store goes away for good, and where Ray's head does.
    """
    study.run.check()
    with alone(local(study.run.out).absolute(), "study", study.name):
        return _run(study, verbose)


def _run(study: Study, verbose: bool) -> Report:
    start = time.perf_counter()
    out = local(study.run.out).absolute()
    store_location = resolved(study.run.store or str(out / "store"))
    runner = make_runner(study.run, store_location, verbose)
    runner.check()
    check_alone(out / study.name, "sweep.yaml")
    asked, study = study, with_trained(study, lambda plan, missing: _tell(estimate(study, plan, plan.all_works(), missing, out)))
    inputs = came_of(asked, study)
    prepared = prepare(study)
    try:
        check_writable(out / study.name, "results")
        store = open_store(store_location)
    except Refused as error:
        shown = archived(prepared, store_location, out / study.name)
        if shown is None:
            raise
        print(f"advcore: all is measured, and nothing of it is written anew: {error}", file=sys.stderr)
        return shown
    missing = set(store.missing(work.key for work in prepared.all_works()))
    tracker = make_tracker(study.run.track, study.run.tracking_uri, out)
    works = [work for work in prepared.all_works() if work.key in missing]
    if works:
        _tell(estimate(study, prepared, works, {}, out))
    if works and isinstance(runner, RayPool):
        works = carried(works, store)
        print(f"starting workers ({runner.workers}) on Ray", file=sys.stderr)
    try:
        with closing(runner.run(works, prepared.dataset)) as coming:
            opened = tracker.open(study.run.experiment, prepared.identity, study.name)
            in_mlflow = opened.id
            if not missing and opened.finished:
                opened = NullRun()  # all is there already, also in MLflow; only the folder may hold another study of that name
            begin(opened, lambda: describe(opened, prepared))
            with patiently(opened, study.run.tracking_wait) as log:
                outcomes = _measured(coming, works, study.name, log.run)
                note_measuring(out, prepared, outcomes)
                try:
                    try:
                        report = written(prepared, store, outcomes, out / study.name)
                    except Damaged:
                        again = set_aside(prepared.all_works(), store)
                        again = carried(again, store) if isinstance(runner, RayPool) else again
                        with closing(runner.run(again, prepared.dataset)) as coming_again:
                            outcomes += _measured(coming_again, again, study.name, log.run)
                        report = written(prepared, store, outcomes, out / study.name)
                    track(log.run, prepared, report, time.perf_counter() - start)
                except Away as error:
                    done = sum(outcome.ok for outcome in outcomes)
                    told = f"{done} of {len(works)} shards were measured, and the store cannot be read now"
                    raise Unfinished(f"{told}: {error}") from error
                log.status = "FINISHED" if report.complete else "FAILED"
    except OSError as error:
        if is_full(str(error)):
            raise FullDisk(f"no space is left to write the results in {out / study.name} ({error.strerror})") from error
        raise
    report = replace(report, unlogged=log.unlogged)
    outputs = left(report, store, [work.key for work in prepared.all_works()]) if report.complete else None
    kept = None if inputs is None or outputs is None else Kept(inputs, outputs, in_mlflow)
    return replace(report, kept=kept)


def _tell(expected: Estimate) -> None:
    """How long it takes, on the terminal."""
    print(f"time: {expected}", file=sys.stderr)


def make_runner(settings: RunSettings, store_location: str, verbose: bool = False) -> Runner:
    """The place that the settings name."""
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


def _measured(coming: Iterable[Outcome], works: Sequence[Work], name: str, record: Run) -> list[Outcome]:
    """One outcome per piece of work, and a bar that shows samples per second. Raises Unfinished where the store is full or away."""
    if not works:
        return []
    sizes = {work.key: len(work.shard) for work in works}
    outcomes = []
    tell = _progress(record, len(works))
    with tqdm(total=sum(sizes.values()), desc=name, unit="sample", smoothing=0.1, file=sys.stderr) as bar:
        for outcome in coming:
            outcomes.append(outcome)
            bar.set_postfix_str(outcome.name if outcome.ok else f"{outcome.name} FAILED", refresh=False)
            bar.update(sizes[outcome.key])
            tell(len(outcomes))
            done = sum(outcome.ok for outcome in outcomes)
            if outcome.away:
                raise Unfinished(f"{done} of {len(works)} shards were measured, and the store is away: {last_line(outcome.error)}")
            if not outcome.ok and is_full(last_line(outcome.error)):
                raise FullDisk(
                    f"no space is left to store the rows of {outcome.name} ({last_line(outcome.error)}); {done} of {len(works)} "
                    "shards were measured and are kept"
                )
    return outcomes


def _progress(record: Run, total: int) -> Callable[[int], None]:
    """Notes every few seconds how many shards of this attempt are done, at the step of that number."""
    noted = time.monotonic()

    def tell(done: int) -> None:
        nonlocal noted
        if time.monotonic() - noted >= PROGRESS or done == total:
            noted = time.monotonic()
            record.metrics({"progress/shards": done, "progress/share": done / total}, done)

    return tell


def last_line(error: str) -> str:
    """What a traceback ends with, without secrets."""
    last = (shortened(error).strip().splitlines() or ["no reason is known"])[-1]
    return without_secrets(shortened(last, LINE))
