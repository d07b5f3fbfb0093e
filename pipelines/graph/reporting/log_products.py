"""The fits and data sets of a study in MLflow.

A fit is a run of its own inside the study's, as a model x probe is: MLflow draws what it told of
its rounds as curves, one beside the other for several fits, keeps its settings as parameters, the
data set as input and the tensors as file; and other runs can name it.
"""

from collections.abc import Mapping

from advcore.fits import Fit
from advcore.pipelines.graph.notation.members import Coordinates
from advcore.pipelines.graph.reporting.fit_report import FOLDER, ReportedFit
from advcore.pipelines.graph.reporting.log_lineage import Lineage, input_of
from advcore.pipelines.graph.reporting.report import Report
from advcore.pipelines.settings import schema
from advcore.pipelines.tracking.record import (
    Artifact,
    MetricCurve,
    Metrics,
    Params,
    Run,
    Tags,
    Together,
    Value,
)
from advcore.workers.redaction import plain_without_secrets


def log_fits(record: Run, lineage: Lineage, report: Report, environment: Mapping[str, str]) -> None:
    """Log each fit as a run inside the study's, and add the run to the lineage."""
    for label, own in report.fits.items():  # each after those that it needs
        lineage.fits[label] = _log_fit(record, lineage, own, environment)


def log_made_data(record: Run, report: Report) -> None:
    """Log the numbers of derived data sets; their galleries are among the study's files."""
    for label, numbers in report.data.items():
        told = {name: value for name, value in numbers.items() if name != "samples"}
        record.log(Metrics({f"data/{label}/{name}": value for name, value in told.items()}))


def coordinates(entry: str, at: Coordinates) -> dict[str, Value]:
    """Return the parameters by which the members of a family are sorted and grouped.

    `entry` is its entry's name in the study; each axis has a parameter `axis.NAME`.
    """
    return {"entry": entry, **{f"axis.{axis}": label for axis, label in at.items()}}


def _log_fit(
    record: Run, lineage: Lineage, own: ReportedFit, environment: Mapping[str, str]
) -> str:
    planned, prepared = own.planned, lineage.prepared
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
    entries: list[Params | Tags | Metrics | MetricCurve] = [
        Params(schema.flatten(plain_without_secrets(settings)) | family),
        Tags({"advcore.fit": planned.key, **environment}),
        *lineage.entries(planned),
        Metrics({"rounds": own.rounds}),
    ]
    for name, value in own.numbers.items():
        curve = own.curves.get(name)
        entries.append(
            Metrics({name: value}) if curve is None else MetricCurve(name, curve.x, curve.y)
        )
    child.log(Together(entries))
    data = prepared.datasets[planned.data]
    child.log(input_of(prepared.layout, planned.data, data, "training"))
    child.log(Artifact(own.file, FOLDER))
    for figure in own.figures:
        child.log(Artifact(figure, "figures"))
    child.end()
    return child.id
