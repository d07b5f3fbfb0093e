"""The entries of a graph, collected member by member: what comes of what, by label."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from advcore.derived import Derivation, OfFits
from advcore.learnt import learnt_in, with_learnt
from advcore.pipelines.claims import Claim
from advcore.pipelines.graph.entries import (
    DerivedEntry,
    TrainedEpoch,
    data_of,
    fit_of,
    label_in,
    model_of,
    training_of,
)
from advcore.pipelines.graph.layout import DerivedData, Layout, Planned, PlannedFit, PlannedTable
from advcore.pipelines.graph.loader import Loader, StandIn
from advcore.pipelines.graph.notation.members import Member, at_coordinates
from advcore.pipelines.graph.settings import GraphStudy
from advcore.pipelines.settings import schema
from advcore.pipelines.training.settings import Training
from advcore.training import Recipe
from advcore.workers.datasets import Dataset, DataSpec
from advcore.workers.datasets.derived import Derived
from advcore.workers.errors import InputError, named
from advcore.workers.made import Making
from advcore.workers.models import ModelSpec


class Entries:
    """The members of a graph as typed values; add each after those that it needs."""

    def __init__(self, study: GraphStudy, load: Loader) -> None:
        self._study = study
        self._load = load
        self._data: dict[str, DataSpec] = {}
        self._derived: dict[str, DerivedData] = {}
        self._networks: dict[str, ModelSpec] = {}
        self._trainings: dict[str, Training] = {}
        self._starts: dict[str, str] = {}
        self._fits: dict[str, PlannedFit] = {}
        self._epochs: dict[str, tuple[str, int]] = {}

    def layout(
        self,
        planned: tuple[Planned, ...],
        claims: Mapping[str, Claim],
        tables: tuple[PlannedTable, ...],
    ) -> Layout:
        """Return the layout of all that was added."""
        return Layout(
            self._data,
            self._networks,
            planned,
            self._trainings,
            self._starts,
            claims,
            self._derived,
            self._fits,
            self._epochs,
            tables,
        )

    def add(self, section: str, member: Member) -> None:
        """Add a member; those of probes and tables are no business of this class.

        Raises InputError, with its place in the document, for what cannot work.
        """
        with at_coordinates(member):
            if section == "data_sets":
                self._add_data(member)
            elif section == "models":
                self._add_model(member)
            elif section == "fits":
                self._fits[member.label] = fit_of(member, self._study.run)

    def _add_data(self, member: Member) -> None:
        entry = data_of(member)
        if isinstance(entry, DataSpec):
            self._data[member.label] = entry
            return
        at = f"data_sets.{member.family}"
        own = _derived(member.label, entry, self._derived, self._network_of(entry))
        spec = DataSpec(f"derived:{member.settings['kind']}-{self._definition(entry)}")
        sources = {source: self._load(self._data[source]) for source in own.sources}
        with named(at):
            dataset = derived_here(own, sources)
        self._load.provide(spec, dataset)
        self._data[member.label], self._derived[member.label] = spec, own

    def _network_of(self, entry: DerivedEntry) -> str | None:
        """Return the network beside which samples are made: that of the fit where none is named."""
        if isinstance(entry.settings, OfFits):
            return self._fits[entry.settings.fits()[0].name].network
        return entry.network

    def _definition(self, entry: DerivedEntry) -> str:
        """Return a hash of how a data set comes about, for names: equal where it is the same."""
        settings = with_learnt(
            entry.settings, lambda own: replace(own, name=repr(self._fits[own.name]))
        )
        network = "" if entry.network is None else self._network_text(entry.network)
        sources = [repr(self._data[source]) for source in entry.sources]
        own = {**schema.unstructure(settings), "of": sources}
        text = json.dumps([own, network, entry.seed], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:10]

    def _add_epoch(self, at: str, label: str, model: TrainedEpoch) -> None:
        base = label_in(model.of)
        training = self._trainings.get(base)
        if training is None:
            raise InputError(f"{at}.of: {base} is not trained here: it has no epochs")
        if not 0 <= model.epoch <= training.recipe.epochs:
            raise InputError(
                f"{at}.epoch: expected 0 to {training.recipe.epochs}, the epochs of {base}, got "
                f"{model.epoch}"
            )
        self._epochs[label] = base, model.epoch
        self._networks[label] = replace(training.network, wrapper=model.wrapper)

    def _network_text(self, label: str) -> str:
        if label in self._epochs:
            base, epoch = self._epochs[label]
            return f"{self._network_text(base)} epoch {epoch}"
        training = self._trainings.get(label)
        return training.name if training else repr(self._networks[label])

    def _add_model(self, member: Member) -> None:
        model, at, label = model_of(member), f"models.{member.family}", member.label
        if isinstance(model, ModelSpec):
            self._networks[label] = model
            return
        if isinstance(model, TrainedEpoch):
            self._add_epoch(at, label, model)
            return
        spec, start = self._data[label_in(model.data)], ""
        if model.start is not None:
            begins = self._starts[label] = label_in(model.start)
            trained = begins in self._trainings or begins in self._epochs
            if not trained and self._networks[begins].checkpoint is None:
                raise InputError(
                    f"{at}.start: {begins} is neither trained nor has a checkpoint: there are no "
                    "weights to begin with"
                )
            start = self._network_text(begins)

        def text_of(recipe: Recipe) -> str:
            return "".join([start, *(repr(self._fits[own.name]) for own in learnt_in(recipe))])

        training = training_of(model, member, spec, self._load(spec), text_of, self._study.run)
        self._trainings[label] = training
        self._networks[label] = replace(training.network, wrapper=model.wrapper)


def _derived(
    label: str, entry: DerivedEntry, known: Mapping[str, DerivedData], network: str | None
) -> DerivedData:
    sources, first = entry.sources, entry.sources[0]
    root = known[first].root if first in known else first
    if network is None:
        chosen = cast(Derived, entry.settings)
        return DerivedData(label, sources, chosen, None, label if len(sources) > 1 else root)
    making = Making(cast(Derivation, entry.settings))
    made = Planned("data_sets", label, label, {}, network, first, making)
    return DerivedData(label, sources, None, made, root, entry.seed)


def derived_here(own: DerivedData, sources: Mapping[str, Dataset]) -> Dataset:
    """Return a data set that comes of others, by their labels, or what stands in for it.

    It is there where no network is needed and its sources are. Raises InputError where the sources
    do not fit.
    """
    if own.made is not None:
        source = sources[own.sources[0]]
        return StandIn.of(source, own.stays_in_box(source.in_box))
    assert own.chosen is not None
    dataset = own.chosen.apply(sources)
    missing = any(isinstance(one, StandIn) for one in sources.values())
    return StandIn.of(dataset, dataset.in_box) if missing else dataset
