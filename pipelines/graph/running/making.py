"""The derived data sets and the fits of a graph as tasks."""

from dataclasses import dataclass, replace
from pathlib import Path

from advcore.pipelines.graph.layout import DerivedData
from advcore.pipelines.graph.running.estimates import note_fit
from advcore.pipelines.graph.running.products import Products
from advcore.pipelines.tracking.checkpoints import upload_checkpoint, upload_checkpoints
from advcore.workers.errors import InputError
from advcore.workers.rounds import Rounds
from advcore.workers.tasks import Share, Task, TaskResult, Work


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


@dataclass
class _Learning:
    """A fit on its way: a share of it as a pattern, its rounds, the labels that it goes by.

    `seconds` are what its shares took so far; None where rounds were made in an earlier call.
    """

    template: Share
    rounds: Rounds
    labels: list[str]
    seconds: float | None = None


class Fitting:
    """The fits of a study on their way, round by round.

    `products` have the keys of those that are finished; `failed` are the results of what failed.
    What the others took is noted in the folder of results `out`.
    """

    def __init__(self, products: Products, out: Path) -> None:
        self.failed: list[TaskResult] = []
        self._products = products
        self._out = out
        self._running: dict[str, _Learning] = {}
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
            if fit.key in self._running:
                self._running[fit.key].labels.append(own.label)
                continue
            model = upload_checkpoint(fit.template.model, self._products.store())
            template = replace(fit.template, model=model)
            rounds = Rounds(template, fit.shards, self._products.store())
            learning = _Learning(template, rounds, [own.label])
            self._running[fit.key] = learning
            shares: list[Work] = list(rounds.released())
            if rounds.state is not None and rounds.state.rounds == 0:
                learning.seconds = 0.0
            found += self._noted(learning, shares)
        return found

    def took(self, result: TaskResult) -> list[Work] | None:
        """Take the result of a share, and return those that it releases; None for other results."""
        if result.key not in self._shares:
            return None
        learning = self._running[self._shares[result.key]]
        if learning.seconds is not None:
            learning.seconds += result.seconds
        return self._noted(learning, list(learning.rounds.took(result)))

    def _noted(self, learning: _Learning, shares: list[Work]) -> list[Work]:
        """Note the shares of a fit, and whether it is finished or has failed now."""
        rounds, key = learning.rounds, learning.template.state
        self._shares.update({share.key: key for share in shares})
        if rounds.failed is not None and rounds.failed not in self.failed:
            self.failed.append(rounds.failed)
        if rounds.finished is not None:
            self._products.take_fits(learning.labels, key)
            if learning.seconds:
                note_fit(self._out, learning.template, learning.seconds)
        return shares
