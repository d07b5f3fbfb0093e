"""The trials of a sweep on Ray Tune.

Import this module only once Ray runs; it and `ray_tuners` are the only ones of pipelines that
import Ray.

Tune places trials, starts those that died again and asks the scheduler; what is finished, the
journal knows. So no experiment of Tune's is ever restored (it would be unpickled): a run that goes
on is a new one of the unfinished points, each with the checkpoint of its last epoch.
"""

import logging
import math
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow.fs
import ray
from ray import tune

from advcore.pipelines.machine.terminal import say
from advcore.pipelines.settings.schedulers import PBT, Mode, Optuna, Scheduler
from advcore.pipelines.settings.sweep_runs import SweepSettings
from advcore.pipelines.sweep import ray_tuners
from advcore.pipelines.sweep.journal import Journal
from advcore.pipelines.sweep.plan import Plan
from advcore.pipelines.sweep.ray_callbacks import JournalCallback, StopAll
from advcore.pipelines.sweep.space import Point
from advcore.pipelines.sweep.trial import reports
from advcore.workers.errors import InputError
from advcore.workers.pool.ray_internals import keep_from_trials

_QUIET = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
}
"""No files and words of Tune's own, and an interrupt that reaches us."""


@dataclass(frozen=True)
class Place:
    """The place where trials run and are stored; `over` says when all have to stop."""

    settings: SweepSettings
    storage: str
    scheduler: Scheduler
    over: Callable[[], bool]


def run_trials(plan: Plan, todo: Sequence[Point], journal: Journal, place: Place) -> None:
    """Run each point as a trial; one that was begun continues from its last epoch."""
    longest = max(plan.at(point).recipe.epochs for point in todo)
    trials = [
        {"key": trial.key, "point": dict(trial.settings)} for trial in map(journal.expect, todo)
    ]
    _tune(plan, {"trial": tune.grid_search(trials)}, None, 1, longest, journal, place)


def search_trials(
    plan: Plan, optuna: Optuna, metric: str, mode: Mode, trials: int, journal: Journal, place: Place
) -> None:
    """Run `count` more trials at points that Optuna chooses from what the journal knows."""
    from ray.tune.search.optuna import OptunaSearch

    logging.getLogger("optuna").setLevel(logging.WARNING)
    known = [
        trial
        for trial in journal.trials.values()
        if math.isfinite(trial.metrics.get(metric, math.nan))
    ]
    space = {
        "trial": {
            "point": {
                name: ray_tuners.domain(domain)
                for name, domain in plan.sweep.space.items()
                if domain.free
            }
        }
    }
    searcher = OptunaSearch(
        OptunaSearch.convert_search_space(space),
        metric=metric,
        mode=mode,
        seed=optuna.seed + len(known),
        points_to_evaluate=[
            {f"trial/point/{name}": value for name, value in trial.point.items()} for trial in known
        ]
        or None,
        evaluated_rewards=[trial.metrics[metric] for trial in known] or None,
    )
    _tune(plan, {}, searcher, trials, plan.training.recipe.epochs, journal, place, metric)


def _tune(
    plan: Plan,
    space: Any,
    searcher: Any,
    trials: int,
    longest: int,
    journal: Journal,
    place: Place,
    metric: str | None = None,
) -> None:
    _quiet()
    states = {trial.key: trial.state for trial in journal.trials.values() if trial.state}
    trainable = tune.with_parameters(
        _trial,
        plan=plan.without_tracking_uri(),
        states=states,
        storage=place.storage,
        metric=metric,
    )
    callback = JournalCallback(journal)
    population = isinstance(place.scheduler, PBT)
    tune.Tuner(
        tune.with_resources(trainable, {"cpu": place.settings.cpus, "gpu": place.settings.gpus}),
        param_space=space,
        tune_config=tune.TuneConfig(
            num_samples=trials,
            scheduler=ray_tuners.scheduler(place.scheduler, longest, plan.sweep.space),
            search_alg=searcher,
            # a population takes turns
            max_concurrent_trials=None if population else place.settings.concurrent,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: str(trial.trial_id),
        ),
        run_config=_run_config(place, callback),
    ).fit()
    if callback.error is not None:
        raise callback.error


