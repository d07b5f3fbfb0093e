"""The driver of a study: fan out what is missing, collect, summarise, draw, track."""

import shutil
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import yaml
from tqdm import tqdm

from advcore.probes import Columns, Summary
from pipelines import figures, schema, tables
from pipelines.claims import Claim, Measured, Tables
from pipelines.environment import environment_tags
from pipelines.fetch import carried
from pipelines.prepare import Prepared, prepare
from pipelines.record import NullRun, Run
from pipelines.study import RunSettings, Study
from pipelines.tracking import make_tracker
from pipelines.trained import with_trained
from workers.checkpoints import check_writable
from workers.datasets import Dataset
from workers.inline import Inline
from workers.pool import RayPool
from workers.rows import write_parquet
from workers.store import Store, open_store, resolved
from workers.work import Outcome, Runner, Work


@dataclass(frozen=True)
class Report:
    """What a run came to: shards measured now and found finished, shards that failed, probes that could not be summarised (with
    the error), summaries by probe and model, each claim's number, or why it has none, and where to look."""

    study: Study
    measured: int
    found: int
    failures: list[Outcome]
    problems: list[str]
    summaries: Mapping[str, Mapping[str, Summary]]
    claims: Mapping[str, Measured | str]
    folder: Path
    figures: list[Path]

    @property
    def complete(self) -> bool:
        """Whether everything was measured and summarised."""
        return not self.failures and not self.problems

    @property
    def warnings(self) -> dict[str, dict[str, str]]:
        """The sentences of all warnings, by name, then by `model/probe`."""
        told: dict[str, dict[str, str]] = {}
        for probe, by_model in self.summaries.items():
            for model, summary in by_model.items():
                for name, sentence in summary.warnings.items():
                    told.setdefault(name, {})[f"{model}/{probe}"] = sentence
        return told


def run(study: Study, verbose: bool = False) -> Report:
    """Measure what is missing of a study and report on all of it.

    Raises Refused before any work for what cannot work. A shard that fails is reported, the others go on. An interrupt leaves
    the finished shards in the store and goes through; the next run goes on from there, in the same MLflow run.
    """
    start = time.perf_counter()
    study.run.check()
    out = Path(study.run.out).absolute()
    store_location = resolved(study.run.store or str(out / "store"))
    runner = make_runner(study.run, store_location, verbose)
    runner.check()
    study = with_trained(study)
    prepared = prepare(study)
    check_writable(out / study.name, "results")
    store = open_store(store_location)
    missing = set(store.missing(work.key for work in prepared.all_works()))
    record = make_tracker(study.run.track, study.run.tracking_uri, out).open(study.run.experiment, prepared.identity, study.name)
    if not missing and record.finished:
        record = NullRun()  # all is there already, also in MLflow; only the folder may hold another study of that name
    status = "FAILED"
    try:
        record.start()
        _describe(record, prepared)
        works = [work for work in prepared.all_works() if work.key in missing]
        if isinstance(runner, RayPool):
            works = carried(works, store)
        outcomes = _measure(runner, works, prepared)
        report = _report(prepared, store, outcomes, out / study.name)
        _track(record, prepared, store, report, time.perf_counter() - start)
        status = "FINISHED" if report.complete else "FAILED"
        return report
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        record.end(status)


def make_runner(settings: RunSettings, store_location: str, verbose: bool = False) -> Runner:
    """The place that the settings name."""
    if settings.runner == "inline":
        return Inline(store_location, settings.threads)
    return RayPool(
        store_location,
        settings.workers,
        settings.threads or 1,
        settings.gpus_per_worker,
        settings.address,
        verbose,
        settings.shard_seconds,
    )


def _measure(runner: Runner, works: list[Work], prepared: Prepared) -> list[Outcome]:
    """One outcome per piece of work, with a bar that shows samples per second."""
    if not works:
        return []
    sizes = {work.key: len(work.shard) for work in works}
    outcomes = []
    if isinstance(runner, RayPool):
        print(f"starting workers ({runner.workers}) on Ray, which takes about 15 seconds", file=sys.stderr)
    with tqdm(total=sum(sizes.values()), desc=prepared.study.name, unit="sample", smoothing=0.1, file=sys.stderr) as bar:
        for outcome in runner.run(works, prepared.dataset):
            outcomes.append(outcome)
            bar.set_postfix_str(outcome.name if outcome.ok else f"{outcome.name} FAILED", refresh=False)
            bar.update(sizes[outcome.key])
    return outcomes


def _report(prepared: Prepared, store: Store, outcomes: list[Outcome], folder: Path) -> Report:
    """Tables, figures, report and study file in the study's folder, in place of what stood there.

    A probe whose code fails in summarising or drawing is a problem, told at the end; its table is written all the same.
    """
    study, total = prepared.study, len(prepared.all_works())
    failures = [outcome for outcome in outcomes if not outcome.ok]
    for part in ("figures", "tables"):
        shutil.rmtree(folder / part, ignore_errors=True)
    summaries: dict[str, dict[str, Summary]] = {}
    problems, drawn = [], []
    measured = _tables(prepared, store, {outcome.key for outcome in failures})
    for probe, by_model in measured.items():
        for model, table in by_model.items():
            write_parquet(_table_path(folder, probe, model), table)
        try:
            summaries[probe] = {model: study.probes[probe].summarise(table) for model, table in by_model.items()}
            for chart in study.probes[probe].charts(by_model):
                name = probe if chart.name == probe else f"{probe}-{chart.name}"
                drawn.append(figures.save(replace(chart, name=name), folder / "figures"))
        except Exception:  # a probe may be a user's own code, and hours of measuring lie behind it
            problems.append(f"{probe}: {traceback.format_exc()}")
    claims = {name: claimed(claim, measured) for name, claim in study.claims.items()}
    (folder / "report.md").write_text(tables.report(study.name, summaries, study.claims, claims), encoding="utf-8")
    (folder / "study.yaml").write_text(yaml.safe_dump(schema.unstructure(study), sort_keys=False), encoding="utf-8")
    return Report(study, len(outcomes), total - len(outcomes), failures, problems, summaries, claims, folder, drawn)


