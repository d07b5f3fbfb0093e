"""The MLflow run of a training that a worker finished."""

import json
import sys
from dataclasses import replace

from advcore.pipelines.tracking.background import background_log, start_run
from advcore.pipelines.tracking.record import Metrics, Model, Tags
from advcore.pipelines.tracking.tracker import make_tracker
from advcore.pipelines.training.driver import describe_in_mlflow
from advcore.pipelines.training.settings import Training
from advcore.workers.errors import InputError
from advcore.workers.files import atomic_write
from advcore.workers.models import content_hash
from advcore.workers.training.loading import Loaded

RUN = "mlflow_run"
"""Key of the run's id in what lies beside a network."""


def note_finished(training: Training, ready: Loaded) -> None:
    """Log a finished training from its checkpoint, and from what lies beside it, as one run.

    The run's id is kept beside it then; where it is, there is nothing to do. What MLflow lacks of
    it is told on stderr, and the next run of the study completes it.
    """
    place = training.checkpoint
    file = place.with_suffix(".json")
    if not training.run.track or not file.is_file():
        return
    about = json.loads(file.read_text(encoding="utf-8"))
    if RUN in about:
        return
    try:
        opened = make_tracker(True, training.run.tracking_uri, place.parents[1]).open(
            training.run.experiment, ready.identity, training.name
        )
    except InputError as error:
        print(f"advcore: {training.name} is not in MLflow: {error}", file=sys.stderr)
        return
    start_run(opened, lambda: describe_in_mlflow(opened, training, ready))
    with background_log(opened, training.run.tracking_wait) as log:
        for number, metrics in enumerate(about["metrics"], 1):
            log.run.log(Metrics(metrics, number))
        log.run.log(
            Model(training.name, place, place.with_suffix(".json"), ready.data.shape, ready.classes)
        )
        digest = content_hash(replace(training.model, checkpoint=str(place)))
        log.run.log(Tags({"advcore.model": digest, "advcore.epoch": str(about["epoch"])}))
        log.status = "FINISHED"
    if not log.unlogged:
        with atomic_write(file) as unfinished:
            unfinished.write_text(json.dumps({**about, RUN: opened.id}, indent=1))
    if log.unlogged:
        print(f"advcore: not all of {training.name} is in MLflow: {log.unlogged}", file=sys.stderr)
