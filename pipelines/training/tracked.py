"""The MLflow run of a training: opened while it is trained, finished with its network."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from advcore.pipelines.machine.environment import environment_tags
from advcore.pipelines.settings import schema
from advcore.pipelines.tracking.background import background_log, start_run
from advcore.pipelines.tracking.record import DatasetInput, Metrics, Model, Params, Run, Tags
from advcore.pipelines.tracking.tracker import make_tracker
from advcore.pipelines.training.loading import TUNING, training_settings
from advcore.pipelines.training.settings import Training
from advcore.workers.datasets import DataSpec
from advcore.workers.errors import InputError
from advcore.workers.files import atomic_write
from advcore.workers.models import content_hash
from advcore.workers.redaction import plain_without_secrets
from advcore.workers.training.epoch_loop import ABOUT, MODEL
from advcore.workers.training.loading import Loaded

LOGGED = ("model", "data", "validation", "watch", "on_overfitting", "recipe")
"""Settings that are parameters of a training's run, beside those of fine-tuning."""
RUN = "mlflow_run"
"""Key of the run's id in what lies beside a network."""

Called = Callable[[DataSpec], tuple[str, str]]
"""The name of a data set in MLflow, and the place that it comes from, in words."""


def by_name(spec: DataSpec) -> tuple[str, str]:
    """Return the name of a data set, which says where it comes from, twice."""
    return spec.name, spec.name


class TrainingRun:
    """The run of a training in MLflow, the one that an earlier call left among them.

    `open` ends it as a failed one, or as a killed one after an interrupt, unless it was finished.
    `called` tells what its data sets are called. Raises InputError where MLflow does not answer, or
    refuses it.
    """

    def __init__(self, training: Training, ready: Loaded, called: Called = by_name) -> None:
        place, out = training.run, training.checkpoint.parents[1]
        tracker = make_tracker(place.track, place.tracking_uri, out)
        opened = tracker.open(place.experiment, ready.identity, training.name)
        start_run(opened, lambda: _describe(opened, training, ready, called))
        self._training, self._ready, self._id = training, ready, opened.id
        self.open = ExitStack()
        self._folder = Path(self.open.enter_context(TemporaryDirectory()))
        self._log = self.open.enter_context(background_log(opened, place.tracking_wait))

    def epochs(self, history: Sequence[Mapping[str, float]], first: int = 1) -> None:
        """Log the numbers of epochs, of which the first one has this number."""
        for number, metrics in enumerate(history, first):
            self._log.run.log(Metrics(dict(metrics), number))

    def overfitting(self, kind: str, epoch: int) -> None:
        """Log the epoch at which the network began to overfit."""
        self._log.run.log(Tags({f"advcore.overfitting.{kind}": str(epoch)}))

    def finish(self, about: Mapping[str, Any]) -> str:
        """Log the network, and what lies beside it, `about`; return what MLflow lacks then.

        Where it lacks nothing, the run's id is kept beside the network.
        """
        checkpoint, ready = self._training.checkpoint, self._ready
        file = checkpoint.with_suffix(".json")
        self.epochs(about["metrics"])
        weights, words = self._folder / MODEL, self._folder / ABOUT  # so they are called in MLflow
        for source, copy in ((checkpoint, weights), (file, words)):
            shutil.copyfile(source, copy)
        shape, name = ready.data.shape, self._training.name
        self._log.run.log(Model(name, weights, words, shape, ready.classes))
        digest = content_hash(replace(self._training.model, checkpoint=str(checkpoint)))
        self._log.run.log(Tags({"advcore.model": digest, "advcore.epoch": str(about["epoch"])}))
        self._log.status = "FINISHED"
        self.open.close()
        if not self._log.unlogged:
            with atomic_write(file) as unfinished:
                unfinished.write_text(json.dumps({**about, RUN: self._id}, indent=1))
        return self._log.unlogged


def note_finished(
    training: Training, ready: Loaded, run: TrainingRun | None = None, called: Called = by_name
) -> str:
    """Complete the run of a finished training; return what MLflow lacks of it then.

    `run` is its run while it was trained. Where the run's id lies beside the network, nothing is
    missing.
    """
    file = training.checkpoint.with_suffix(".json")
    if not training.run.track or not file.is_file():
        return ""
    about = json.loads(file.read_text(encoding="utf-8"))
    if RUN in about:
        return ""
    try:
        return (run or TrainingRun(training, ready, called)).finish(about)
    except InputError as error:
        return str(error)


def _describe(record: Run, training: Training, ready: Loaded, called: Called) -> None:
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
    name, place = called(training.data)
    shape = ready.data.shape
    record.log(DatasetInput(name, ready.digest, samples, shape, place, "training"))
    if training.test is not None and test is not None:
        name, place = called(training.test)
        record.log(DatasetInput(name, test.digest, len(test), test.shape, place, "testing"))
