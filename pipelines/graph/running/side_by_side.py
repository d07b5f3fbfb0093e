"""The trainings of a graph as tasks, side by side."""

import hashlib
import shutil
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from advcore.pipelines.graph.layout import epoch_place
from advcore.pipelines.graph.loader import Loader
from advcore.pipelines.graph.running.estimates import note_training
from advcore.pipelines.graph.running.products import Products
from advcore.pipelines.graph.running.training_checks import begun, check_trainings, is_trained
from advcore.pipelines.graph.settings import AnyStudy
from advcore.pipelines.machine.lock import exclusive_lock
from advcore.pipelines.tracking.checkpoints import upload_checkpoint
from advcore.pipelines.training.finished import note_finished
from advcore.pipelines.training.loading import describe
from advcore.pipelines.training.settings import Training
from advcore.workers.errors import InputError, named
from advcore.workers.files import atomic_write
from advcore.workers.models import content_hash
from advcore.workers.slices import NETWORK, ORIGIN, epoch_ending
from advcore.workers.tasks import TaskResult, Train, Work
from advcore.workers.training.loading import Loaded, check_training, with_samples


@dataclass(frozen=True)
class Job:
    """A training as a task: its samples, and the names of the networks that come of it."""

    training: Training
    ready: Loaded
    task: Train
    labels: tuple[str, ...]

    @property
    def identity(self) -> str:
        """The id of exactly this training."""
        return self.ready.identity


class Trainings:
    """The trainings of a study on their way.

    `products` have the weights of those that are finished; `failed` are the results of those that
    failed.
    """

    def __init__(
        self,
        study: AnyStudy,
        products: Products,
        load: Loader,
        locks: ExitStack,
    ) -> None:
        self.failed: list[TaskResult] = []
        self._products = products
        self._threads = study.run.threads or 1
        self._load = load
        self._locks = locks
        self._jobs: dict[str, Job] = {}
        self._begun: set[str] = set()
        self._seconds: dict[str, float] = defaultdict(float)
        self._classes = check_trainings(products.layout, load)

    def released(self) -> list[Work]:
        """Return the trainings whose data and first weights are there, and that were not begun.

        A network that is there already, as the result of exactly its training, is taken as it is.
        """
        found: list[Work] = []
        while waiting := self._waiting():
            for name, labels in waiting.items():
                self._begun.add(name)
                training = self._products.layout.trainings[labels[0]]
                try:
                    job = self._job(labels)
                    if is_trained(self._products.layout, labels[0], job.identity):
                        self._take(job)
                        continue
                    out = training.checkpoint.parents[1]
                    self._locks.enter_context(exclusive_lock(out, "training", name))
                except InputError as error:
                    self._fail(labels[0], str(error))
                    continue
                self._jobs[job.task.key] = job
                first = upload_checkpoint(job.task.training.model, self._products.store())
                found.append(replace(job.task, start=first.checkpoint))
        return found

    def _fail(self, label: str, error: str) -> None:
        self.failed.append(TaskResult(f"training {label}", label, False, 0, 0.0, error, ""))

    def progressed(self, result: TaskResult) -> None:
        """Note the seconds of a slice."""
        self._seconds[result.key] += result.seconds

    def took(self, result: TaskResult) -> list[Work] | None:
        """Take the last result of a training; None where it is not of one."""
        job = self._jobs.get(result.key)
        if job is None:
            return None
        if not result.ok:
            self.failed.append(result)
            return []
        self._fetch(job)
        note_training(job.training.checkpoint.parents[1], job.training, self._seconds[result.key])
        self._take(job)
        return []

    def _waiting(self) -> dict[str, list[str]]:
        """Return the labels of trainings by name that may begin and that nobody has begun."""
        layout, waiting = self._products.layout, dict[str, list[str]]()
        for label, training in layout.trainings.items():
            start = layout.starts.get(label)
            if (
                training.name not in self._begun
                and (start is None or start in self._products.networks)
                and self._load.is_there(training.data)
            ):
                waiting.setdefault(training.name, []).append(label)
        return waiting

    def _job(self, labels: Sequence[str]) -> Job:
        layout, label = self._products.layout, labels[0]
        training = begun(layout, label)
        described, data = describe(training), self._load(training.data)
        classes = self._classes.get(training.name, 0)
        if not classes:
            with named(f"models.{label}"):
                classes = check_training(described, data, None, training.run.device)
        identity = described.identity(data.digest)
        ready = with_samples(described, data, None, data.digest, identity, classes)
        key = hashlib.sha256(f"training {identity} {self._threads}".encode()).hexdigest()
        name = next(own for own, spec in layout.data.items() if spec == training.data)
        keep = tuple(sorted(set(layout.kept(training.name).values())))
        task = Train(
            key, label, described, data.digest, identity, name, threads=self._threads, keep=keep
        )
        return Job(training, ready, task, tuple(labels))

    def _fetch(self, job: Job) -> None:
        """Bring a finished network from the store into the folder of results."""
        place = job.training.checkpoint
        place.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory() as folder:
            epochs = [(epoch_ending(own), epoch_place(place, own)) for own in job.task.keep]
            networks = [*epochs, (ORIGIN, place.with_suffix(".json")), (NETWORK, place)]
            for ending, target in networks:
                file = Path(folder) / f"file{ending}"
                self._products.store().fetch(job.task.key, ending, file)
                with atomic_write(target) as unfinished:
                    shutil.copyfile(file, unfinished)

    def _take(self, job: Job) -> None:
        """Take a network that is there, and complete its run in MLflow."""
        note_finished(job.training, job.ready)
        layout = self._products.layout
        for label in job.labels:
            layout = layout.trained(label, str(job.training.checkpoint))
        spec, label = layout.networks[job.labels[0]], job.labels[0]
        try:
            self._load.check(f"model {label}", spec, content_hash(spec), job.ready.data)
        except InputError as error:  # it may give NaN
            self._fail(label, str(error))
            return
        for label in job.labels:
            self._products.take_training(label)
