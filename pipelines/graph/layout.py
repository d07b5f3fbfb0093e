"""The layout of a study: which probe measures which network on which data set.

A study of the old form and a graph become the same layout, in which no axis is left.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from advcore.pipelines.claims import Claim
from advcore.pipelines.graph.members import Coordinates
from advcore.pipelines.graph.settings import Study
from advcore.pipelines.training.settings import Training
from advcore.probes import Probe
from advcore.transforms import Transform
from advcore.workers.datasets import DataSpec
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
class Layout:
    """The names of a study, without axes.

    Attributes:
        data: data sets by name.
        networks: networks by name; those that are trained as they are before it, with the
            network that they begin with in `starts`.
        trainings: trainings by the name of their network.
        starts: names of the networks whose weights a training begins with, by its own.
        planned: what is measured.
        claims: claims by name.
    """

    data: Mapping[str, DataSpec]
    networks: Mapping[str, ModelSpec]
    planned: tuple[Planned, ...]
    trainings: Mapping[str, Training] = field(default_factory=dict)
    starts: Mapping[str, str] = field(default_factory=dict)
    claims: Mapping[str, Claim] = field(default_factory=dict)

    def trained(self, name: str, checkpoint: str) -> "Layout":
        """Return the layout with the weights of one of its trainings."""
        spec = replace(self.trainings[name].model, checkpoint=checkpoint)
        wrapper = self.networks[name].wrapper
        return replace(self, networks={**self.networks, name: replace(spec, wrapper=wrapper)})


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
