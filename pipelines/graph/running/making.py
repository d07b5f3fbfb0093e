"""The derived data sets and the fits of a graph as tasks."""

from dataclasses import dataclass, replace

from advcore.pipelines.graph.layout import DerivedData
from advcore.pipelines.graph.running.products import Products
from advcore.pipelines.tracking.checkpoints import upload_checkpoint, upload_checkpoints
from advcore.workers.errors import InputError
from advcore.workers.rounds import Rounds
from advcore.workers.tasks import Task, TaskResult, Work


@dataclass
class _Making:
    """A data set on its way: the tasks of all its shards, the keys of those that are missing."""

    own: DerivedData
    tasks: list[Task]
    missing: set[str]


class DataMaking:
    """The derived data sets of a study on their way, shard by shard.

    `products` have those that are finished; `failed` are the results of shards that failed.
    """

    def __init__(self, products: Products) -> None:
        self.failed: list[TaskResult] = []
        self._products = products
        self._begun: set[str] = set()
        self._running: list[_Making] = []

    def released(self) -> list[Work]:
        """Return the missing shards of the data sets whose inputs are there; none twice."""
        found: list[Work] = []
        for own in self._products.layout.derived.values():
            if (
                own.label in self._begun | self._products.data
                or own.made is None
                or not self._products.comes_next(own)
            ):
                continue
            self._begun.add(own.label)
            tasks = self._products.making(own)
            missing = set(self._products.store().missing(task.key for task in tasks))
            self._running.append(_Making(own, tasks, missing))
            found += upload_checkpoints(
                [task for task in tasks if task.key in missing], self._products.store()
            )
        return found

    def took(self, result: TaskResult) -> list[Work] | None:
        """Take the result of a shard; None where it is not of one.

        With the last one the data set is there.
        """
        mine = [making for making in self._running if result.key in making.missing]
        if not mine:
            return None
        if not result.ok:
            self.failed.append(result)
            self._running = [making for making in self._running if making not in mine]
            return []
        for making in mine:
            making.missing.discard(result.key)
            if not making.missing:
                self._products.take_data(making.own, making.tasks)
        return []


class Fitting:
    """The fits of a study on their way, round by round.

    `products` have the keys of those that are finished; `failed` are the results of what failed.
    """

    def __init__(self, products: Products) -> None:
        self.failed: list[TaskResult] = []
        self._products = products
        self._labels: dict[str, list[str]] = {}
        self._rounds: dict[str, Rounds] = {}
        self._begun: set[str] = set()
        self._shares: dict[str, str] = {}

    def released(self) -> list[Work]:
        """Return the first shares of the fits whose inputs are there."""
        found: list[Work] = []
        for own in self._products.layout.fits.values():
            if own.label in self._begun | self._products.fits.keys():
                continue
            if not self._products.fit_comes_next(own):
                continue
            self._begun.add(own.label)
            try:
                fit = self._products.fit(own)
            except InputError as error:
                name = f"fit {own.label}"
                self.failed.append(TaskResult(name, name, False, 0, 0.0, str(error), ""))
                continue
            labels = self._labels.setdefault(fit.key, [])
            labels.append(own.label)
            if fit.key not in self._rounds:
                model = upload_checkpoint(fit.template.model, self._products.store())
                template = replace(fit.template, model=model)
                self._rounds[fit.key] = Rounds(template, fit.shards, self._products.store())
                found += self._noted(fit.key, list(self._rounds[fit.key].released()))
        return found

    def took(self, result: TaskResult) -> list[Work] | None:
        """Take the result of a share, and return those that it releases; None for other results."""
        key = self._shares.get(result.key)
        if key is None:
            return None
        return self._noted(key, list(self._rounds[key].took(result)))

    def _noted(self, key: str, shares: list[Work]) -> list[Work]:
        """Note the fit of the shares, and whether it is finished or has failed now."""
        rounds = self._rounds[key]
        self._shares.update({share.key: key for share in shares})
        if rounds.failed is not None and rounds.failed not in self.failed:
            self.failed.append(rounds.failed)
        if rounds.finished is not None:
            for label in self._labels[key]:
                self._products.fits[label] = key
        return shares
