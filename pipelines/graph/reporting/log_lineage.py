"""The way from the runs of a study in MLflow to all that they come of: tags, and links to click.

Everything comes of networks, fits and data sets. Those that have a run of their own, trainings and
fits, are links in the runs' descriptions; below each stands what it comes of itself.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from advcore.learnt import learnt_in
from advcore.pipelines.graph.layout import DATA, Layout, Planned, PlannedFit
from advcore.pipelines.graph.plan import Prepared
from advcore.pipelines.reports.escaping import in_markdown
from advcore.pipelines.tracking.record import DatasetInput, Run, Tags
from advcore.pipelines.training.tracked import RUN
from advcore.workers.datasets import Dataset
from advcore.workers.models import ModelSpec
from advcore.workers.paths import expand_path

MOST_LINES = 40
"""Lines of a description that say what a run comes of."""

MOST_LINKS = 12
"""Networks, and fits, that the description of a study's run links to."""


@dataclass(frozen=True)
class Lineage:
    """The inputs of each product of a study, and the runs in MLflow.

    Attributes:
        prepared: the study.
        trainings: ids of the runs of trainings, by the label of the network, where known.
        fits: ids of the runs of fits by label, where known; each is added when it is logged.
    """

    prepared: Prepared
    trainings: Mapping[str, str]
    fits: dict[str, str] = field(default_factory=dict)

    def entries(self, own: Planned | PlannedFit) -> list[Tags]:
        """Return the tags of what was measured or learnt that lead to the runs that it comes of.

        They are `advcore.run.model`, the run of the network's training; for each fit that it uses
        `advcore.fit.NAME`, its key, and `advcore.run.fit.NAME`, its run;
        `advcore.run.made_with.NAME` for each network and fit that its data were made with; and the
        run's description. Runs that are not known have no tag.
        """
        used, layout = [fit.name for fit in learnt_in(own.settings)], self.prepared.layout
        runs = {
            "model": self.trainings.get(own.network, ""),
            **{f"fit.{name}": self.fits.get(name, "") for name in used},
            **{
                f"made_with.{name}": self.fits.get(name) or self.trainings.get(name, "")
                for name in _makers(layout, own.data)
            },
        }
        tags = {f"advcore.fit.{name}": layout.fits[name].key for name in used}
        tags |= {f"advcore.run.{role}": run for role, run in runs.items() if run}
        if tags or own.data != DATA:
            tags["mlflow.note.content"] = self._ancestry(own)
        return [Tags(tags)] if tags else []

    def overview(self) -> str:
        """Return the section of the study's description that links to its trainings and fits."""
        networks = [self._network(name) for name in self.trainings]
        fits = [f"fit {_link(name, run)}" for name, run in self.fits.items()]
        lines = [f"- {line}" for part in (networks, fits) for line in _first(part)]
        return "\n".join(["## Trainings and fits", "", *lines, "", ""]) if lines else ""

    def note_trainings(self, record: Run) -> None:
        """Tell at each training's run which network of the study it is, and what it comes of."""
        labels: dict[str, list[str]] = {}
        for label, run in self.trainings.items():
            if label in self.prepared.layout.trainings:
                labels.setdefault(run, []).append(label)
        study = self.prepared.study.name
        for run, known in labels.items():
            named = ", ".join(known)
            lines = _cut(self._of_network(known[0], 0, set()))
            told = f"{in_markdown(named)} of study {_link(study, record.id)}"
            content = "\n".join([f"Trained as {told}", "", *lines, ""])
            record.other(run).log(
                Tags({"advcore.trained_as": f"{study}: {named}", "mlflow.note.content": content})
            )

    def _ancestry(self, own: Planned | PlannedFit) -> str:
        seen: set[str] = set()
        fits = [fit.name for fit in learnt_in(own.settings)]
        lines = [
            *self._network_lines("model", own.network, 0, seen),
            *(line for name in fits for line in self._fit_lines("fit", name, 0, seen)),
            *self._data_lines("data", own.data, 0, seen),
        ]
        return "\n".join(["Comes of", "", *_cut(lines), ""])

    def _network(self, name: str) -> str:
        """Return a network with links to its training and to its registered model."""
        layout, run = self.prepared.layout, self.trainings.get(name, "")
        base, epoch = layout.epochs.get(name, (name, None))
        said = _link(name, run) + (
            "" if epoch is None else f", epoch {epoch} of {_link(base, run)}"
        )
        if run and base in layout.trainings:
            model = layout.trainings[base].name
            said += f", registered as [{model}](#/models/{model})"
        return said

    def _network_lines(self, role: str, name: str, depth: int, seen: set[str]) -> Iterator[str]:
        yield f"{'    ' * depth}- {role}: {self._network(name)}"
        if f"model {name}" not in seen:
            seen.add(f"model {name}")
            yield from self._of_network(name, depth + 1, seen)

    def _of_network(self, name: str, depth: int, seen: set[str]) -> Iterator[str]:
        """Yield what a network comes of: its data, and the network that its training began with."""
        layout = self.prepared.layout
        base, _ = layout.epochs.get(name, (name, None))
        if base in layout.trainings:
            data = layout.trainings[base].data
            known = layout.name_of(data)
            if known is not None:
                yield from self._data_lines("trained on", known, depth, seen)
            else:
                yield f"{'    ' * depth}- trained on: {in_markdown(f'{data.title} {data.split}')}"
        if base in layout.starts:
            yield from self._network_lines("begun with", layout.starts[base], depth, seen)

    def _fit_lines(self, role: str, name: str, depth: int, seen: set[str]) -> Iterator[str]:
        yield f"{'    ' * depth}- {role}: {_link(name, self.fits.get(name, ''))}"
        own = self.prepared.layout.fits.get(name)
        if own is not None and f"fit {name}" not in seen:
            seen.add(f"fit {name}")
            yield from self._network_lines("of", own.network, depth + 1, seen)
            yield from self._data_lines("learnt on", own.data, depth + 1, seen)
            for fit in learnt_in(own.settings):
                yield from self._fit_lines("with", fit.name, depth + 1, seen)

    def _data_lines(self, role: str, name: str, depth: int, seen: set[str]) -> Iterator[str]:
        layout = self.prepared.layout
        yield f"{'    ' * depth}- {role}: {in_markdown(f'{name} ({layout.origin(name)})')}"
        own = layout.derived.get(name)
        if own is None or f"data {name}" in seen:
            return
        seen.add(f"data {name}")
        if own.network is not None:
            yield from self._network_lines("made with", own.network, depth + 1, seen)
        if own.made is not None:
            for fit in learnt_in(own.made.settings):
                yield from self._fit_lines("made with", fit.name, depth + 1, seen)
        for source in own.sources:
            yield from self._data_lines("of", source, depth + 1, seen)


