"""The entries of a study in MLflow: its definition, then its results."""

from collections.abc import Mapping

from advcore.pipelines.claims import Measured
from advcore.pipelines.claims.results import by_place, verdicts
from advcore.pipelines.graph.plan import Prepared
from advcore.pipelines.graph.reporting.log_lineage import Lineage, input_of, lineage_of
from advcore.pipelines.graph.reporting.log_products import coordinates, log_fits, log_made_data
from advcore.pipelines.graph.reporting.report import Report, table_file
from advcore.pipelines.graph.settings import GraphStudy
from advcore.pipelines.machine.environment import environment_tags
from advcore.pipelines.settings import schema
from advcore.pipelines.tracking.finished_run import CHILDREN
from advcore.pipelines.tracking.record import (
    Artifact,
    MetricCurve,
    Metrics,
    Params,
    Run,
    Tags,
    Text,
    Together,
    Warnings,
    note,
)
from advcore.probes import Probe, Summary
from advcore.transforms import Transform
from advcore.workers.redaction import plain_without_secrets, shortened, without_secrets

SECTIONS = ("transforms", "data", "axes", "data_sets", "models", "fits", "probes")
"""Sections of a study that are logged as parameters, those of the old form and those of a graph."""

FAILURES = 1_000_000
"""Characters that are kept of all failures of a study."""


def log_study_definition(record: Run, prepared: Prepared) -> None:
    """Log what is known before the work: parameters, tags, the data set, the study file."""
    settings = plain_without_secrets(schema.unstructure(prepared.study))
    defining = {name: settings["run"][name] for name in ("shard_size", "seed", "dtype")}
    models = {name: _without_path(spec) for name, spec in settings["models"].items()}
    sections = [name for name in SECTIONS if settings.get(name)]
    known = {name: settings[name] for name in sections} | {"models": models, "run": defining}
    record.log(Params(schema.flatten(known)))
    record.log(
        Tags(
            {
                f"advcore.checkpoint.{name}": without_secrets(str(_named(prepared, name)))
                for name in prepared.networks
            }
        )
    )
    record.log(
        Tags(
            {
                "advcore.study": prepared.identity,
                **_digests(prepared),
                **environment_tags(),
            }
        )
    )
    record.log(
        Tags({f"advcore.model.{name}": digest for name, digest in prepared.model_hashes.items()})
    )
    record.log(
        Tags(
            {
                f"advcore.run.{name}": str(value)
                for name, value in settings["run"].items()
                if name not in defining
            }
        )
    )
    for name, dataset in prepared.datasets.items():
        record.log(input_of(prepared.layout, name, dataset))


def _digests(prepared: Prepared) -> dict[str, str]:
    """Return the digests of the data sets as tags, of the one data set without its name."""
    if not isinstance(prepared.study, GraphStudy):
        return {"advcore.data": prepared.dataset.digest}
    return {f"advcore.data.{name}": own.digest for name, own in prepared.datasets.items()}


def _named(prepared: Prepared, name: str) -> str | None:
    """Return a network's checkpoint as the study names it; the file of one that is trained."""
    layout = prepared.layout
    trained = name in layout.trainings or name in layout.epochs
    return (prepared.networks if trained else layout.networks)[name].checkpoint


def _without_path(model: Mapping[str, object]) -> dict[str, object]:
    """Return a model's settings without the checkpoint's path, which may move.

    The checkpoint's content is in the tags, as a hash.
    """
    return {name: value for name, value in model.items() if name != "checkpoint"}


