"""Checks of a graph's trainings before any work: which are to do, and whether they can work."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from advcore.pipelines.graph.layout import Layout
from advcore.pipelines.graph.loader import Loader
from advcore.pipelines.tracking.checkpoints import download_checkpoint
from advcore.pipelines.training.loading import describe
from advcore.pipelines.training.settings import Training
from advcore.workers.checkpoints import bare_weights, read_metadata, save_tensors
from advcore.workers.datasets import Dataset
from advcore.workers.errors import InputError, named
from advcore.workers.models import build
from advcore.workers.training.description import TrainingSpec
from advcore.workers.training.loading import check_training


def begun(layout: Layout, label: str) -> Training:
    """Return a training with the checkpoint that it begins with, which may not be there yet."""
    training, start = layout.trainings[label], layout.starts.get(label)
    if start is None:
        return training
    begins = layout.trainings.get(start)
    file = str(begins.checkpoint) if begins else layout.networks[start].checkpoint
    return replace(training, model=replace(training.model, checkpoint=file))


def described(training: Training) -> TrainingSpec:
    """Return a training whose first weights, if MLflow has them, are fetched to this machine."""
    out = training.checkpoint.parents[1]
    return describe(training, download_checkpoint(training.model, training.run.tracking_uri, out))


def tested_on(training: Training, load: Loader) -> Dataset | None:
    """Return the samples on which each epoch is tested, if any."""
    return None if training.test is None else load(training.test)


def unfinished(layout: Layout, load: Loader) -> dict[str, Training]:
    """Return the trainings whose network is not there, or is of another training, by label.

    One that begins with such a network is among them.
    """
    found: dict[str, Training] = {}
    for label, training in layout.trainings.items():
        if layout.starts.get(label) in found or not is_finished(layout, label, load):
            found[label] = training
    return found


def is_finished(layout: Layout, label: str, load: Loader) -> bool:
    """Return whether a training's network is there, and is of exactly this training.

    It is not where its data are still to be made.
    """
    training = layout.trainings[label]
    if not training.checkpoint.is_file() or not load.is_there(training.data):
        return False
    training = begun(layout, label)
    return is_trained(layout, label, described(training).identity(load(training.data).digest))


def is_trained(layout: Layout, label: str, identity: str) -> bool:
    """Return whether the files of a training are there, of its epochs too, and are of this id."""
    training = layout.trainings[label]
    files = [training.checkpoint, *map(layout.place, layout.kept(training.name))]
    return all(read_metadata(file).get("advcore.training") == identity for file in files)


def check_trainings(layout: Layout, load: Loader) -> dict[str, int]:
    """Check the trainings that are still to do; return the number of logits by their name.

    What they begin with is untrained here: its shapes are what counts. Raises InputError for those
    that cannot work.
    """
    known: dict[str, int] = {}
    missing = unfinished(layout, load)
    for label, training in layout.trainings.items():
        if training.name in known or label not in missing:
            continue
        start = layout.starts.get(label)
        with TemporaryDirectory() as folder, named(f"models.{label}"):
            file = Path(folder) / "start.safetensors"
            if start is not None:
                save_tensors(bare_weights(build(layout.networks[start])), file, {})
                training = replace(training, model=replace(training.model, checkpoint=str(file)))
            try:
                known[training.name] = check_training(
                    described(training),
                    load(training.data),
                    tested_on(training, load),
                    training.run.device,
                )
            except InputError as error:
                raise InputError(str(error).replace(f"checkpoint {file}", str(start))) from error
    return known
