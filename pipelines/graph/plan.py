"""The checks before any worker starts, and the list of tasks."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from advcore.derived import OfFits
from advcore.pipelines.graph.layout import Layout, Planned, layout_of
from advcore.pipelines.graph.loader import Loader
from advcore.pipelines.graph.notation.axes import Label
from advcore.pipelines.graph.notation.members import SEED, without_seed
from advcore.pipelines.graph.settings import AnyStudy, Study
from advcore.pipelines.settings import schema
from advcore.pipelines.tracking.checkpoints import resolve_checkpoint
from advcore.probes import Comparison, Drawing, Probe, ReadsLayers
from advcore.transforms import Transform
from advcore.workers.code import own_code, unseen_imports
from advcore.workers.datasets import Dataset
from advcore.workers.datasets.columns import columns_digest
from advcore.workers.errors import USERS_ERRORS, InputError, named
from advcore.workers.keys import settings_that_define_rows, work_key
from advcore.workers.made import Making
from advcore.workers.model_checks import Checked, check_box, check_layers, check_threats
from advcore.workers.models import ModelSpec, content_hash
from advcore.workers.paths import expand_path
from advcore.workers.shards import Shard, split
from advcore.workers.tasks import Other, Task
from advcore.workers.units import units_of


@dataclass(frozen=True)
class Measurement:
    """One probe on one network and one data set, with its tasks.

    Attributes:
        planned: what is measured.
        seen: the data set as the network sees it.
        tasks: one task a shard that has samples to measure.
        keys: keys of all shards, which the study's id is made of.
    """

    planned: Planned
    seen: Dataset
    tasks: Sequence[Task]
    keys: Sequence[str]


@dataclass(frozen=True)
class Prepared:
    """A study that passed all checks, with its data, hashes and tasks.

    Attributes:
        study: as it is written.
        layout: what it names, without axes.
        datasets: its data sets by name.
        networks: its networks by name, checkpoints as files.
        model_hashes: hashes of what they hold.
        identity: the study's id.
        measurements: what is measured, by label and probe.
        warnings: why a network's numbers may mislead whatever the probe, by its name.
        unseen: the user's modules with imports that no cache key covers.
    """

    study: AnyStudy
    layout: Layout
    datasets: Mapping[str, Dataset]
    networks: Mapping[str, ModelSpec]
    model_hashes: Mapping[str, str]
    identity: str
    measurements: Mapping[tuple[str, str], Measurement]
    warnings: Mapping[str, Mapping[str, str]]
    unseen: Mapping[str, str]

    @property
    def tasks(self) -> Mapping[tuple[str, str], Sequence[Task]]:
        """The tasks by label and probe."""
        return {names: own.tasks for names, own in self.measurements.items()}

    @property
    def dataset(self) -> Dataset:
        """The data set of a study that has one."""
        (dataset,) = self.datasets.values()
        return dataset

    def all_tasks(self) -> list[Task]:
        """Return every task, label by label."""
        return [task for own in self.measurements.values() for task in own.tasks]

    def probes(self) -> dict[str, Probe]:
        """Return the probe of each entry, of its first member where an axis changes it."""
        found: dict[str, Probe] = {}
        for own in self.measurements.values():
            found.setdefault(own.planned.probe, own.planned.settings)
        return found


def prepare(study: Study, samples: Dataset | None = None) -> Prepared:
    """Return the plan of a study of the old form whose models are all there.

    `samples` stand in for the data set.

    Raises InputError for whatever cannot work.
    """
    layout = layout_of(study)
    return prepare_layout(study, layout, Loader(samples))


def prepare_layout(study: AnyStudy, layout: Layout, load: Loader) -> Prepared:
    """Read the data, check networks and probes on two images, and list all tasks.

    Raises InputError for whatever cannot work.
    """
    datasets = {name: load(spec) for name, spec in layout.data.items()}
    seen = [_through(datasets[own.data], own.transform) for own in layout.planned]
    partners = _all_partners(layout)
    out = expand_path(study.run.out).absolute()
    networks, hashes = dict[str, ModelSpec](), dict[str, str]()
    for name, spec in layout.networks.items():
        with named(f"model {name}"):
            networks[name] = resolve_checkpoint(spec, study.run.tracking_uri, out)
            hashes[name] = content_hash(networks[name])
    checked = _checked(layout, networks, hashes, seen, load)
    known = {name: Other(name, spec, hashes[name]) for name, spec in networks.items()}
    measurements = {
        (own.label, own.probe): _measurement(study, own, dataset, known, others)
        for own, dataset, others in zip(layout.planned, seen, partners, strict=True)
    }
    warnings = {name: own.warnings for name, own in checked.items()}
    unseen = unseen_imports(schema.unstructure(study))
    identity = _identity(study, layout, measurements)
    return Prepared(
        study,
        layout,
        datasets,
        networks,
        hashes,
        identity,
        measurements,
        warnings,
        unseen,
    )


def _measurement(
    study: AnyStudy,
    own: Planned,
    dataset: Dataset,
    known: Mapping[str, Other],
    others: Mapping[str, str],
) -> Measurement:
    """Return what is measured; shards without one of the samples drawn have no task."""
    partners = [replace(known[network], name=name) for name, network in others.items()]
    tasks = measurement_tasks(study, own, dataset, known[own.network], partners)
    keys, probe = [task.key for task in tasks], own.settings
    if isinstance(probe, Drawing) and probe.drawn is not None:
        if probe.drawn < 1:
            raise InputError(f"probe {own.probe}: it draws no sample, so it has nothing to measure")
        asked = dataset.places < probe.drawn
        tasks = [task for task in tasks if asked[task.shard.start : task.shard.stop].any()]
    return Measurement(own, dataset, tasks, keys)


def _through(dataset: Dataset, transform: Transform | None) -> Dataset:
    return dataset if transform is None else replace(dataset, transform=transform)


def _checked(
    layout: Layout,
    networks: Mapping[str, ModelSpec],
    hashes: Mapping[str, str],
    seen: Sequence[Dataset],
    load: Loader,
) -> dict[str, Checked]:
    """Return what the first images say of each network, and check its probes' settings.

    A network that sees several data sets is sent the first images of each.
    """
    checked: dict[str, Checked] = {}
    for own, dataset in zip(layout.planned, seen, strict=True):
        name = own.network
        found = load.check(f"model {name}", networks[name], hashes[name], dataset)
        checked.setdefault(name, found)
        at = f"probe {own.probe}"
        with _errors_named(at):
            own.settings.validate(dataset.shape, found.classes)
        # only now: to one that needs pictures, an attack without a box is no help
        check_box(at, own.settings, dataset)
        with _errors_named(at):
            if isinstance(own.settings, ReadsLayers):
                check_layers(own.settings, networks[name], dataset)
            check_threats(own.settings, networks[name], dataset)
    return checked


@contextmanager
def _errors_named(name: str) -> Iterator[None]:
    """Turn any error of a user's settings into an InputError that begins with a name."""
    try:
        yield
    except USERS_ERRORS as error:
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        raise InputError(f"{name}: {kind}{error}") from error


