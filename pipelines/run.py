"""The driver of a study: fan out what is missing, collect, summarise, draw, track."""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import yaml
from tqdm import tqdm

from advcore.probes import Columns, Summary
from pipelines import figures, schema, tables
from pipelines.prepare import Prepared, prepare
from pipelines.study import RunSettings, Study
from pipelines.tracking import Run, environment_tags, make_tracker
from workers.actor import Outcome, Runner, Work
from workers.cluster import check_address
from workers.inline import Inline
from workers.pool import RayPool
from workers.store import Store, open_store, write_parquet

Tables = dict[str, dict[str, Columns]]
"""By probe, then by model."""


@dataclass(frozen=True)
class Report:
    """What a run came to: shards measured now and found finished, failures, summaries by probe and model, where to look."""

    study: Study
    measured: int
    found: int
    failures: list[Outcome]
    summaries: Mapping[str, Mapping[str, Summary]]
    folder: Path
    figures: list[Path]


def run(study: Study) -> Report:
    """Measure what is missing of a study and report on all of it.

    Raises Refused before any work for what cannot work. A shard that fails is reported, the others go on. An interrupt leaves
    the finished shards in the store and goes through; the next run goes on from there, in the same MLflow run.
    """
    start = time.perf_counter()
    out = Path(study.run.out).absolute()
    prepared = prepare(study)
    store_location = str(out / "store")
    store = open_store(store_location)
    works = prepared.all_works()
    missing = set(store.missing(work.key for work in works))
    runner = make_runner(study.run, store_location)
    tracker = make_tracker(study.run.track, study.run.tracking_uri, out)
    record = tracker.open(study.run.experiment, prepared.identity, study.name)
    folder = out / study.name
    if not missing and record.finished and (folder / "report.md").is_file():
        drawn = sorted((folder / "figures").glob("*.png"))
        return Report(study, 0, len(works), [], _summaries(study, _tables(prepared, store, missing)), folder, drawn)
    status = "FAILED"
    try:
        record.start()
        _describe(record, prepared)
        outcomes = _measure(runner, [work for work in works if work.key in missing], prepared)
        failures = [outcome for outcome in outcomes if not outcome.ok]
        measured = _tables(prepared, store, {outcome.key for outcome in failures})
        summaries = _summaries(study, measured)
        drawn = _write(folder, study, measured, summaries)
        _track(record, prepared, summaries, outcomes, folder, time.perf_counter() - start)
        status = "FAILED" if failures else "FINISHED"
        return Report(study, len(outcomes), len(works) - len(missing), failures, summaries, folder, drawn)
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        record.end(status)


def make_runner(settings: RunSettings, store_location: str) -> Runner:
    """The place that the settings name. Raises Refused when nobody answers at its address."""
    if settings.runner == "inline":
        return Inline(store_location, settings.threads)
    if settings.address is not None:
        check_address(settings.address)
    return RayPool(store_location, settings.workers, settings.threads or 1, settings.gpus_per_worker, settings.address)


def _measure(runner: Runner, works: list[Work], prepared: Prepared) -> list[Outcome]:
    """One outcome per piece of work, with a bar that shows samples per second."""
    if not works:
        return []
    sizes = {work.key: len(work.shard) for work in works}
    outcomes = []
    if isinstance(runner, RayPool) and runner.address is None:
        print(f"starting Ray on this machine with {runner.workers} workers, about 15 seconds", file=sys.stderr)
    with tqdm(total=sum(sizes.values()), desc=prepared.study.name, unit="sample", smoothing=0.1, file=sys.stderr) as bar:
        for outcome in runner.run(works, prepared.dataset):
            outcomes.append(outcome)
            bar.set_postfix_str(outcome.name if outcome.ok else f"{outcome.name} FAILED", refresh=False)
            bar.update(sizes[outcome.key])
    return outcomes


def _tables(prepared: Prepared, store: Store, without: set[str]) -> Tables:
    """The rows of each probe and model in the order of the samples, without failed shards, nor models that have no rows."""
    result: Tables = {}
    for (model, probe), works in prepared.works.items():
        keys = [work.key for work in works if work.key not in without]
        if keys:
            result.setdefault(probe, {})[model] = store.read_all(keys)
    return result


