"""Trainings as tasks, side by side: those of a study, or one alone."""

import hashlib
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial

from tqdm import tqdm

from advcore.learnt import learnt_in
from advcore.pipelines.graph.loader import Loader
from advcore.pipelines.graph.running.estimates import note_training
from advcore.pipelines.graph.running.training_checks import is_trained
from advcore.pipelines.graph.running.training_jobs import Job, Networks, fetch_network, make_job
from advcore.pipelines.machine.lock import Locks
from advcore.pipelines.tracking.checkpoints import upload_checkpoint
from advcore.pipelines.training.outcome import Trained, read_trained, revealed
from advcore.pipelines.training.settings import Training
from advcore.pipelines.training.tracked import TrainingRun, note_finished
from advcore.workers.datasets import Dataset, DataSpec
from advcore.workers.errors import InputError
from advcore.workers.files import check_writable
from advcore.workers.models import content_hash
from advcore.workers.slices import is_stored, saved_history
from advcore.workers.stores.retries import with_store_retries
from advcore.workers.tasks import TaskResult, Work

Tell = Callable[[str, Trained], None]
"""Function that is told the label of each network once it is there."""


class Trainings:
    """Trainings on their way.

    `products` have the weights of those that are finished; `failed` are the results of those that
    failed; `datasets` are those of the tasks by name, beside those of the layout. `classes` are
    the numbers of logits by the trainings' names, as far as they are known. `runs` ends the runs in
    MLflow of those that did not finish. `locks` hold until all is done; where several drivers of
    one process share them, the first one that begins a training keeps its run in MLflow.
    """

    def __init__(
        self,
        products: Networks,
        load: Loader,
        runs: ExitStack,
        locks: Locks,
        classes: Mapping[str, int],
        tell: Tell,
    ) -> None:
        self.failed: list[TaskResult] = []
        self.datasets: dict[str, Dataset] = {}
        self._products = products
        self._load = load
        self._runs = runs
        self._locks = locks
        self._jobs: dict[str, Job] = {}
        self._begun: set[str] = set()
        self._works = False
        self._seconds: dict[str, float] = defaultdict(float)
        self._classes = classes
        self._tell = tell

    def released(self) -> list[Work]:
        """Return the trainings whose data and first weights are there, and that were not begun.

        A network that is there already, as the result of exactly its training, is taken as it is,
        from the store, too. Raises InputError where MLflow does not take the run of the
        first, which is asked before any work.
        """
        found: list[Work] = []
        while waiting := self._waiting():
            for name, labels in waiting.items():
                self._begun.add(name)
                try:
                    job = self._job(labels)
                    if is_trained(self._products.layout, labels[0], job.identity):
                        self._take(job, True)
                        continue
                    job.opened = not self._hold(job.training)
                except InputError as error:
                    self._fail(labels[0], str(error))
                    continue
                if is_stored(self._products.store(), job.task):
                    fetch_network(job, self._products.store())
                    self._take(job, True)
                else:
                    found.append(self._begin(job))
        self._works = True
        return found

    @property
    def epochs_before(self) -> int:
        """The number of epochs that the trainings had when they were released, in all."""
        return sum(job.before for job in self._jobs.values())

    def progressed(self, result: TaskResult) -> None:
        """Note the seconds and the epochs of a slice; of one that is made again, what is new."""
        job = self._jobs.get(result.key)
        before = result.epoch - len(result.metrics)
        if job is not None and job.history and not before:
            self._seconds[result.key] = 0.0  # the training began anew
        self._seconds[result.key] += result.seconds
        if job is None or not result.metrics:
            return
        told = max(before, len(job.history))
        job.history = [*job.history[:before], *result.metrics, *job.history[result.epoch :]]
        if not job.opened:
            with suppress(InputError):  # told in the end, by whoever completes it
                self._open(job)
        elif job.run is not None and told < result.epoch:
            job.run.epochs(result.metrics[told - before :], told + 1)
        for kind, number, seen in revealed(job.history, told):
            if job.run is not None:
                job.run.overfitting(kind, number)
            tqdm.write(
                f"{kind} overfitting at epoch {number}, seen after epoch {seen}", file=sys.stderr
            )

    def took(self, result: TaskResult) -> list[Work] | None:
        """Take the last result of a training; None where it is not of one."""
        job = self._jobs.get(result.key)
        if job is None:
            return None
        if not result.ok:
            self.failed.append(result)
            if job.run is not None:
                job.run.open.close()
            return []
        fetch_network(job, self._products.store())
        if not job.before:
            out = job.training.checkpoint.parents[1]
            note_training(out, job.training, self._seconds[result.key])
        self._take(job, False)
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
                and all(fit.key for fit in learnt_in(training.recipe))
            ):
                waiting.setdefault(training.name, []).append(label)
        return waiting

    def _job(self, labels: Sequence[str]) -> Job:
        layout = self._products.layout
        classes = self._classes.get(layout.trainings[labels[0]].name, 0)
        return make_job(layout, labels, self._load, classes, self._named)

    def _named(self, spec: DataSpec) -> str:
        """Return the name of a data set for tasks: the layout's, if it has one."""
        for name, own in self._products.layout.data.items():
            if own == spec:
                return name
        name = hashlib.sha256(repr(spec).encode()).hexdigest()
        self.datasets[name] = self._load(spec)
        return name

    def _hold(self, training: Training) -> bool:
        """Lock a training and see whether its result can be written.

        Return False where another driver that shares the locks has begun it. Raises InputError.
        """
        out = training.checkpoint.parents[1]
        first = self._locks.hold(out, "training", training.name)
        check_writable(training.checkpoint.parent)
        if (out / "training" / training.name).is_dir():
            print(
                f"advcore: the epochs in {out / 'training' / training.name} are of an earlier "
                "version and are not gone on with: they now lie in the store; that folder can go",
                file=sys.stderr,
            )
        return first

    def _begin(self, job: Job) -> Work:
        """Return the task of a training, whose earlier epochs are noted."""
        store = self._products.store()
        job.history = [*with_store_retries(partial(saved_history, store, job.task.key))]
        job.before = len(job.history)
        if not (self._works or self._jobs or job.opened):
            self._open(job)
        self._jobs[job.task.key] = job
        first = upload_checkpoint(job.task.training.model, store)
        return replace(job.task, start=first.checkpoint)

    def _open(self, job: Job) -> None:
        """Open the run of a training in MLflow, which has all epochs so far then."""
        job.opened = True
        job.run = TrainingRun(job.training, job.ready, self._products.layout.called)
        self._runs.push(job.run.open)
        job.run.epochs(job.history)

    def _fail(self, label: str, error: str) -> None:
        self.failed.append(TaskResult(f"training {label}", label, False, 0, 0.0, error, ""))

    def _take(self, job: Job, already: bool) -> None:
        """Take a network that is there, and complete its run in MLflow."""
        layout = self._products.layout
        unlogged = note_finished(job.training, job.ready, job.run, layout.called)
        for label in job.labels:
            layout = layout.trained(label, str(job.training.checkpoint))
        spec, label = layout.networks[job.labels[0]], job.labels[0]
        try:
            self._load.check(f"model {label}", spec, content_hash(spec), job.ready.data)
        except InputError as error:  # it may give NaN
            self._fail(label, str(error))
            return
        place = job.training.checkpoint
        trained = (
            Trained(place, True, unlogged=unlogged) if already else read_trained(place, unlogged)
        )
        for label in job.labels:
            self._products.take_training(label)
            self._tell(label, trained)
