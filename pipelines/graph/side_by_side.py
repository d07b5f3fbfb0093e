"""The trainings of a graph as tasks: side by side, and beside the measuring of what is trained."""

import hashlib
import shutil
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tqdm import tqdm

from advcore.pipelines.graph.collecting import last_line
from advcore.pipelines.graph.estimates import note_training
from advcore.pipelines.graph.layout import Layout
from advcore.pipelines.graph.loader import Loader
from advcore.pipelines.graph.plan import prepare_layout
from advcore.pipelines.graph.settings import GraphStudy
from advcore.pipelines.graph.training_checks import begun, check_trainings
from advcore.pipelines.machine.lock import exclusive_lock
from advcore.pipelines.tracking.checkpoints import upload_checkpoint, upload_checkpoints
from advcore.pipelines.training.finished import note_finished
from advcore.pipelines.training.loading import describe
from advcore.pipelines.training.settings import Training
from advcore.probes import Comparison
from advcore.workers.checkpoints import read_metadata
from advcore.workers.errors import InputError, named
from advcore.workers.files import atomic_write
from advcore.workers.models import content_hash
from advcore.workers.slices import NETWORK, ORIGIN
from advcore.workers.stores.store import Store
from advcore.workers.tasks import Runner, Task, TaskResult, Train, Work
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

    `layout` has the weights of those that are finished; `measured` are the results of shards that
    were measured beside the others, `failed` those of trainings that failed.
    """

    def __init__(
        self,
        study: GraphStudy,
        layout: Layout,
        load: Loader,
        store: Callable[[], Store],
        locks: ExitStack,
    ) -> None:
        self.layout = layout
        self.measured: list[TaskResult] = []
        self.failed: list[TaskResult] = []
        self._study = study
        self._load = load
        self._store = cache(store)
        self._locks = locks
        self._jobs: dict[str, Job] = {}
        self._begun: set[str] = set()
        self._there = {name for name in layout.networks if name not in layout.trainings}
        self._new = sorted(self._there)
        self._seconds: dict[str, float] = defaultdict(float)
        self._classes = check_trainings(layout, load)

    def released(self) -> list[Work]:
        """Return the trainings whose first weights are there, and what their networks wait for.

        A network that is there already, as the result of exactly its training, is taken as it is.
        """
        found: list[Work] = []
        while waiting := self._waiting():
            for name, labels in waiting.items():
                self._begun.add(name)
                training = self.layout.trainings[labels[0]]
                try:
                    job = self._job(labels)
                    if read_metadata(training.checkpoint).get("advcore.training") == job.identity:
                        self._take(job)
                        continue
                    out = training.checkpoint.parents[1]
                    self._locks.enter_context(exclusive_lock(out, "training", name))
                except InputError as error:
                    self._fail(labels[0], str(error))
                    continue
                self._jobs[job.task.key] = job
                first = upload_checkpoint(job.task.training.model, self._store()).checkpoint
                found.append(replace(job.task, start=first))
        return [*found, *(self._measurable() if self._jobs else [])]

    def _fail(self, label: str, error: str) -> None:
        self.failed.append(TaskResult(f"training {label}", label, False, 0, 0.0, error, ""))

    def took(self, result: TaskResult) -> None:
        """Note the seconds of a slice."""
        self._seconds[result.key] += result.seconds

    def after(self, result: TaskResult) -> Sequence[Work]:
        """Note a result, and return what it releases."""
        job = self._jobs.get(result.key)
        if job is None:
            self.measured.append(result)
            return []
        if not result.ok:
            self.failed.append(result)
            return []
        self._fetch(job)
        note_training(job.training.checkpoint.parents[1], job.training, self._seconds[result.key])
        self._take(job)
        return self.released()

    def _waiting(self) -> dict[str, list[str]]:
        """Return the labels of trainings by name that may begin and that nobody has begun."""
        layout, waiting = self.layout, dict[str, list[str]]()
        for label, training in layout.trainings.items():
            start = layout.starts.get(label)
            if training.name not in self._begun and (start is None or start in self._there):
                waiting.setdefault(training.name, []).append(label)
        return waiting

    def _job(self, labels: Sequence[str]) -> Job:
        layout, label = self.layout, labels[0]
        training = begun(layout, label)
        described, data = describe(training), self._load(training.data)
        classes = self._classes.get(training.name, 0)
        if not classes:
            with named(f"models.{label}"):
                classes = check_training(described, data, None, training.run.device)
        identity = described.identity(data.digest)
        ready = with_samples(described, data, None, data.digest, identity, classes)
        threads = self._study.run.threads or 1
        key = hashlib.sha256(f"training {identity} {threads}".encode()).hexdigest()
        name = next(own for own, spec in layout.data.items() if spec == training.data)
        task = Train(key, label, described, data.digest, identity, name, threads=threads)
        return Job(training, ready, task, tuple(labels))

    def _fetch(self, job: Job) -> None:
        """Bring a finished network from the store into the folder of results."""
        place = job.training.checkpoint
        place.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory() as folder:
            for ending, target in ((ORIGIN, place.with_suffix(".json")), (NETWORK, place)):
                file = Path(folder) / f"file{ending}"
                self._store().fetch(job.task.key, ending, file)
                with atomic_write(target) as unfinished:
                    shutil.copyfile(file, unfinished)

    def _take(self, job: Job) -> None:
        """Take a network that is there, and complete its run in MLflow."""
        note_finished(job.training, job.ready)
        layout = self.layout
        for label in job.labels:
            layout = layout.trained(label, str(job.training.checkpoint))
        spec, label = layout.networks[job.labels[0]], job.labels[0]
        try:
            self._load.check(f"model {label}", spec, content_hash(spec), job.ready.data)
        except InputError as error:  # it may give NaN
            self._fail(label, str(error))
            return
        self.layout = layout
        self._new += job.labels
        self._there.update(job.labels)

    def reported(self) -> Layout:
        """Return the layout without the networks that failed, and those behind them."""
        layout = self.layout
        return replace(
            layout,
            networks={name: own for name, own in layout.networks.items() if name in self._there},
            planned=tuple(own for own in layout.planned if own.network in self._there),
        )

    def _measurable(self) -> list[Task]:
        """Return the shards of networks that are new since the last call, if the store lacks them.

        Comparisons wait until all networks are there.
        """
        layout = self.layout
        there = {name: layout.networks[name] for name in self._new}
        self._new = []
        planned = tuple(
            own
            for own in layout.planned
            if own.network in there and not isinstance(own.settings, Comparison)
        )
        part = replace(layout, networks=there, planned=planned, claims={})
        tasks = prepare_layout(self._study, part, self._load).all_tasks()
        missing = set(self._store().missing(task.key for task in tasks))
        return upload_checkpoints([task for task in tasks if task.key in missing], self._store())


def train_side_by_side(
    study: GraphStudy,
    layout: Layout,
    load: Loader,
    runner: Runner,
    store: Callable[[], Store],
) -> tuple[Layout, list[TaskResult]]:
    """Train the networks of a graph on a runner, and measure beside it what is trained.

    Return the layout with their weights, the results of the shards that were measured, and those
    of trainings that failed; shards that failed are measured again later. A training that fails
    takes the networks behind it along, not the others. `store` opens the store, where it is
    needed.

    Raises InputError, before any work, where a training cannot work, and where nothing is left.
    """
    with ExitStack() as locks:
        trainings = Trainings(study, layout, load, store, locks)
        first = trainings.released()
        if any(isinstance(task, Train) for task in first):
            _collect(study.name, trainings, runner, first, load)
    left = trainings.reported()
    if not left.planned:
        lines = [f"{own.name}: {last_line(own.error)}" for own in trainings.failed]
        raise InputError(f"training failed: {'; '.join(lines)}")
    return left, [own for own in trainings.measured if own.ok] + trainings.failed


def _collect(
    name: str, trainings: Trainings, runner: Runner, first: Sequence[Work], load: Loader
) -> None:
    """Run the tasks to their end, with a bar of epochs."""
    layout = trainings.layout
    epochs = {own.name: own.recipe.epochs for own in layout.trainings.values()}
    datasets = {own: load(spec) for own, spec in layout.data.items()}
    with (
        tqdm(
            total=sum(epochs.values()), desc=f"train {name}", unit="epoch", file=sys.stderr
        ) as bar,
        closing(runner.run(first, datasets, trainings.after)) as coming,
    ):
        for result in coming:
            trainings.took(result)
            bar.set_postfix_str(result.name if result.ok else f"{result.name} FAILED", False)
            bar.update(len(result.metrics))