def _all_partners(layout: Layout) -> list[dict[str, str]]:
    """Return the networks that each comparison measures beside its own, by their names for it.

    There are none for other probes. They are among those that the probe measures on the same data
    set and, where networks have a seed, with the same one, which their names then leave out.
    Raises InputError for names that are not, for networks of which some have a seed, and for two
    that see different images.
    """
    compared = [own for own in layout.planned if isinstance(own.settings, Comparison)]
    measured: dict[tuple[str, str], dict[Label | None, dict[str, Planned]]] = {}
    for own in compared:
        of_seed = measured.setdefault((own.probe, own.data), {}).setdefault(own.at.get(SEED), {})
        of_seed[without_seed(own.network, own.at)] = own
    for (probe, _), seeds in measured.items():
        if None in seeds and len(seeds) > 1:
            raise InputError(
                f"probe {probe} compares networks of one seed, and {', '.join(seeds[None])} has "
                "none: choose one seed of the others by where, or call theirs something else by "
                "rename, which compares all with all"
            )
    result = []
    for own in layout.planned:
        others: dict[str, str] = {}
        if isinstance(own.settings, Comparison):
            there = measured[own.probe, own.data][own.at.get(SEED)]
            for name in own.settings.partners(tuple(there)):
                _check_partner(own, name, there)
                others[name] = there[name].network
        result.append(others)
    return result


def _check_partner(own: Planned, other: str, there: Mapping[str, Planned]) -> None:
    if other not in there:
        raise InputError(
            f"probe {own.probe} names the model {other!r}, which is not in the study; models: "
            f"{', '.join(there)}"
        )
    if own.transform != there[other].transform:
        raise InputError(
            f"probe {own.probe} compares {own.network} with {other}, which see images transformed "
            f"by {own.transform!r} and {there[other].transform!r}: give both one transform in "
            "transforms, or leave one of them out"
        )


def _identity(
    study: AnyStudy, layout: Layout, measurements: Mapping[tuple[str, str], Measurement]
) -> str:
    """Return the study's id, 16 hexadecimal digits.

    It depends on the name, the rows' keys, the names of models and probes, claims, figures, and on
    the keys of fits and of data sets that a network makes, once these are there; and on further
    columns of samples, which stand in tables and claims.
    """
    whole = schema.unstructure(study)
    claims = [whole[section] for section in ("claims", "figures") if whole.get(section)]
    claims += filter(None, [own_code(claims)])
    keys = [[*names, *own.keys] for names, own in measurements.items()]
    keys += [["fits", name, own.key] for name, own in layout.fits.items() if own.key]
    known = {own.planned.data: columns_digest(own.seen.columns) for own in measurements.values()}
    keys += [["columns", name, digest] for name, digest in known.items() if digest]
    keys += [["data_sets", name, *own.keys] for name, own in layout.derived.items() if own.keys]
    return hashlib.sha256(json.dumps([study.name, keys, *claims]).encode()).hexdigest()[:16]


def measurement_tasks(
    study: AnyStudy,
    planned: Planned,
    dataset: Dataset,
    own: Other,
    others: Sequence[Other],
    seed: int | None = None,
) -> list[Task]:
    """Return the tasks of one probe on one network: one for each shard of the data set.

    `seed` stands in for the study's.
    """
    probe, dtype = planned.settings, study.run.dtype
    seed = study.run.seed if seed is None else seed
    settings = settings_that_define_rows(probe, schema.unstructure(probe, Probe))
    sources = own_code(settings)
    alone = isinstance(probe, Making) and isinstance(probe.derivation, OfFits)
    model_hash = "" if alone else own.model_hash

    def key(shard: Shard) -> str:
        return work_key(model_hash, dataset.digest, settings, shard, seed, dtype, others, sources)

    return [
        Task(
            key(shard),
            f"{planned.label}/{planned.probe}",
            own.model,
            own.model_hash,
            probe,
            shard,
            seed,
            dtype,
            planned.transform,
            tuple(others),
            planned.data,
        )
        for shard in split(units_of(probe, len(dataset)), study.run.shard_size)
    ]
