"""The plan of a study as a tree: data sets, networks, probes, and what of it is there already."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from advcore.counts import counted
from advcore.fits import Fit
from advcore.pipelines.graph.layout import Layout
from advcore.pipelines.graph.loader import StandIn
from advcore.pipelines.graph.plan import Measurement, Prepared
from advcore.pipelines.settings import schema
from advcore.probes import Probe
from advcore.workers.datasets import DataSpec

SHOWN = 3
"""Number of different texts, of kinds say, that a family's line names."""


def describe_tree(
    prepared: Prepared,
    missing: set[str],
    trainings: Collection[str],
    finished: Collection[str] = (),
) -> list[str]:
    """Return the lines of the tree.

    `missing` holds the keys of tasks without rows, `trainings` the labels of those to do,
    `finished` those of fits that are there.

    The members of a family stand in one line, with their number and the names of their axes.
    """
    layout = prepared.layout
    data = [
        f"{family}{_count(members)}: {_data(prepared, members)}"
        for family, members in _families(prepared.datasets).items()
    ]
    networks = [
        f"{family}{_count(members)}: {_state(prepared, members, trainings)}"
        for family, members in _families(layout.networks).items()
    ]
    fits = [
        f"{family}{_count(members)}: {_fit(prepared, members, finished)}"
        for family, members in _families(layout.fits).items()
    ]
    return [
        f"study {prepared.study.name}",
        *([str(prepared.study.small_of)] if prepared.study.small_of else []),
        *_branch("data sets", data),
        *_branch("models", networks),
        *(_branch("fits", fits) if fits else []),
        *_branch("probes", _probes(prepared, missing)),
    ]


def _branch(name: str, lines: list[str]) -> list[str]:
    shown = [f"{'└──' if line is lines[-1] else '├──'} {line}" for line in lines]
    return [name, *shown]


def _data(prepared: Prepared, labels: list[str]) -> str:
    """Say where a family of data sets comes from, how large it is, and how many are to make."""
    datasets = [prepared.datasets[label] for label in labels]
    origins = _distinct((prepared.layout.origin(label) for label in labels), "; ")
    least, most = (function(len(own) for own in datasets) for function in (min, max))
    size = counted(most, "sample") if least == most else f"{least} to {most} samples"
    shapes = _distinct(" x ".join(map(str, own.shape)) for own in datasets)
    missing = sum(isinstance(own, StandIn) for own in datasets)
    to_make = f": {missing} to make" if missing else ""
    return f"{origins}, {size} of {shapes}{to_make}"


def _distinct(texts: Iterable[str], between: str = ", ") -> str:
    """Return texts, each once, in order; of many only the first and their number.

    Texts that are lists themselves have semicolons `between` them.
    """
    own = list(dict.fromkeys(texts))
    more = len(own) - SHOWN
    return between.join([*own[:SHOWN], f"and {more} more"] if more > 0 else own)


def _families_of(labels: Iterable[str]) -> str:
    """Return the names of the families of these labels."""
    return _distinct(label.split(" ")[0] for label in labels)


def _families(labels: Iterable[str]) -> Mapping[str, list[str]]:
    """Return labels by the name of their family, which stands before their axes."""
    families: dict[str, list[str]] = {}
    for label in labels:
        families.setdefault(label.split(" ")[0], []).append(label)
    return families


def _count(labels: list[str]) -> str:
    """Return the number of members and their axes, in brackets; nothing for one without axes."""
    axes = dict.fromkeys(part.split("=")[0] for label in labels for part in label.split(" ")[1:])
    return f" ({len(labels)}: {', '.join(axes)})" if axes else ""


def _state(prepared: Prepared, labels: list[str], trainings: Collection[str]) -> str:
    """Say what a family's networks come of, and how many are still to train."""
    layout = prepared.layout
    trained = [label for label in labels if label in layout.trainings]
    if not trained:
        bases = [layout.epochs[label][0] for label in labels if label in layout.epochs]
        if bases:
            return f"epochs of {_families_of(bases)}"
        return _distinct(layout.networks[label].architecture for label in labels)
    own = [layout.trainings[label] for label in trained]
    missing = sum(label in trainings for label in trained)
    starts = [layout.starts[label] for label in trained if label in layout.starts]
    begins = f", beginning with {_families_of(starts)}" if starts else ""
    architectures = _distinct(training.model.architecture for training in own)
    learnt = _distinct((_origin(layout, training.data) for training in own), "; ")
    there = f"{missing} to train" if missing else "there"
    return f"{architectures} trained on {learnt}{begins}: {there}"


def _origin(layout: Layout, data: DataSpec) -> str:
    """Say where the samples of a training come from."""
    name = layout.name_of(data)
    return f"{data.title} {data.split}" if name is None else layout.origin(name)


def _fit(prepared: Prepared, labels: list[str], finished: Collection[str]) -> str:
    """Say what a family of fits is learnt from, and how many are still to learn."""
    own = [prepared.layout.fits[label] for label in labels]
    missing = sum(label not in finished for label in labels)
    kinds = _kinds([fit.settings for fit in own], Fit)
    networks = _families_of(fit.network for fit in own)
    data = _families_of(fit.data for fit in own)
    there = f"{missing} to learn" if missing else "there"
    return f"{kinds} of {networks} on {data}: {there}"


def _probes(prepared: Prepared, missing: set[str]) -> list[str]:
    by_probe: dict[str, list[Measurement]] = {}
    for (_, probe), own in prepared.measurements.items():
        by_probe.setdefault(probe, []).append(own)
    lines = []
    for probe, members in by_probe.items():
        kinds = _kinds([own.planned.settings for own in members], Probe)
        shards = [task.key in missing for own in members for task in own.tasks]
        to_do = f"{sum(shards)} of {counted(len(shards), 'shard')} to measure"
        lines.append(f"{probe}: {kinds} of {_inputs(members)}, {to_do if any(shards) else 'there'}")
    return lines


def _inputs(members: list[Measurement]) -> str:
    """Return the model and the data set of one member, the number of several."""
    if len(members) > 1:
        return f"{len(members)} models and data sets"
    return f"{members[0].planned.network} on {members[0].planned.data}"


def _kinds(members: list[Any], seam: type) -> str:
    """Return the kinds of settings, as study files name them."""
    return _distinct(schema.unstructure(own, seam)["kind"] for own in members)