def lineage_of(prepared: Prepared) -> Lineage:
    """Return what the products of a study come of, with the runs of its trainings."""
    runs = {name: _training_run(prepared, name) for name in prepared.networks}
    return Lineage(prepared, {name: run for name, run in runs.items() if run})


def input_of(
    layout: Layout, name: str, dataset: Dataset, context: str = "evaluation"
) -> DatasetInput:
    """Return a data set of a study, as a network sees it, as an input of a run."""
    spec = layout.data[name]
    place = layout.origin(name) if name in layout.derived else spec.folder or spec.name
    title = spec.name if name == DATA else name
    return DatasetInput(title, dataset.digest, len(dataset), dataset.shape, place, context)


def _training_run(prepared: Prepared, name: str) -> str:
    """Return the id of the run of a network's training, that of an epoch's included."""
    base, _ = prepared.layout.epochs.get(name, (name, None))
    if base != name:
        checkpoint = str(prepared.layout.trainings[base].checkpoint)
        return training_run(replace(prepared.networks[name], checkpoint=checkpoint))
    return training_run(prepared.networks[name])


def training_run(network: ModelSpec) -> str:
    """Return the id of the MLflow run of a network's training, kept beside it; empty if unknown."""
    if network.checkpoint is None or "://" in network.checkpoint:
        return ""
    try:
        file = expand_path(network.checkpoint).with_suffix(".json")
        found = json.loads(file.read_text(encoding="utf-8"))
        return str(found.get(RUN, "")) if isinstance(found, dict) else ""
    except (OSError, ValueError):
        return ""


def _makers(layout: Layout, data: str) -> list[str]:
    """Return the networks and fits that a data set, or one that it comes of, was made with."""
    own = layout.derived.get(data)
    if own is None:
        return []
    before = [name for source in own.sources for name in _makers(layout, source)]
    return list(dict.fromkeys([*own.makers, *before]))


def _link(name: str, run: str) -> str:
    return f"[{in_markdown(name)}](#/runs/{run})" if run else in_markdown(name)


def _cut(lines: Iterable[str]) -> list[str]:
    kept = list(lines)
    return kept[:MOST_LINES] + (["- and more"] if len(kept) > MOST_LINES else [])


def _first(lines: list[str]) -> list[str]:
    more = len(lines) - MOST_LINKS
    return lines[:MOST_LINKS] + ([f"and {more} more"] if more > 0 else [])
