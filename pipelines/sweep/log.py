"""The entries of a sweep in MLflow: its definition, then its results."""

from advcore.pipelines.claims import Measured
from advcore.pipelines.claims.results import by_place, claim_warnings, verdicts
from advcore.pipelines.machine.environment import environment_tags
from advcore.pipelines.settings import schema
from advcore.pipelines.sweep.journal import Journal
from advcore.pipelines.sweep.markdown import shown_numbers
from advcore.pipelines.sweep.plan import Plan, settings_that_define_trials
from advcore.pipelines.sweep.report import SweepReport
from advcore.pipelines.sweep.space import label
from advcore.pipelines.sweep.trial_files import SUFFIXES
from advcore.pipelines.tracking.record import (
    Artifact,
    DatasetInput,
    Metrics,
    Model,
    Params,
    Run,
    Tags,
    Text,
    Warnings,
    note,
)
from advcore.pipelines.training.loading import load_training
from advcore.workers.redaction import plain_without_secrets


def log_sweep_results(record: Run, report: SweepReport, journal: Journal) -> None:
    """Log the sweep's results at the parent run, and register the best model."""
    # MLflow shows metrics in the order in which they came: what is claimed and chosen by first
    for name, claim in report.claims.items():
        if isinstance(claim, Measured):
            record.log(Metrics({f"claim/{name}": claim.value}))
    if report.best is not None:
        shown = [*shown_numbers(report.sweep, [report.best]), journal.plan.chosen_by or ""]
        numbers = report.best.metrics
        record.log(Metrics({f"best/{name}": numbers[name] for name in shown if name in numbers}))
    counts: dict[str, float] = {
        "trials": len(report.trials),
        "trials_run": report.ran,
        "trial_hours": journal.seconds() / 3600,
    }
    for status in ("finished", "stopped", "failed", "interrupted"):
        counts[f"trials_{status}"] = sum(trial.status == status for trial in report.trials)
    record.log(Metrics(counts))
    record.log(note(report.text))
    record.log(Tags(verdicts(report.claims)))
    record.log(Warnings({**by_place(claim_warnings(report.claims)), **report.warnings}))
    if report.best is not None:
        record.log(
            Tags(
                {
                    "advcore.best": label(report.sweep.space, report.best.point),
                    "advcore.best.trial": report.best.key,
                }
            )
        )
        training = journal.plan.at(report.best.point)
        ready = load_training(training)
        weights, about = (report.folder / f"best{suffix}" for suffix in SUFFIXES)
        run, data = journal.run(report.best), training.data
        learnt_from = DatasetInput(
            data.name, ready.digest, len(ready.data), ready.data.shape, data.name, "training"
        )
        record.log(learnt_from)
        run.log(learnt_from)
        run.log(Model(report.sweep.name, weights, about, ready.data.shape, ready.classes))
    for figure in report.figures:
        record.log(Artifact(figure, "figures"))
    for name in ("report.md", "sweep.yaml", "trials.parquet"):
        if (report.folder / name).is_file():
            record.log(Artifact(report.folder / name))
    record.log(Text("\n".join(report.problems) or "none\n", "problems.txt"))


def log_sweep_definition(record: Run, plan: Plan) -> None:
    """Log the parameters that define the sweep, and as tags what may change."""
    settings = plain_without_secrets(schema.unstructure(plan.sweep))
    rows = {name: settings["run"][name] for name in ("shard_size", "seed", "dtype")}
    probes = {"probes": settings["probes"], "probes_data": settings["data"], "run": rows}
    record.log(
        Params(
            schema.flatten(
                {
                    **settings_that_define_trials(plan.training),
                    **probes,
                    "searcher": settings["searcher"],
                }
            )
        )
    )
    tags = {name: settings[name] for name in ("space", "scheduler", "metric", "mode", "trials")}
    tags["run"] = {name: value for name, value in settings["run"].items() if name not in rows}
    record.log(
        Tags(
            {
                f"advcore.{name}": str(value)
                for name, value in schema.flatten(tags).items()
                if value is not None
            }
        )
    )
    record.log(Tags({"advcore.sweep": plan.identity, **environment_tags()}))
