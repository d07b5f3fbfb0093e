"""The products of a graph: networks with weights, data sets, fits; which of them are there."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from advcore.fits import VERSIONS, Fit, FitSamples
from advcore.learnt import Learnt, learnt_in, with_learnt
from advcore.pipelines.graph.collected_entries import derived_here
from advcore.pipelines.graph.layout import DerivedData, Layout, Planned, PlannedFit
from advcore.pipelines.graph.loader import Loader
from advcore.pipelines.graph.plan import measurement_tasks
from advcore.pipelines.graph.running.training_checks import is_finished
from advcore.pipelines.graph.settings import AnyStudy
from advcore.pipelines.settings import schema
from advcore.pipelines.tracking.checkpoints import resolve_checkpoint
from advcore.pipelines.training.settings import Training
from advcore.workers.datasets.made import made_dataset
from advcore.workers.fit_files import FINISHED
from advcore.workers.keys import settings_that_define_rows, work_key
from advcore.workers.models import content_hash
from advcore.workers.paths import expand_path
from advcore.workers.shards import Shard, split
from advcore.workers.stores.store import Store
from advcore.workers.tasks import Other, Share, Task


@dataclass(frozen=True)
class ReadyFit:
    """A fit whose inputs are there: a share of it as a pattern for all, and its shards."""

    template: Share
    shards: Sequence[Shard]

    @property
    def key(self) -> str:
        """The hash of all that decides what is learnt."""
        return self.template.state


class Products:
    """The products of a graph that are there.

    `layout` has the weights of the networks in `networks`; the data sets in `data` are what
    they are called; `fits` are the keys of the finished fits by label. `store` opens the store at
    `location`, once, where it is needed.
    """

    def __init__(
        self,
        study: AnyStudy,
        layout: Layout,
        load: Loader,
        location: str,
        store: Callable[[], Store],
    ) -> None:
        self.layout = layout
        come = layout.trainings.keys() | layout.epochs.keys()
        self.networks = {name for name in layout.networks if name not in come}
        self.data = {name for name, spec in layout.data.items() if load.is_there(spec)}
        self.fits: dict[str, str] = {}
        self.store = cache(store)
        self._study = study
        self._location = location
        self._load = load
        self._hashed: dict[str, Other] = {}

    @property
    def unfinished(self) -> dict[str, Training]:
        """The trainings whose network is not there, by label."""
        trainings = self.layout.trainings.items()
        return {name: own for name, own in trainings if name not in self.networks}

    @property
    def unlearnt(self) -> dict[str, PlannedFit]:
        """The fits that are not there, by label."""
        return {name: own for name, own in self.layout.fits.items() if name not in self.fits}

    def take_network(self, label: str, checkpoint: str) -> None:
        """Note the weights of a trained network."""
        self.layout = self.layout.trained(label, checkpoint)
        self.networks.add(label)

    def take_training(self, label: str) -> None:
        """Take the network of a training that is finished, and those of its epochs."""
        kept = self.layout.kept(self.layout.trainings[label].name)
        for name in (label, *(own for own in kept if self.layout.epochs[own][0] == label)):
            self.take_network(name, str(self.layout.place(name)))

    def network(self, label: str) -> Other:
        """Return a network that is there, its checkpoint as a file, with its hash."""
        if label not in self._hashed:
            run = self._study.run
            out = expand_path(run.out).absolute()
            spec = resolve_checkpoint(self.layout.networks[label], run.tracking_uri, out)
            self._hashed[label] = Other(label, spec, content_hash(spec))
        return self._hashed[label]

    def settle(self) -> None:
        """Take what the store has, or what needs no network, as far as its inputs are there.

        The store is opened only where something may lie in it.
        """
        while any([*self._settled_data(), *self._settled_fits()]):
            pass

    def settle_with_networks(self) -> None:
        """Take also the networks whose trainings are finished; nothing is written or logged."""
        before = -1
        while len(self.networks) > before:
            before = len(self.networks)
            self.settle()
            for label in self.layout.trainings:
                start = self.layout.starts.get(label)
                ready = start is None or start in self.networks
                if (
                    label not in self.networks
                    and ready
                    and is_finished(self.layout, label, self._load)
                ):
                    self.take_training(label)

    def _settled_data(self) -> Iterator[bool]:
        for own in self.layout.derived.values():
            if own.label in self.data or not self.comes_next(own):
                continue
            if own.made is None:
                sources = {name: self._load(self.layout.data[name]) for name in own.sources}
                self._load.provide(self.layout.data[own.label], derived_here(own, sources))
            else:
                tasks = self.making(own)
                if self.store().missing(task.key for task in tasks):
                    continue
                self.take_data(own, tasks)
            self.data.add(own.label)
            yield True

    def _settled_fits(self) -> Iterator[bool]:
        for own in self.layout.fits.values():
            if own.label not in self.fits and self.fit_comes_next(own):
                key = self.fit(own).key
                if self.store().has(key, FINISHED):
                    self.take_fits([own.label], key)
                    yield True

    def take_fits(self, labels: Iterable[str], key: str) -> None:
        """Take a fit that is finished, under each of its labels; trainings that name it are keyed.

        So the id of a training covers what its fits have learnt.
        """
        self.fits.update(dict.fromkeys(labels, key))
        trainings = {
            name: replace(own, recipe=self.keyed(own.recipe))
            for name, own in self.layout.trainings.items()
        }
        self.layout = replace(self.layout, trainings=trainings)

    def take_data(self, own: DerivedData, tasks: Sequence[Task]) -> None:
        """Take the samples that were made, whose rows are all in the store."""
        source = self._load(self.layout.data[own.sources[0]])
        keys = [task.key for task in tasks]
        dataset = made_dataset(self._location, keys, source, own.stays_in_box(source.in_box))
        self._load.provide(self.layout.data[own.label], dataset)
        self.data.add(own.label)

    def comes_next(self, own: DerivedData) -> bool:
        """Return whether all that a derived data set comes of is there."""
        if own.made is not None and not self._is_ready(own.made.network, own.made.settings):
            return False
        return self.data.issuperset(own.sources)

    def fit_comes_next(self, own: PlannedFit) -> bool:
        """Return whether all that a fit needs is there."""
        return own.data in self.data and self._is_ready(own.network, own.settings)

    def measurable(self, own: Planned) -> bool:
        """Return whether all that a measurement needs is there."""
        return own.data in self.data and self._is_ready(own.network, own.settings)

    def _is_ready(self, network: str, settings: Any) -> bool:
        return network in self.networks and all(
            fit.name in self.fits for fit in learnt_in(settings)
        )

    def keyed(self, settings: Any) -> Any:
        """Return settings with the keys of the fits that they name, as far as these are there."""

        def with_key(one: Learnt) -> Learnt:
            return replace(one, key=self.fits.get(one.name, ""))

        return with_learnt(settings, with_key)

    def making(self, own: DerivedData) -> list[Task]:
        """Return the tasks that make a data set, one a shard of its source."""
        assert own.made is not None
        planned = replace(own.made, settings=self.keyed(own.made.settings))
        dataset = self._load(self.layout.data[planned.data])
        network = self.network(planned.network)
        return measurement_tasks(self._study, planned, dataset, network, (), own.seed)

    def _made_keys(self, own: DerivedData) -> tuple[str, ...]:
        return tuple(task.key for task in self.making(own))

    def fit(self, own: PlannedFit) -> ReadyFit:
        """Return a fit as work. Raises InputError where the network does not fit its samples."""
        network, dataset = self.network(own.network), self._load(self.layout.data[own.data])
        settings: Fit = self.keyed(own.settings)
        checked = self._load.check(
            f"model {own.network}", network.model, network.model_hash, dataset
        )
        samples = FitSamples(dataset.shape, checked.classes, len(dataset), own.seed)
        version = VERSIONS.get(type(settings), 1)
        settings_text = {
            "fit": settings_that_define_rows(settings, schema.unstructure(settings, Fit)),
            "shard_size": own.shard_size,
            **({"version": version} if version > 1 else {}),
        }
        whole = Shard(0, len(dataset))
        dtype = self._study.run.dtype
        key = work_key(network.model_hash, dataset.digest, settings_text, whole, own.seed, dtype)
        template = Share(
            "",
            f"fit {own.label}",
            network.model,
            network.model_hash,
            settings,
            samples,
            key,
            0,
            whole,
            own.seed,
            dtype,
            None,
            own.data,
        )
        return ReadyFit(template, split(len(dataset), own.shard_size))

    def layout_so_far(self) -> Layout:
        """Return the layout with the keys of the fits that are there."""
        planned = tuple(
            replace(own, settings=self.keyed(own.settings)) for own in self.layout.planned
        )
        return replace(self.layout, planned=planned)

    def reported(self) -> Layout:
        """Return the layout of what is there: what failed, and what is behind it, left out."""
        layout = self.layout
        derived, fits = _of(layout.derived, self.data), _of(layout.fits, self.fits)
        return replace(
            layout,
            data=_of(layout.data, self.data),
            networks=_of(layout.networks, self.networks),
            planned=tuple(own for own in self.layout_so_far().planned if self.measurable(own)),
            derived={
                name: own if own.made is None else replace(own, keys=self._made_keys(own))
                for name, own in derived.items()
            },
            fits={name: replace(own, key=self.fits[name]) for name, own in fits.items()},
        )


def _of(named: Mapping[str, Any], names: Any) -> dict[str, Any]:
    return {name: own for name, own in named.items() if name in names}
