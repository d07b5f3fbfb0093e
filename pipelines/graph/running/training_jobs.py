"""A training as a task, and the way of its network out of the store."""

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from advcore.pipelines.graph.layout import Layout, epoch_place
from advcore.pipelines.graph.loader import Loader
from advcore.pipelines.graph.running.collecting import last_line
from advcore.pipelines.graph.running.training_checks import begun, described, tested_on
from advcore.pipelines.training.settings import Training
from advcore.pipelines.training.tracked import TrainingRun
from advcore.workers.datasets import DataSpec
from advcore.workers.errors import FullDiskError, InputError, RunInterruptedError, is_full, named
from advcore.workers.files import atomic_write
from advcore.workers.slices import NETWORK, ORIGIN, epoch_ending
from advcore.workers.stores.store import Store
from advcore.workers.tasks import TaskResult, Train
from advcore.workers.training.loading import Loaded, check_training, with_samples


class Networks(Protocol):
    """Networks that come of trainings.

    `layout` has their trainings, and the weights of those that are there, `networks`.
    """

    layout: Layout
    networks: set[str]

    @property
    def store(self) -> Callable[[], Store]:
        """The function that opens the store, once."""

    def take_training(self, label: str) -> None:
        """Take the network of a training that is finished, and those of its epochs."""


Names = Callable[[DataSpec], str]
"""Function that returns the name of a data set for tasks."""


@dataclass
class Job:
    """A training as a task: its samples, and the names of the networks that come of it.

    `history` are the numbers of its epochs so far, the first `before` of them of an earlier call;
    `run` is its run in MLflow, which is `opened` with its first epoch, if MLflow answers then; by
    another driver of this process where that has begun the training.
    """

    training: Training
    ready: Loaded
    task: Train
    labels: tuple[str, ...]
    history: list[Mapping[str, float]] = field(default_factory=list)
    before: int = 0
    opened: bool = False
    run: TrainingRun | None = None

    @property
    def identity(self) -> str:
        """The id of exactly this training."""
        return self.ready.identity


def make_job(
    layout: Layout, labels: Sequence[str], load: Loader, classes: int, names: Names
) -> Job:
    """Return the training of some labels as a task; `names` names its data sets.

    `classes` is the number of the network's logits, 0 where nobody looked. Raises InputError for
    what cannot work.
    """
    label = labels[0]
    training = begun(layout, label)
    spec, data, test = described(training), load(training.data), tested_on(training, load)
    if not classes:
        with named(f"models.{label}"):
            classes = check_training(spec, data, test, training.run.device)
    identity = spec.identity(data.digest)
    ready = with_samples(spec, data, test, data.digest, identity, classes)
    threads = training.run.threads or 1
    words = f"training {identity} {threads}" + (f" tested on {test.digest}" if test else "")
    task = Train(
        hashlib.sha256(words.encode()).hexdigest(),
        label,
        spec,
        data.digest,
        identity,
        names(training.data),
        None if training.test is None else names(training.test),
        threads,
        keep=tuple(sorted(set(layout.kept(training.name).values()))),
    )
    return Job(training, ready, task, tuple(labels))


def fetch_network(job: Job, store: Store) -> None:
    """Bring a finished network, and its epochs, from the store into the folder of results."""
    place = job.training.checkpoint
    place.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder:
        epochs = [(epoch_ending(own), epoch_place(place, own)) for own in job.task.keep]
        networks = [*epochs, (ORIGIN, place.with_suffix(".json")), (NETWORK, place)]
        for ending, target in networks:
            file = Path(folder) / f"file{ending}"
            if not store.fetch(job.task.key, ending, file):
                raise InputError(
                    f"training {job.task.name}: its file {job.task.key}{ending} is gone from the "
                    "store; the same command trains it again"
                )
            with atomic_write(target) as unfinished:
                shutil.copyfile(file, unfinished)


def raise_failure(failed: Sequence[TaskResult]) -> None:
    """Raise the error of the first training that failed, if any did, of a kind that says why.

    InputError for what cannot work, or diverged; FullDiskError; RunInterruptedError where the store
    went away; RuntimeError with the traceback for anything else.
    """
    if not failed:
        return
    result = failed[0]
    line = last_line(result.error)
    kind, _, said = line.partition(": ")
    kind = kind.rpartition(".")[2]
    if result.away:
        raise RunInterruptedError(f"training {result.name}: the store is unreachable: {line}")
    if is_full(line):
        raise FullDiskError(f"no space is left to store the epochs of {result.name} ({line})")
    if not result.worker:
        raise InputError(line)
    if kind == FloatingPointError.__name__:
        raise InputError(f"training {result.name} diverged: {said}")
    if kind == InputError.__name__:
        raise InputError(said)
    raise RuntimeError(f"training {result.name} failed: {result.error}")
