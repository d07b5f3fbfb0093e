"""The MLflow run of a training that a worker finished."""

import json
import sys
from dataclasses import replace

from advcore.pipelines.tracking.background import background_log, start_run
from advcore.pipelines.tracking.record import Metrics, Model, Tags
from advcore.pipelines.tracking.tracker import make_tracker
from advcore.pipelines.training.driver import describe_in_mlflow
from advcore.pipelines.training.settings import Training
from advcore.workers.models import content_hash
from advcore.workers.training.loading import Loaded


def note_finished(training: Training, ready: Loaded) -> None:
    """Log a finished training from its checkpoint, and from what lies beside it, as one run.

    What MLflow lacks of it is told on stderr.
    """
    place = training.checkpoint
    about = json.loads(place.with_suffix(".json").read_text(encoding="utf-8"))
    out = place.parents[1]
    opened = make_tracker(training.run.track, training.run.tracking_uri, out).open(
        training.run.experiment, ready.identity, training.name
    )
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
    if log.unlogged:
        print(f"advcore: not all of {training.name} is in MLflow: {log.unlogged}", file=sys.stderr)