def claimed(claim: Claim, measured: Tables) -> Measured | str:
    """A claim's number, or why it has none."""
    try:
        return claim.measure(measured)
    except Exception as error:  # of a user's own claim, too: hours of measuring lie behind it
        return f"not measured: {error.args[0] if isinstance(error, LookupError) and error.args else repr(error)}"


def _tables(prepared: Prepared, store: Store, without: set[str]) -> Tables:
    """The rows of each probe and model in the order of the samples, without failed shards, nor models that have no rows."""
    result: dict[str, dict[str, Columns]] = {}
    for (model, probe), works in prepared.works.items():
        keys = [work.key for work in works if work.key not in without]
        if keys:
            result.setdefault(probe, {})[model] = store.read_all(keys)
    return result


def _table_path(folder: Path, probe: str, model: str) -> Path:
    return folder / "tables" / f"{probe}-{model}.parquet"


def _describe(record: Run, prepared: Prepared) -> None:
    """What is known before the work: parameters, tags, the data set, the study file."""
    study, dataset = prepared.study, prepared.dataset
    settings = schema.unstructure(study)
    defining = {name: settings["run"][name] for name in ("shard_size", "seed", "dtype")}
    models = {name: _without_path(spec) for name, spec in settings["models"].items()}
    record.params(
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
    record.tags({f"advcore.checkpoint.{name}": str(spec.checkpoint) for name, spec in study.models.items()})
    record.tags({"advcore.study": prepared.identity, "advcore.data": dataset.digest, **environment_tags()})
    record.tags({f"advcore.model.{name}": digest for name, digest in prepared.model_hashes.items()})
    record.tags({f"advcore.run.{name}": str(value) for name, value in settings["run"].items() if name not in defining})
    _log_data(record, prepared, dataset)


def _without_path(model: Mapping[str, object]) -> dict[str, object]:
    """A model's settings less the path of its checkpoint, which may move; its content is in the tags, as a hash."""
    return {name: value for name, value in model.items() if name != "checkpoint"}


def _log_data(record: Run, prepared: Prepared, dataset: Dataset) -> None:
    study = prepared.study
    record.data(study.data.name, dataset.digest, len(dataset), dataset.shape, study.data.folder or study.data.name)


def _track(record: Run, prepared: Prepared, store: Store, report: Report, seconds: float) -> None:
    """A child run per model x probe with its numbers and its table; figures, report and failures at the parent."""
    failed = {outcome.key for outcome in report.failures}
    for (model, probe), works in prepared.works.items():
        child = record.child(f"{model}/{probe}", f"{model}/{probe}")
        child.start()
        _track_child(child, prepared, store, report, model, probe, [work.key for work in works if work.key not in failed])
        child.end("FAILED" if any(work.key in failed for work in works) or probe not in report.summaries else "FINISHED")
    by_place = {name: [f"{place}: {sentence}" for place, sentence in told.items()] for name, told in report.warnings.items()}
    record.warnings({name: "\n".join(lines) for name, lines in by_place.items()})
    for figure in report.figures:
        record.artifact(figure, "figures")
    for name in ("report.md", "study.yaml"):
        record.artifact(report.folder / name)
    shards = len(prepared.all_works())
    record.metrics({"shards": shards - len(failed), "shards_failed": len(failed), "last_attempt_seconds": seconds})
    record.metrics({"shards_measured": report.measured, "shards_found": report.found})
    for name, claim in report.claims.items():
        if isinstance(claim, Measured):
            record.metrics({f"claim/{name}": claim.value, f"claim_low/{name}": claim.low, f"claim_high/{name}": claim.high})
    errors = [f"{outcome.name} {outcome.key}, samples {outcome.samples}\n{outcome.error}" for outcome in report.failures]
    record.text("\n\n".join([*errors, *report.problems]) or "none\n", "failures.txt")


def _track_child(child: Run, prepared: Prepared, store: Store, report: Report, model: str, probe: str, finished: list[str]) -> None:
    """Settings, hashes, where and how long the finished shards were measured, the numbers, the table."""
    settings = schema.unstructure(prepared.study)
    transform = settings["transforms"].get(model)
    child.params(
        schema.flatten(
            {"model": _without_path(settings["models"][model]), "transform": transform, "probe": settings["probes"][probe]}
        )
    )
    measured = store.metadata_all(finished)
    workers = ", ".join(sorted({entry.get("worker", "") for entry in measured}))
    child.tags(
        {
            "advcore.model": prepared.model_hashes[model],
            "advcore.data": prepared.seen[model].digest,
            "advcore.workers": workers,
            **environment_tags(),
        }
    )
    _log_data(child, prepared, prepared.seen[model])
    child.metrics({"shards": len(finished), "shards_failed": len(prepared.works[model, probe]) - len(finished)})
    child.metrics({"seconds": sum(float(entry.get("seconds", "0")) for entry in measured)})
    summary = report.summaries.get(probe, {}).get(model, Summary())
    child.metrics(dict(summary.scalars))
    for name, curve in summary.curves.items():
        child.curve(name, curve.x, curve.y)
    child.warnings(summary.warnings)
    if finished:
        child.artifact(_table_path(report.folder, probe, model), "tables")
