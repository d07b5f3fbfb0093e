"""The work of a study: trainings, derived data and fits, and measuring beside them."""

import sys
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace

from tqdm import tqdm

from advcore.pipelines.graph.layout import Layout
from advcore.pipelines.graph.loader import Loader
from advcore.pipelines.graph.plan import prepare_layout
from advcore.pipelines.graph.running.making import DataMaking, Fitting
from advcore.pipelines.graph.running.products import Products
from advcore.pipelines.graph.running.progress_log import ProgressLog
from advcore.pipelines.graph.running.side_by_side import Tell, Trainings
from advcore.pipelines.graph.running.training_checks import check_trainings
from advcore.pipelines.graph.running.training_jobs import raise_failure
from advcore.pipelines.graph.settings import AnyStudy, Study
from advcore.pipelines.machine.lock import Locks
from advcore.pipelines.tracking.checkpoints import upload_checkpoints
from advcore.probes import Comparison
from advcore.workers.datasets import Dataset
from advcore.workers.errors import InputError
from advcore.workers.paths import expand_path
from advcore.workers.redaction import last_line
from advcore.workers.stores.store import open_store
from advcore.workers.tasks import Runner, Task, TaskResult, Work


@dataclass(frozen=True)
class Place:
    """The place where a study is computed: a runner, the location of the store, locks.

    Drivers of one process may share it.
    """

    runner: Runner
    store: str
    locks: Locks


class Execution:
    """A study on its way: what comes of what is released as soon as its inputs are there.

    `products` are what is there, `measured` the results of shards that were measured beside it.
    """

    def __init__(
        self,
        study: AnyStudy,
        layout: Layout,
        load: Loader,
        location: str,
        runs: ExitStack,
        locks: Locks,
        tell: Tell,
        progress: ProgressLog,
    ) -> None:
        self.products = Products(study, layout, load, location, lambda: open_store(location))
        self.measured: list[TaskResult] = []
        self._study = study
        self._load = load
        self._progress = progress
        classes = check_trainings(layout, load)
        self._trainings = Trainings(self.products, load, runs, locks, classes, tell)
        self._making = DataMaking(self.products)
        self._fitting = Fitting(self.products, expand_path(study.run.out).absolute())
        self._waiting = [own for own in layout.planned if not isinstance(own.settings, Comparison)]
        self._datasets: dict[str, Dataset] = {}
        self._works = False

    @property
    def failed(self) -> list[TaskResult]:
        """The results of trainings, shards and fits that failed; what is behind them is missing."""
        return [*self._trainings.failed, *self._making.failed, *self._fitting.failed]

    @property
    def datasets(self) -> dict[str, Dataset]:
        """The data sets that are there, by name; the same mapping grows as they come."""
        self._see_data()
        return self._datasets

    def released(self) -> list[Work]:
        """Return the work whose inputs are there, and that was not released before.

        Shards are measured beside other work alone.
        """
        found: list[Work] = []
        while True:
            before = self._there()
            found += self._trainings.released()
            self.products.settle()
            found += self._making.released()
            found += self._fitting.released()
            if self._there() == before:
                break
        self._see_data()
        self._progress.there(self.products, self.failed)
        self._works |= bool(found)
        return [*found, *(self._measurable() if self._works else [])]

    def after(self, result: TaskResult) -> Sequence[Work]:
        """Note a last result, and return what it releases."""
        for part in (self._trainings, self._making, self._fitting):
            more = part.took(result)
            if more is not None:
                return [*more, *self.released()]
        self.measured.append(result)
        return []

    @property
    def epochs_before(self) -> int:
        """The number of epochs of an earlier call of the trainings that were released."""
        return self._trainings.epochs_before

    def progressed(self, result: TaskResult) -> None:
        """Note a result, also of a slice of a training that is not its last."""
        self._progress.took(result)
        self._trainings.progressed(result)

    def _there(self) -> tuple[int, int, int]:
        products = self.products
        return len(products.networks), len(products.data), len(products.fits)

    def _see_data(self) -> None:
        for name in self.products.data - self._datasets.keys():
            self._datasets[name] = self._load(self.products.layout.data[name])
        self._datasets |= self._trainings.datasets

    def _measurable(self) -> list[Task]:
        """Return the shards whose inputs came since the last call, if the store lacks them.

        Comparisons wait until all networks are there.
        """
        new = [own for own in self._waiting if self.products.measurable(own)]
        if not new:
            return []
        self._waiting = [own for own in self._waiting if not self.products.measurable(own)]
        layout, names = self.products.layout, {own.network for own in new}
        part = replace(
            layout,
            networks={name: spec for name, spec in layout.networks.items() if name in names},
            planned=tuple(replace(own, settings=self.products.keyed(own.settings)) for own in new),
            claims={},
        )
        tasks = prepare_layout(self._study, part, self._load).all_tasks()
        store = self.products.store()
        missing = set(store.missing(task.key for task in tasks))
        self._progress.found(tasks, missing)
        return upload_checkpoints([task for task in tasks if task.key in missing], store)


def execute(
    study: AnyStudy,
    layout: Layout,
    load: Loader,
    place: Place,
    tell: Tell,
    progress: ProgressLog,
) -> tuple[Layout, list[TaskResult]]:
    """Train, make and learn what a study names, and measure beside it what is there.

    Return the layout with what is there, the results of the shards that were measured, and those
    of what failed; shards that failed are measured again later. What fails takes what is behind it
    along, nothing else; but a study of the old form is left out whole where one of its trainings
    fails, see `raise_failure`. `tell` is told of each trained network, `progress` of all.

    Raises InputError, before any work, for what cannot work, and where nothing is left.
    """
    with ExitStack() as runs:
        execution = Execution(study, layout, load, place.store, runs, place.locks, tell, progress)
        first = execution.released()
        if isinstance(study, Study):
            raise_failure(execution.failed)
        if first:
            progress.phase("preparing")
            _collect(study.name, execution, place.runner, first)
        if isinstance(study, Study):
            raise_failure(execution.failed)
    left = execution.products.reported()
    if not left.planned:
        lines = [f"{own.name}: {last_line(own.error)}" for own in execution.failed]
        raise InputError(f"nothing can be measured: {'; '.join(lines)}")
    return left, [own for own in execution.measured if own.ok] + execution.failed


def _collect(name: str, execution: Execution, runner: Runner, first: Sequence[Work]) -> None:
    """Run the tasks to their end, with a bar of epochs, of which some are there already.

    Where also fits are learnt or data made, nobody knows the number of steps: each is counted.
    """
    products = execution.products
    epochs = {own.name: own.recipe.epochs for own in products.unfinished.values()}
    makes = products.layout.derived.keys() - products.data
    learns = products.layout.fits.keys() - products.fits.keys()
    total = None if makes or learns else sum(epochs.values()) or None
    there = execution.epochs_before if total else 0
    with (
        tqdm(
            total=total, initial=there, desc=f"prepare {name}", unit="step", file=sys.stderr
        ) as bar,
        closing(runner.run(first, execution.datasets, execution.after)) as coming,
    ):
        for result in coming:
            execution.progressed(result)
            bar.set_postfix_str(result.name if result.ok else f"{result.name} FAILED", False)
            bar.update(len(result.metrics) if result.metrics or total else 1)
            if total:  # trainings that were released meanwhile
                more = execution.epochs_before - there
                there += more
                if not bar.disable:  # one that is off has no beginning
                    bar.initial += more
                bar.update(more)