def _summaries(study: Study, measured: Tables) -> dict[str, dict[str, Summary]]:
    return {
        probe: {model: study.probes[probe].summarise(table) for model, table in by_model.items()}
        for probe, by_model in measured.items()
    }


def _write(folder: Path, study: Study, measured: Tables, summaries: Mapping[str, Mapping[str, Summary]]) -> list[Path]:
    """Tables, figures, report and the study file into the study's folder; gives the figures."""
    drawn = []
    for probe, by_model in measured.items():
        for model, table in by_model.items():
            write_parquet(_table_path(folder, probe, model), table)
        for chart in study.probes[probe].charts(by_model):
            name = probe if chart.name == probe else f"{probe}-{chart.name}"
            drawn.append(figures.save(replace(chart, name=name), folder / "figures"))
    (folder / "report.md").write_text(tables.report(study.name, summaries))
    (folder / "study.yaml").write_text(yaml.safe_dump(schema.unstructure(study), sort_keys=False))
    return drawn


def _table_path(folder: Path, probe: str, model: str) -> Path:
    return folder / "tables" / f"{probe}-{model}.parquet"


def _describe(record: Run, prepared: Prepared) -> None:
    """What is known before the work: parameters, tags, the data set, the study file."""
    study, dataset = prepared.study, prepared.dataset
    settings = schema.unstructure(study)
    defining = {name: settings["run"][name] for name in ("shard_size", "seed", "dtype")}
    models = {name: _without_path(spec) for name, spec in settings["models"].items()}
    record.params(schema.flatten({"models": models, "data": settings["data"], "probes": settings["probes"], "run": defining}))
    record.tags({f"advcore.checkpoint.{name}": str(spec.checkpoint) for name, spec in study.models.items()})
    record.tags({"advcore.study": prepared.identity, "advcore.data": dataset.digest, **environment_tags()})
    record.tags({f"advcore.model.{name}": digest for name, digest in prepared.model_hashes.items()})
    record.tags({f"advcore.run.{name}": str(value) for name, value in settings["run"].items() if name not in defining})
    record.data(study.data.name, dataset.digest, len(dataset), dataset.shape)


def _without_path(model: Mapping[str, object]) -> dict[str, object]:
    """A model's settings less the path of its checkpoint, which may move; its content is in the tags, as a hash."""
    return {name: value for name, value in model.items() if name != "checkpoint"}


def _track(
    record: Run,
    prepared: Prepared,
    summaries: Mapping[str, Mapping[str, Summary]],
    outcomes: list[Outcome],
    folder: Path,
    seconds: float,
) -> None:
    """A child run per model x probe with its numbers and its table; figures, report and failures at the parent."""
    study = prepared.study
    for (model, probe), works in prepared.works.items():
        own = [outcome for outcome in outcomes if outcome.name == f"{model}/{probe}"]
        failed = [outcome for outcome in own if not outcome.ok]
        child = record.child(f"{model}/{probe}", f"{model}/{probe}")
        child.start()
        spec, settings = schema.unstructure(study.models[model]), schema.unstructure(study)["probes"][probe]
        child.params(schema.flatten({"model": _without_path(spec), "probe": settings}))
        child.tags({"advcore.model": prepared.model_hashes[model], "advcore.data": prepared.dataset.digest})
        summary = summaries.get(probe, {}).get(model)
        if summary is not None:
            child.metrics({**summary.scalars, "shards": len(works) - len(failed), "shards_failed": len(failed)})
            child.metrics({"seconds": sum(outcome.seconds for outcome in own)})
            for name, curve in summary.curves.items():
                child.curve(name, curve.x, curve.y)
            child.artifact(_table_path(folder, probe, model), "tables")
        child.end("FAILED" if failed else "FINISHED")
    for figure in sorted((folder / "figures").glob("*.png")):
        record.artifact(figure, "figures")
    for name in ("report.md", "study.yaml"):
        record.artifact(folder / name)
    failures = [outcome for outcome in outcomes if not outcome.ok]
    record.metrics({"shards_measured": len(outcomes), "shards_failed": len(failures), "wall_seconds": seconds})
    if failures:
        record.text("\n\n".join(f"{outcome.name} {outcome.key}\n{outcome.error}" for outcome in failures), "failures.txt")
