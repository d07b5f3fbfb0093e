"""The layout of a study: which probe measures which network on which data set.

A study of the old form and a graph become the same layout, in which no axis is left.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from advcore.derived import Misleading, OfFits
from advcore.fits import Fit
from advcore.learnt import learnt_in
from advcore.pipelines.claims import Claim
from advcore.pipelines.figures import FigureKind
from advcore.pipelines.graph.notation.members import Coordinates
from advcore.pipelines.graph.settings import Study
from advcore.pipelines.tables import TableKind
from advcore.pipelines.training.settings import Training
from advcore.probes import Probe
from advcore.transforms import Transform
from advcore.workers.datasets import DataSpec
from advcore.workers.datasets.derived import Derived
from advcore.workers.made import Making
from advcore.workers.models import ModelSpec

DATA = "data"
"""The name of the one data set of a study of the old form."""


@dataclass(frozen=True)
class Planned:
    """One probe on one network and one data set: the rows of one label.

    Attributes:
        probe: name of the probe's entry.
        label: the rows' name in tables and legends.
        table: name of the table that holds the rows, beside other members of the network's family.
        at: coordinates, which become columns of that table.
        network, data: names in the layout.
        settings: the probe.
        transform: transform of the images, in place of the data set's own.
    """

    probe: str
    label: str
    table: str
    at: Coordinates
    network: str
    data: str
    settings: Probe
    transform: Transform | None = None


@dataclass(frozen=True)
class PlannedFit:
    """A fit of one network on one data set.

    Attributes:
        label: its name, with coordinates.
        network, data: names in the layout.
        settings: the fit; the fits that it needs stand in it by their labels.
        shard_size: number of samples of a share.
        seed: seed of all that is drawn.
        at: coordinates in its family.
        key: hash of all that decides what it learnt, once it is there.
    """

    label: str
    network: str
    data: str
    settings: Fit
    shard_size: int
    seed: int
    at: Coordinates = field(default_factory=dict, repr=False)  # names are hashes of the repr
    key: str = field(default="", repr=False)


@dataclass(frozen=True)
class DerivedData:
    """A data set that comes of others.

    Attributes:
        label: its name, with coordinates.
        sources: names of the data sets that it comes of.
        chosen: how it comes of them where no network is needed.
        made: how it is made sample by sample with a network, as a measurement of the first source
            whose rows are the new samples: its settings are a `Making`.
        root: name of the data set whose samples its indices count.
        seed: seed of what is drawn as it is made: of targets and of the attack.
        keys: keys of the rows in the store that a network made, once all are there.
    """

    label: str
    sources: tuple[str, ...]
    chosen: Derived | None
    made: Planned | None
    root: str
    seed: int = 0
    keys: tuple[str, ...] = ()

    @property
    def network(self) -> str | None:
        """The name of the network that looks at the samples, if one does."""
        if self.made is None or isinstance(self._making.derivation, OfFits):
            return None
        return self.made.network

    @property
    def makers(self) -> tuple[str, ...]:
        """The names of the network and of the fits that it is made with."""
        if self.made is None:
            return ()
        network = () if self.network is None else (self.network,)
        return (*network, *(fit.name for fit in learnt_in(self.made.settings)))

    @property
    def _making(self) -> Making:
        assert self.made is not None
        assert isinstance(self.made.settings, Making)
        return self.made.settings

    @property
    def misleads(self) -> bool:
        """True where a good network may have any accuracy on it, whatever its sources are."""
        kind = self.chosen if self.made is None else self._making.derivation
        return isinstance(kind, Misleading) and kind.misleads

    def stays_in_box(self, inside: bool) -> bool:
        """Return whether what is made with a network lies in the box where its source does."""
        return self._making.derivation.stays_in_box(inside)


@dataclass(frozen=True)
class PlannedTable:
    """A table that is made of the rows of probes' members.

    Attributes:
        name: its name in the study.
        axes: axes of its rows, which `reduce` has left.
        rows: coordinates of each row or block of rows, and the members that it is made of, each a
            probe's name with coordinates.
        settings: its kind.
    """

    name: str
    axes: tuple[str, ...]
    rows: tuple[tuple[Coordinates, tuple[tuple[str, Coordinates], ...]], ...]
    settings: TableKind


@dataclass(frozen=True)
class PlannedFigure:
    """A figure of a study: its name, and the settings of each series by its label."""

    name: str
    series: Mapping[str, FigureKind]


@dataclass(frozen=True)
class Layout:
    """The names of a study, without axes.

    Attributes:
        data: data sets by name, those that come of others by a description that stands for how
            they come, see `Loader.provide`.
        networks: networks by name; those that are trained as they are before it, with the
            network that they begin with in `starts`.
        trainings: trainings by the name of their network.
        starts: names of the networks whose weights a training begins with, by its own.
        tables: tables that are made of other tables.
        epochs: networks that are epochs of a training, by name: the network whose training it is,
            and the number of the epoch, 0 for what it begins with.
        planned: what is measured.
        claims: claims by name.
        derived: data sets that come of others, by name, each after those that it needs.
        fits: fits by name, each after those that it needs.
        figures: figures over all members.
    """

    data: Mapping[str, DataSpec]
    networks: Mapping[str, ModelSpec]
    planned: tuple[Planned, ...]
    trainings: Mapping[str, Training] = field(default_factory=dict)
    starts: Mapping[str, str] = field(default_factory=dict)
    claims: Mapping[str, Claim] = field(default_factory=dict)
    derived: Mapping[str, DerivedData] = field(default_factory=dict)
    fits: Mapping[str, PlannedFit] = field(default_factory=dict)
    epochs: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    tables: tuple[PlannedTable, ...] = ()
    figures: tuple[PlannedFigure, ...] = ()

    def name_of(self, data: DataSpec) -> str | None:
        """Return the data set that this one is, however it is transformed; None for none of them.

        A training's data have the transform of its network, and those of a study of the old form
        are another split.
        """
        untransformed = replace(data, transform=None)
        return next(
            (
                name
                for name, own in self.data.items()
                if replace(own, transform=None) == untransformed
            ),
            None,
        )

    def kept(self, training: str) -> dict[str, int]:
        """Return the networks that are epochs of the training of this name, with their numbers."""
        return {
            label: epoch
            for label, (base, epoch) in self.epochs.items()
            if self.trainings[base].name == training
        }

    def place(self, label: str) -> Path:
        """Return the file of a network that is trained here, or of an epoch of a training."""
        if label not in self.epochs:
            return self.trainings[label].checkpoint
        base, epoch = self.epochs[label]
        return epoch_place(self.trainings[base].checkpoint, epoch)

    def root(self, data: str) -> str:
        """Return the name of the data set whose samples the indices of `data` count."""
        return self.derived[data].root if data in self.derived else data

    def misleads(self, data: str) -> bool:
        """Return whether a good network may have any accuracy on a data set, or on a source."""
        own = self.derived.get(data)
        return own is not None and (own.misleads or any(map(self.misleads, own.sources)))

    def origin(self, data: str) -> str:
        """Say where a data set comes from: its name and split, or what it is made of."""
        own = self.derived.get(data)
        if own is None:
            return f"{self.data[data].title} {self.data[data].split}"
        kind = self.data[data].name.partition(":")[2].rpartition("-")[0]
        by = f", made with {', '.join(own.makers)}" if own.makers else ""
        times = Counter(own.sources).items()
        sources = (name if count == 1 else f"{count} x {name}" for name, count in times)
        return f"{kind} of {', '.join(sources)}{by}"

    def called(self, spec: DataSpec) -> tuple[str, str]:
        """Return the study's name of a data set that comes of others, and what it comes of.

        Those that do not are called as everywhere.
        """
        whole = replace(spec, transform=None)
        for name in self.derived:
            if replace(self.data[name], transform=None) == whole:
                return name, self.origin(name)
        return spec.name, spec.name

    def trained(self, name: str, checkpoint: str) -> "Layout":
        """Return the layout with the weights of one of its trainings, or of an epoch of one."""
        base = self.epochs[name][0] if name in self.epochs else name
        spec = replace(self.trainings[base].model, checkpoint=checkpoint)
        wrapper = self.networks[name].wrapper
        return replace(self, networks={**self.networks, name: replace(spec, wrapper=wrapper)})


def epoch_place(checkpoint: Path, epoch: int) -> Path:
    """Return the file of an epoch beside the network that a training ends with."""
    return checkpoint.with_name(f"{checkpoint.stem}-epoch-{epoch}{checkpoint.suffix}")


def layout_of(study: Study, trainings: Mapping[str, Training] | None = None) -> Layout:
    """Return the layout of a study of the old form: every probe on every model.

    `trainings` are those of the models that it trains.
    """
    trainings = trainings or {}
    models = {**study.models, **{name: own.network for name, own in trainings.items()}}
    networks = {
        name: replace(spec, wrapper=study.wrappers.get(name, spec.wrapper))
        for name, spec in models.items()
    }
    planned = tuple(
        Planned(probe, name, name, {}, name, DATA, settings, study.transforms.get(name))
        for name in networks
        for probe, settings in study.probes.items()
    )
    return Layout({DATA: study.data}, networks, planned, trainings, claims=study.claims)