def _quiet() -> None:
    """Silence Tune's own output, and keep AWS's keys out of the environments that it hands on."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    for name in (
        "ray.tune.analysis.experiment_analysis",
        "ray.tune.tune",
        "ray.tune.schedulers.pbt",
    ):  # they miss files, and tell failures, that we tell
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # Ray logs the environments that are handed on: each machine finds AWS's keys for itself
    if not keep_from_trials("AWS_") and any(name.startswith("AWS_SECRET") for name in os.environ):
        say(
            f"advcore: Ray {ray.__version__} may hand AWS's keys on to trials and write them into "
            "its logs: take a profile or a role in place of AWS_SECRET_ACCESS_KEY"
        )


def _run_config(place: Place, callback: JournalCallback) -> tune.RunConfig:
    """Return where Tune stores this attempt, whom it tells, when it stops and tries again."""
    system, root = _located(place.storage)
    scheduler = place.scheduler
    # others go on from a population's checkpoints
    checkpoints = 2 * scheduler.interval + 2 if isinstance(scheduler, PBT) else 2
    return tune.RunConfig(
        name=f"attempt-{uuid4().hex[:8]}",
        storage_path=root,
        storage_filesystem=system,
        callbacks=[callback],
        stop=StopAll(lambda: callback.error is not None or place.over()),
        failure_config=tune.FailureConfig(max_failures=place.settings.retries),
        checkpoint_config=tune.CheckpointConfig(checkpoints),
        verbose=0,
    )


def _trial(
    config: Mapping[str, Any],
    plan: Plan,
    states: Mapping[str, str],
    storage: str,
    metric: str | None,
) -> None:
    """Run a trial in an actor of Tune.

    Each report has the folder of its state as the checkpoint.

    What the code refuses would be refused again: it is told as the trial's end, not raised, so that
    it is not tried again.
    """
    point, key = config["trial"]["point"], config["trial"].get("key")
    folder = Path(f"state-{tune.get_context().get_trial_id()}").absolute()
    shutil.rmtree(folder, ignore_errors=True)
    checkpoint, known = tune.get_checkpoint(), states.get(key or plan.key(point))
    if checkpoint is None and known:
        checkpoint = tune.Checkpoint(_moved(known, storage), _located(storage)[0])
    if checkpoint is not None:
        try:
            checkpoint.to_directory(str(folder))
        except FileNotFoundError:
            # the state is gone: the training begins anew, and comes to the same
            shutil.rmtree(folder, ignore_errors=True)
    unknown = {} if metric is None else {metric: math.nan}
    try:
        for report in reports(plan, point, folder):
            turn = (
                {} if report.rows is not None else {"turn": report.epoch}
            )  # one that is done goes on from no other's state
            numbers = {
                **unknown,
                **report.metrics,
                **turn,
                "epoch": report.epoch,
                "told": asdict(report),
            }
            tune.report(numbers, checkpoint=tune.Checkpoint.from_directory(str(folder)))
    except (InputError, FloatingPointError) as error:
        tune.report(
            {**unknown, "epoch": 0, "told": {"refused": f"{type(error).__name__}: {error}"}}
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _moved(state: str, storage: str) -> str:
    """Return where a state is now that was stored below another folder.

    Results may have been moved since.
    """
    found = re.search(r"attempt-[0-9a-f]{8}/.*", state)
    return state if found is None else f"{_located(storage)[1].rstrip('/')}/{found[0]}"


def _located(storage: str) -> tuple[pyarrow.fs.FileSystem, str]:
    """Return the file system of a storage, and the path in it."""
    if storage.startswith("s3://"):
        bucket, _, key = storage.removeprefix("s3://").partition("/")
        return pyarrow.fs.FileSystem.from_uri(f"s3://{bucket}")[
            0
        ], f"{bucket}/{key}"  # a key may hold what a URL may not
    return pyarrow.fs.LocalFileSystem(), str(Path(storage).absolute())
