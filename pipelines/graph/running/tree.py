"""The plan of a study as a tree: data sets, networks, probes, and what of it is there already."""

from collections.abc import Collection, Iterable, Mapping

from advcore.pipelines.graph.loader import StandIn
from advcore.pipelines.graph.plan import Prepared


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
    dataset = prepared.datasets[labels[0]]
    shape = " x ".join(map(str, dataset.shape))
    missing = sum(isinstance(prepared.datasets[label], StandIn) for label in labels)
    to_make = f": {missing} to make" if missing else ""
    return f"{prepared.layout.origin(labels[0])}, {len(dataset)} samples of {shape}{to_make}"


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
        return layout.networks[labels[0]].architecture
    first = layout.trainings[trained[0]]
    missing = sum(label in trainings for label in trained)
    start = layout.starts.get(trained[0])
    begins = f", beginning with {start.split(' ')[0]}" if start else ""
    names = [name for name, own in layout.data.items() if own == first.data]
    learnt = layout.origin(names[0]) if names else f"{first.data.name} {first.data.split}"
    there = f"{missing} to train" if missing else "there"
    return f"{first.model.architecture} trained on {learnt}{begins}: {there}"


def _fit(prepared: Prepared, labels: list[str], finished: Collection[str]) -> str:
    """Say what a family of fits is learnt from, and how many are still to learn."""
    first = prepared.layout.fits[labels[0]]
    missing = sum(label not in finished for label in labels)
    kind = type(first.settings).__name__
    there = f"{missing} to learn" if missing else "there"
    return f"{kind} of {first.network.split(' ')[0]} on {first.data.split(' ')[0]}: {there}"


def _probes(prepared: Prepared, missing: set[str]) -> list[str]:
    shards: dict[str, list[bool]] = {}
    labels: dict[str, list[str]] = {}
    for (label, probe), own in prepared.measurements.items():
        shards.setdefault(probe, []).extend(task.key in missing for task in own.tasks)
        labels.setdefault(probe, []).append(label)
    kinds = {name: type(probe).__name__ for name, probe in prepared.probes().items()}
    return [
        f"{probe}: {kinds[probe]} of {len(labels[probe])} models and data sets, "
        + (f"{sum(own)} of {len(own)} shards to measure" if any(own) else "there")
        for probe, own in shards.items()
    ]
