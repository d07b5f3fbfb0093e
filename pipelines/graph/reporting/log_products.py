"""The fits and data sets of a study in MLflow, and the way from what was measured to them.

A fit is a run of its own inside the study's, as a model x probe is: MLflow draws what it told of
its rounds as curves, one beside the other for several fits, keeps its settings as parameters, the
data set as input and the tensors as file; and other runs can name it.
"""

import json
from collections.abc import Mapping

from advcore.fits import Fit
from advcore.learnt import learnt_in
from advcore.pipelines.graph.layout import DATA, Layout, Planned, PlannedFit
from advcore.pipelines.graph.notation.members import Coordinates
from advcore.pipelines.graph.plan import Prepared
from advcore.pipelines.graph.reporting.fit_report import FOLDER, ReportedFit
from advcore.pipelines.graph.reporting.report import Report
from advcore.pipelines.settings import schema
from advcore.pipelines.tracking.record import (
    Artifact,
    DatasetInput,
    Entry,
    MetricCurve,
    Metrics,
    Params,
    Run,
    Tags,
    Value,
)
from advcore.pipelines.training.finished import RUN
from advcore.workers.datasets import Dataset
from advcore.workers.models import ModelSpec
from advcore.workers.paths import expand_path
from advcore.workers.redaction import plain_without_secrets


def log_fits(
    record: Run, prepared: Prepared, report: Report, environment: Mapping[str, str]
) -> dict[str, str]:
    """Log each fit as a run inside the study's; return the runs' ids by label, where known."""
    runs: dict[str, str] = {}
    for label, own in report.fits.items():  # each after those that it needs
        runs[label] = _log_fit(record, prepared, own, runs, environment)
    return runs


def log_made_data(record: Run, report: Report) -> None:
    """Log the numbers of derived data sets; their galleries are among the study's files."""
    for label, numbers in report.data.items():
        told = {name: value for name, value in numbers.items() if name != "samples"}
        record.log(Metrics({f"data/{label}/{name}": value for name, value in told.items()}))


def input_of(
    layout: Layout, name: str, dataset: Dataset, context: str = "evaluation"
) -> DatasetInput:
    """Return a data set of a study, as a network sees it, as an input of a run."""
    spec = layout.data[name]
    place = layout.origin(name) if name in layout.derived else spec.folder or spec.name
    title = spec.name if name == DATA else name
    return DatasetInput(title, dataset.digest, len(dataset), dataset.shape, place, context)


def lineage(prepared: Prepared, own: Planned | PlannedFit, fits: Mapping[str, str]) -> list[Entry]:
    """Return the tags of what was measured or learnt that lead to the runs that it comes of.

    They are `advcore.run.model`, the run of the network's training; for each fit that it uses
    `advcore.fit.NAME`, its key, and `advcore.run.fit.NAME`, its run; `advcore.run.made_with.NAME`
    for each network and fit that its data were made with. The run's description links to them.
    Runs that are not known have no tag. `fits` are the runs of fits by label.
    """
    used, layout = [fit.name for fit in learnt_in(own.settings)], prepared.layout
    runs = {
        "model": (own.network, _run_of(prepared, own.network)),
        **{f"fit.{name}": (name, fits.get(name, "")) for name in used},
        **{
            f"made_with.{name}": (name, fits.get(name) or _run_of(prepared, name))
            for name in _makers(layout, own.data)
        },
    }
    known = {role: (name, run) for role, (name, run) in runs.items() if run}
    tags = {f"advcore.fit.{name}": layout.fits[name].key for name in used}
    tags |= {f"advcore.run.{role}": run for role, (_, run) in known.items()}
    if known:
        links = [
            f"- {role.partition('.')[0].replace('_', ' ')}: [{name}](#/runs/{run})"
            for role, (name, run) in known.items()
        ]
        tags["mlflow.note.content"] = "\n".join(["Comes of", "", *links, ""])
    return [Tags(tags)] if tags else []


def _makers(layout: Layout, data: str) -> list[str]:
    """Return the networks and fits that a data set, or one that it comes of, was made with."""
    own = layout.derived.get(data)
    if own is None:
        return []
    made = own.made
    mine = [] if made is None else [made.network, *(fit.name for fit in learnt_in(made.settings))]
    before = [name for source in own.sources for name in _makers(layout, source)]
    return list(dict.fromkeys([*mine, *before]))


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


def _run_of(prepared: Prepared, network: str) -> str:
    return training_run(prepared.networks[network]) if network in prepared.networks else ""


def coordinates(entry: str, at: Coordinates) -> dict[str, Value]:
    """Return the parameters by which the members of a family are sorted and grouped.

    `entry` is its entry's name in the study; each axis has a parameter `axis.NAME`.
    """
    return {"entry": entry, **{f"axis.{axis}": label for axis, label in at.items()}}


def _log_fit(
    record: Run,
    prepared: Prepared,
    own: ReportedFit,
    before: Mapping[str, str],
    environment: Mapping[str, str],
) -> str:
    planned = own.planned
    child = record.child(f"fit/{planned.label}", f"fit/{planned.label}")
    child.start()
    settings = {
        "model": planned.network,
        "data": planned.data,
        "fit": schema.unstructure(planned.settings, Fit),
        "shard_size": planned.shard_size,
        "seed": planned.seed,
    }
    family = coordinates(planned.label.partition(" ")[0], planned.at)
    child.log(Params(schema.flatten(plain_without_secrets(settings)) | family))
    child.log(Tags({"advcore.fit": planned.key, **environment}))
    for entry in lineage(prepared, planned, before):
        child.log(entry)
    data = prepared.datasets[planned.data]
    child.log(input_of(prepared.layout, planned.data, data, "training"))
    child.log(Metrics({"rounds": own.rounds}))
    for name, value in own.numbers.items():
        curve = own.curves.get(name)
        child.log(Metrics({name: value}) if curve is None else MetricCurve(name, curve.x, curve.y))
    child.log(Artifact(own.file, FOLDER))
    for figure in own.figures:
        child.log(Artifact(figure, "figures"))
    child.end()
    return child.id