def log_study_results(record: Run, prepared: Prepared, report: Report, seconds: float) -> None:
    """Log the results: a child run per model x probe, and the files at the parent."""
    failed = {outcome.key for outcome in report.failures}
    environment = environment_tags()
    lineage = lineage_of(prepared)
    log_fits(record, lineage, report, environment)
    for (model, probe), tasks in prepared.tasks.items():
        child = record.child(f"{model}/{probe}", f"{model}/{probe}")
        child.start()
        _track_child(child, lineage, report, model, probe, environment)
        child.end(
            "FAILED"
            if any(task.key in failed for task in tasks) or probe not in report.summaries
            else "FINISHED"
        )
    record.log(Warnings(by_place(report.warnings)))
    for file in report.files:  # the tables and the tensors of fits are the children's
        if file.suffix not in (".parquet", ".safetensors"):
            where = file.parent.relative_to(report.folder).as_posix()
            record.log(Artifact(file, "" if where == "." else where))
    # MLflow shows metrics in the order in which they came: what is claimed first
    record.log(Tags(verdicts(report.claims)))
    for name, claim in report.claims.items():
        if isinstance(claim, Measured):
            record.log(Metrics({f"claim/{name}": claim.value}))
    shards = len(prepared.all_tasks())
    record.log(
        Metrics(
            {
                "shards": shards - len(failed),
                "shards_failed": len(failed),
                "last_attempt_seconds": seconds,
            }
        )
    )
    record.log(
        Metrics(
            {
                "shards_measured": report.measured,
                "shards_repeated": report.repeated,
                "shards_found": report.found,
            }
        )
    )
    log_made_data(record, report)
    text = (report.folder / "report.md").read_text(encoding="utf-8")
    title, section, rest = text.partition("## ")
    record.log(note(f"{title}{lineage.overview()}{section}{rest}"))
    lineage.note_trainings(record)
    errors = [
        (
            f"{outcome.name} {outcome.key}, samples {outcome.samples}, handed out "
            f"{outcome.tries} times\n{outcome.error}"
        )
        for outcome in report.failures
    ]
    record.log(Tags({CHILDREN: str(len(prepared.tasks) + len(lineage.fits))}))
    told = shortened("\n\n".join([*errors, *report.problems]), FAILURES)
    record.log(Text(without_secrets(told) or "none\n", "failures.txt"))


def _track_child(
    child: Run,
    lineage: Lineage,
    report: Report,
    model: str,
    probe: str,
    environment: Mapping[str, str],
) -> None:
    """Log one model x probe: settings, hashes, workers, seconds, numbers, table."""
    prepared = lineage.prepared
    own = prepared.measurements[model, probe]
    network = own.planned.network
    transform = own.planned.transform
    settings = {
        "model": _without_path(schema.unstructure(prepared.networks[network])),
        "transform": None if transform is None else schema.unstructure(transform, Transform),
        "probe": schema.unstructure(own.planned.settings, Probe),
    }
    family = {
        **coordinates(probe, own.planned.at),
        "network": network,
        "data": own.planned.data,
    }
    measured = report.words[model, probe]
    workers = ", ".join(sorted({entry.get("worker", "") for entry in measured}))
    summary = report.summaries.get(probe, {}).get(model, Summary())
    tags = {
        "advcore.model": prepared.model_hashes[network],
        "advcore.data": own.seen.digest,
        "advcore.workers": workers,
    }
    counts = {
        "shards": len(measured),
        "shards_failed": len(prepared.tasks[model, probe]) - len(measured),
        "seconds": sum(float(entry.get("seconds", "0")) for entry in measured),
    }
    child.log(
        Together(
            [
                Params(schema.flatten(plain_without_secrets(settings)) | family),
                Tags({**tags, **environment}),
                *lineage.entries(own.planned),
            ]
        )
    )
    curves = [MetricCurve(name, curve.x, curve.y) for name, curve in summary.curves.items()]
    child.log(Together([Metrics(dict(summary.scalars)), Metrics(counts), *curves]))
    child.log(input_of(prepared.layout, own.planned.data, own.seen))
    child.log(Warnings(summary.warnings))
    table = report.folder / table_file(probe, own.planned.table)
    if table in report.files:
        child.log(Artifact(table, f"tables/{probe}"))
