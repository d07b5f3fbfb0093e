"""The entries of a study in MLflow: its definition, then its results."""

from collections.abc import Mapping

from advcore.pipelines.claims import Measured
from advcore.pipelines.claims.results import by_place, verdicts
from advcore.pipelines.graph.plan import Prepared
from advcore.pipelines.graph.report import Report, table_file
from advcore.pipelines.machine.environment import environment_tags
from advcore.pipelines.settings import schema
from advcore.pipelines.tracking.finished_run import CHILDREN
from advcore.pipelines.tracking.record import (
    Artifact,
    DatasetInput,
    MetricCurve,
    Metrics,
    Params,
    Run,
    Tags,
    Text,
    Warnings,
    note,
)
from advcore.probes import Summary
from advcore.workers.datasets import Dataset
from advcore.workers.redaction import plain_without_secrets, shortened, without_secrets

FAILURES = 1_000_000
"""Characters that are kept of all failures of a study."""


def log_study_definition(record: Run, prepared: Prepared) -> None:
    """Log what is known before the work: parameters, tags, the data set, the study file."""
    study, dataset = prepared.study, prepared.dataset
    settings = plain_without_secrets(schema.unstructure(study))
    defining = {name: settings["run"][name] for name in ("shard_size", "seed", "dtype")}
    models = {name: _without_path(spec) for name, spec in settings["models"].items()}
    record.log(
        Params(
            schema.flatten(
                {
                    "models": models,
                    "transforms": settings["transforms"],
                    "data": settings["data"],
                    "probes": settings["probes"],
                    "run": defining,
                }
            )
        )
    )
    record.log(
        Tags(
            {
                f"advcore.checkpoint.{name}": without_secrets(str(spec.checkpoint))
                for name, spec in study.models.items()
            }
        )
    )
    record.log(
        Tags(
            {
                "advcore.study": prepared.identity,
                "advcore.data": dataset.digest,
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
    _log_data(record, prepared, dataset)


def _without_path(model: Mapping[str, object]) -> dict[str, object]:
    """Return a model's settings without the checkpoint's path, which may move.

    The checkpoint's content is in the tags, as a hash.
    """
    return {name: value for name, value in model.items() if name != "checkpoint"}


def _log_data(record: Run, prepared: Prepared, dataset: Dataset) -> None:
    study = prepared.study
    record.log(
        DatasetInput(
            study.data.name,
            dataset.digest,
            len(dataset),
            dataset.shape,
            study.data.folder or study.data.name,
        )
    )


def log_study_results(record: Run, prepared: Prepared, report: Report, seconds: float) -> None:
    """Log the results: a child run per model x probe, and the files at the parent."""
    failed = {outcome.key for outcome in report.failures}
    for (model, probe), works in prepared.works.items():
        child = record.child(f"{model}/{probe}", f"{model}/{probe}")
        child.start()
        _track_child(child, prepared, report, model, probe)
        child.end(
            "FAILED"
            if any(work.key in failed for work in works) or probe not in report.summaries
            else "FINISHED"
        )
    record.log(Warnings(by_place(report.warnings)))
    for file in report.files:  # the tables are the children's
        if file.suffix != ".parquet":
            where = file.parent.relative_to(report.folder).as_posix()
            record.log(Artifact(file, "" if where == "." else where))
    # MLflow shows metrics in the order in which they came: what is claimed first
    record.log(Tags(verdicts(report.claims)))
    for name, claim in report.claims.items():
        if isinstance(claim, Measured):
            record.log(Metrics({f"claim/{name}": claim.value}))
    shards = len(prepared.all_works())
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
    record.log(note((report.folder / "report.md").read_text(encoding="utf-8")))
    errors = [
        (
            f"{outcome.name} {outcome.key}, samples {outcome.samples}, handed out "
            f"{outcome.tries} times\n{outcome.error}"
        )
        for outcome in report.failures
    ]
    record.log(Tags({CHILDREN: str(len(prepared.works))}))
    told = shortened("\n\n".join([*errors, *report.problems]), FAILURES)
    record.log(Text(without_secrets(told) or "none\n", "failures.txt"))


def _track_child(child: Run, prepared: Prepared, report: Report, model: str, probe: str) -> None:
    """Log one model x probe: settings, hashes, workers, seconds, numbers, table."""
    settings = plain_without_secrets(schema.unstructure(prepared.study))
    transform = settings["transforms"].get(model)
    child.log(
        Params(
            schema.flatten(
                {
                    "model": _without_path(settings["models"][model]),
                    "transform": transform,
                    "probe": settings["probes"][probe],
                }
            )
        )
    )
    measured = report.words[model, probe]
    workers = ", ".join(sorted({entry.get("worker", "") for entry in measured}))
    child.log(
        Tags(
            {
                "advcore.model": prepared.model_hashes[model],
                "advcore.data": prepared.seen[model].digest,
                "advcore.workers": workers,
                **environment_tags(),
            }
        )
    )
    _log_data(child, prepared, prepared.seen[model])
    summary = report.summaries.get(probe, {}).get(model, Summary())
    child.log(Metrics(dict(summary.scalars)))
    child.log(
        Metrics(
            {
                "shards": len(measured),
                "shards_failed": len(prepared.works[model, probe]) - len(measured),
            }
        )
    )
    child.log(Metrics({"seconds": sum(float(entry.get("seconds", "0")) for entry in measured)}))
    for name, curve in summary.curves.items():
        child.log(MetricCurve(name, curve.x, curve.y))
    child.log(Warnings(summary.warnings))
    table = report.folder / table_file(probe, model)
    if table in report.files:
        child.log(Artifact(table, f"tables/{probe}"))
