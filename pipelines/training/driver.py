"""Train one network by one recipe, in epochs that can be continued, and as one MLflow run."""

import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from advcore.pipelines.machine.environment import environment_tags
from advcore.pipelines.machine.lock import exclusive_lock
from advcore.pipelines.settings import schema
from advcore.pipelines.settings.runs import TrainSettings
from advcore.pipelines.tracking.background import background_log, start_run
from advcore.pipelines.tracking.checkpoints import download_checkpoint
from advcore.pipelines.tracking.record import DatasetInput, Metrics, Model, Params, Run, Tags
from advcore.pipelines.tracking.tracker import make_tracker
from advcore.pipelines.training.loading import (
    TUNING,
    load_training,
    training_settings,
    warn_of_unseen,
)
from advcore.pipelines.training.settings import Training
from advcore.training import overfitting
from advcore.workers.checkpoints import read_metadata
from advcore.workers.errors import InputError
from advcore.workers.files import atomic_write, check_writable
from advcore.workers.models import content_hash
from advcore.workers.redaction import plain_without_secrets
from advcore.workers.training.epoch_loop import (
    ABOUT,
    MODEL,
    chosen_epoch,
    read_history,
    run_epochs,
)
from advcore.workers.training.loading import Loaded

LOGGED = ("model", "data", "validation", "watch", "on_overfitting", "recipe")
"""Settings that are parameters of a training's run, beside those of fine-tuning."""


@dataclass(frozen=True)
class Trained:
    """A checkpoint, and whether it was there already.

    If not: the number of its epoch, its numbers, and what MLflow lacks of it.
    """

    checkpoint: Path
    already: bool
    metrics: dict[str, float]
    epoch: int = 0
    unlogged: str = ""


def train(training: Training) -> Trained:
    """Train to the end, or continue, unless the checkpoint of exactly this training is there.

    Raises InputError before any work for what cannot work, another driver on the same training
    among it. What an MLflow that went away lacks in the end is logged by the next call.
    """
    with exclusive_lock(training.checkpoint.parents[1], "training", training.name):
        return _train(training)


def _train(training: Training) -> Trained:
    checkpoint = training.checkpoint
    out = checkpoint.parents[1]
    ready = load_training(
        training, download_checkpoint(training.model, training.run.tracking_uri, out)
    )
    warn_of_unseen(training)
    folder = out / "training" / training.name
    there = read_metadata(checkpoint).get("advcore.training") == ready.identity
    if there and not folder.exists():  # it stays until all is in MLflow too
        return Trained(checkpoint, True, {})
    for place in (checkpoint.parent, folder):
        check_writable(place)
    opened = make_tracker(training.run.track, training.run.tracking_uri, out).open(
        training.run.experiment, ready.identity, training.name
    )
    start_run(opened, lambda: describe_in_mlflow(opened, training, ready))
    with background_log(opened, training.run.tracking_wait) as log:
        try:
            history = _watched(ready, folder, log.run, training.run)
        except FloatingPointError as error:
            raise InputError(f"training {training.name} diverged: {error}") from error
        epoch = chosen_epoch(ready.training, history)
        for name, place in ((ABOUT, checkpoint.with_suffix(".json")), (MODEL, checkpoint)):
            with atomic_write(place) as unfinished:
                shutil.copyfile(folder / name, unfinished)
        log.run.log(
            Model(training.name, folder / MODEL, folder / ABOUT, ready.data.shape, ready.classes)
        )
        digest = content_hash(replace(training.model, checkpoint=str(checkpoint)))
        log.run.log(Tags({"advcore.model": digest, "advcore.epoch": str(epoch)}))
        log.status = "FINISHED"
    if not log.unlogged:
        shutil.rmtree(folder)
    return Trained(checkpoint, False, history[epoch - 1], epoch, log.unlogged)


def _watched(
    ready: Loaded, folder: Path, record: Run, place: TrainSettings
) -> list[dict[str, float]]:
    """Run the epochs with a progress bar and log them; return the numbers of all."""
    history = read_history(ready, folder)
    for number, metrics in enumerate(history, 1):
        record.log(Metrics(metrics, number))
    name, total = ready.training.name, ready.training.recipe.epochs
    with tqdm(
        total=total, initial=len(history), desc=f"train {name}", unit="epoch", file=sys.stderr
    ) as bar:
        for progress in run_epochs(ready, folder, place.device, place.threads):
            history.append(progress.metrics)
            record.log(Metrics(progress.metrics, progress.epoch))
            _tell_overfitting(record, history, bar)
            bar.set_postfix(
                {
                    name: f"{value:.4g}"
                    for name, value in progress.metrics.items()
                    if name != "learning_rate"
                },
                False,
            )
            bar.update()
    return history


def _tell_overfitting(record: Run, history: list[dict[str, float]], bar: tqdm) -> None:
    """Log and print each kind of overfitting that the last epoch revealed."""
    known = overfitting(history[:-1])
    for name, number in overfitting(history).items():
        if name not in known:
            record.log(Tags({f"advcore.overfitting.{name}": str(number)}))
            bar.write(
                f"{name} overfitting at epoch {number}, seen after epoch {len(history)}",
                file=sys.stderr,
            )


def describe_in_mlflow(record: Run, training: Training, ready: Loaded) -> None:
    """Log the parameters, tags and data sets of a training."""
    test = ready.test
    settings = plain_without_secrets(training_settings(training))
    start = settings["model"].pop(
        "checkpoint"
    )  # a path may move; its content is part of the run's key
    record.log(
        Params(
            schema.flatten(
                {name: settings[name] for name in (*LOGGED, *TUNING) if name in settings}
            )
        )
    )
    record.log(Tags({} if start is None else {"advcore.checkpoint": start}))
    record.log(Tags({"advcore.data": ready.digest, **environment_tags()}))
    samples = len(ready.data) + len(ready.held_out or ())
    record.log(
        DatasetInput(
            training.data.name,
            ready.digest,
            samples,
            ready.data.shape,
            training.data.name,
            "training",
        )
    )
    if training.test is not None and test is not None:
        record.log(
            DatasetInput(
                training.test.name,
                test.digest,
                len(test),
                test.shape,
                training.test.name,
                "testing",
            )
        )
