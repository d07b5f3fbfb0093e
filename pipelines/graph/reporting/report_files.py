"""The files of a study's report: tables, figures, numbers for other programs, a text."""

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from advcore.pipelines.claims import Tables
from advcore.pipelines.graph.layout import Planned
from advcore.pipelines.graph.plan import Prepared
from advcore.pipelines.graph.reporting.claimable import read_claimable
from advcore.pipelines.graph.reporting.data_report import write_made_data
from advcore.pipelines.graph.reporting.facts import Facts, gather, training_file
from advcore.pipelines.graph.reporting.failed_work import failed_count, left_out
from advcore.pipelines.graph.reporting.families import lineage_in_words
from advcore.pipelines.graph.reporting.fit_report import write_fits
from advcore.pipelines.graph.reporting.problems import Problems
from advcore.pipelines.graph.reporting.reduced_tables import write_made_tables
from advcore.pipelines.graph.reporting.replicates import charts_over_seeds
from advcore.pipelines.graph.reporting.report import PAGE, RESULTS, Report, table_file
from advcore.pipelines.graph.reporting.settings_text import settings_line
from advcore.pipelines.graph.reporting.study_figures import write_study_figures
from advcore.pipelines.graph.reporting.summaries import summarised
from advcore.pipelines.graph.reporting.table_words import words_of
from advcore.pipelines.graph.reporting.tables import written_tables
from advcore.pipelines.graph.settings import GraphStudy
from advcore.pipelines.machine.environment import environment_tags
from advcore.pipelines.reports.chance import warned
from advcore.pipelines.reports.machine_readable import (
    as_csv,
    claims_rows,
    json_number,
    results_json,
    scalars_rows,
)
from advcore.pipelines.reports.outputs import Outputs
from advcore.pipelines.reports.page import page_of, render_page
from advcore.pipelines.reports.text import curves_rows, document, section
from advcore.pipelines.settings import schema
from advcore.pipelines.settings.small import SIZES_OF_CLAIMS
from advcore.probes import Columns, Probe, Summary
from advcore.workers.errors import USERS_ERRORS, InputError, is_full
from advcore.workers.redaction import plain_without_secrets, without_secrets
from advcore.workers.stores.rows import Damaged, write_plain_parquet
from advcore.workers.stores.store import Store, open_store
from advcore.workers.tasks import TaskResult

SECONDS = (
    "wall time of a sample, all that the probe does, on a worker that may have shared its cores"
)


@dataclass(frozen=True)
class _ProbeReport:
    """A probe's summaries by model, its figures, and its section of the text."""

    summaries: dict[str, Summary]
    figures: list[Path]
    section: str


def write_report(
    prepared: Prepared, store: Store, outcomes: list[TaskResult], folder: Path
) -> Report:
    """Write tables, figures, report and study file into the study's folder.

    They replace what an earlier run wrote.

    A probe whose rows cannot be read together, and one whose code fails in summarising or drawing,
    is a problem, told at the end; its table is written all the same, and so is the report of all
    other probes.
    """
    study, outputs = prepared.study, Outputs(folder)
    shards = {task.key for task in prepared.all_tasks()}
    failures = [outcome for outcome in outcomes if not outcome.ok]
    without = {outcome.key for outcome in failures}
    words = {
        names: store.metadata_all([task.key for task in tasks if task.key not in without])
        for names, tasks in prepared.tasks.items()
    }
    facts, problems = gather(prepared, words), Problems()
    read = read_claimable(prepared, store, without, problems)
    probes = _write_probes(prepared, outputs, read.measured, facts, problems)
    fits = write_fits(prepared, store, outputs, problems)
    data = write_made_data(prepared, store, outputs, problems)
    drawn = write_study_figures(prepared.layout.figures, outputs, read.tables, study.run, problems)
    claims = {name: read.evaluate(own) for name, own in prepared.layout.claims.items()}
    shown, made_figures = write_made_tables(outputs, read.made, study.run.figure_kinds)
    failed = failed_count(prepared, failures)
    missing = [f"{failed} failed, and the numbers leave them out"] if failures else []
    behind = left_out(prepared) if failures else []
    missing += [f"missing for what failed: {', '.join(behind)}"] if behind else []
    missing += [problem.splitlines()[0] for problem in problems]
    report = Report(
        study,
        len(outcomes) - len(failures),
        sum(outcome.tries > 1 for outcome in outcomes),
        len(prepared.all_tasks()) - sum(outcome.key in shards for outcome in outcomes),
        failures,
        problems,
        {probe: own.summaries for probe, own in probes.items()},
        claims,
        folder,
        [
            *drawn.files,
            *(figure for own in probes.values() for figure in own.figures),
            *made_figures,
        ],
        words,
        outputs.paths,
        unseen=prepared.unseen,
        stated=prepared.layout.claims,
        fits=fits.fits,
        data=data.scalars,
        shards=len(prepared.all_tasks()),
        failed=failed,
        left_out=behind,
    )
    sections = [drawn.section] if drawn.section else []
    sections += [*(own.section for own in probes.values()), *shown]
    sections += [own for own in (data.section, fits.section) if own]
    _write_texts(prepared, outputs, report, facts, sections, missing)
    outputs.finish([] if outputs.known else _formerly(prepared, report.figures))
    return report


def _write_probes(
    prepared: Prepared, outputs: Outputs, measured: Tables, facts: Facts, problems: Problems
) -> dict[str, _ProbeReport]:
    """Write the tables and figures of each probe; one that fails is left out, and a problem."""
    result: dict[str, _ProbeReport] = {}
    told = set[tuple[str, str]]()
    for probe, by_model in measured.items():
        try:
            for name, table in written_tables(prepared, probe, by_model).items():
                members = [
                    own
                    for (label, of), own in prepared.measurements.items()
                    if of == probe and own.planned.table == name and label in by_model
                ]
                place = outputs.path(table_file(probe, name))
                write_plain_parquet(place, table, words_of(prepared, members))
            summaries = {
                label: summarised(prepared.measurements[label, probe].planned.settings, table)
                for label, table in by_model.items()
            }
            drawn = _draw_figures(outputs, probe, prepared, by_model)
        except USERS_ERRORS as error:
            # a probe may be a user's own code, and hours of measuring lie behind it
            if is_full(str(error)):
                raise
            problems.note(f"probe {probe}", error)
            continue
        summaries = {
            model: _warned(own, prepared.measurements[model, probe].planned, prepared, facts)
            for model, own in summaries.items()
        }
        result[probe] = _write_probe(prepared, outputs, probe, summaries, drawn, facts, told)
    return result


def _write_probe(
    prepared: Prepared,
    outputs: Outputs,
    probe: str,
    summaries: dict[str, Summary],
    drawn: list[Path],
    facts: Facts,
    told: set[tuple[str, str]],
) -> _ProbeReport:
    """Write a probe's curves and scalars; `told` are the sentences that stand in the text."""
    curves = f"tables/{probe}/curves.csv"
    planned = [own.planned for own in prepared.measurements.values() if own.planned.probe == probe]
    settings = settings_line([own.settings for own in planned], Probe)
    timed = {
        label: _with_seconds(own, facts.seconds.get((label, probe)))
        for label, own in summaries.items()
    }
    text = section(probe, planned[0].settings, settings, timed, drawn, curves, told)
    if any(own.curves for own in summaries.values()):
        outputs.write(curves, as_csv(curves_rows(summaries)))
    outputs.write_table(f"tables/{probe}/scalars", scalars_rows(summaries))
    return _ProbeReport(summaries, drawn, text)


def _with_seconds(summary: Summary, seconds: float | None) -> Summary:
    """Return a summary for the text, with the time that is no content and in no other file."""
    if seconds is None:
        return summary
    return replace(
        summary,
        scalars={**summary.scalars, "seconds": seconds},
        meanings={**summary.meanings, "seconds": SECONDS},
    )


def _write_texts(
    prepared: Prepared,
    outputs: Outputs,
    report: Report,
    facts: Facts,
    sections: list[str],
    missing: list[str],
) -> None:
    """Write the report's text, the study file, the trainings' settings, claims and results."""
    study = report.study
    for model, settings in facts.trainings.items():
        outputs.write(training_file(model), settings)
    claims = prepared.layout.claims
    about = f"This is {study.small_of}. {SIZES_OF_CLAIMS}" if study.small_of else ""
    text = document(study.name, facts.text, claims, report.claims, sections, missing, about)
    outputs.write("report.md", text)
    settings = plain_without_secrets(schema.unstructure(study))
    outputs.write("study.yaml", yaml.safe_dump(settings, sort_keys=False))
    if report.claims:
        outputs.write_table("tables/claims", claims_rows(claims, report.claims))
    outputs.write(RESULTS, without_secrets(_results(prepared, report, outputs, missing)))
    drawings = {file: own.svg for file, own in outputs.pictures.items()}
    outputs.write(PAGE, render_page(page_of(outputs.folder, drawings)))


def _results(prepared: Prepared, report: Report, outputs: Outputs, missing: list[str]) -> str:
    """Return what results.json holds."""
    study = prepared.study
    ids = {
        "study": prepared.identity,
        "data": _each(prepared, {name: own.digest for name, own in prepared.datasets.items()}),
        "models": dict(prepared.model_hashes),
        "samples": _each(prepared, {name: len(own) for name, own in prepared.datasets.items()}),
        "seed": study.run.seed,
    }
    return results_json(
        study.name,
        ids,
        report.summaries,
        prepared.layout.claims,
        report.claims,
        report.warnings,
        missing,
        environment_tags(),
        {
            **({"small_of": asdict(study.small_of)} if study.small_of else {}),
            **_products(report),
            **_drawn(prepared, outputs),
        },
    )


def _drawn(prepared: Prepared, outputs: Outputs) -> dict[str, Any]:
    """Return what results.json holds of figures, by file in words, and of the study's graph."""
    figures = {file: own.alt for file, own in outputs.pictures.items()}
    return {"figures": figures, "lineage": lineage_in_words(prepared.layout)}


def _products(report: Report) -> dict[str, Any]:
    """Return what results.json holds of fits and of data sets that were made, where there are."""
    fits = {
        label: {
            "key": own.planned.key,
            "rounds": own.rounds,
            "numbers": {name: json_number(value) for name, value in own.numbers.items()},
        }
        for label, own in report.fits.items()
    }
    data = {
        label: {name: json_number(value) for name, value in own.items()}
        for label, own in report.data.items()
    }
    return {name: own for name, own in {"fits": fits, "data_sets": data}.items() if own}


def _each(prepared: Prepared, values: Mapping[str, Any]) -> Any:
    """Return the value of a study's one data set, or of each by its name in a graph."""
    return values if isinstance(prepared.study, GraphStudy) else next(iter(values.values()))


def _draw_figures(
    outputs: Outputs, probe: str, prepared: Prepared, tables: Mapping[str, Columns]
) -> list[Path]:
    """Draw the figures of a probe into the probe's folder."""
    members = [(prepared.measurements[label, probe].planned, own) for label, own in tables.items()]
    charts = charts_over_seeds(probe, members)
    return outputs.draw(f"figures/{probe}", charts, prepared.study.run.figure_kinds)


def _formerly(prepared: Prepared, figures: list[Path]) -> list[str]:
    """Return the names of tables and figures from before each probe had a folder."""
    tables = [f"tables/{probe}-{model}.parquet" for model, probe in prepared.tasks]
    drawn = [(path.parent.name, path.stem) for path in figures]
    return tables + [
        f"figures/{probe if chart == probe else f'{probe}-{chart}'}.png" for probe, chart in drawn
    ]


def _warned(own: Summary, planned: Planned, prepared: Prepared, facts: Facts) -> Summary:
    """Return a summary with the warnings of its network, and of its accuracy on these data.

    On data that mislead, no accuracy is too low.
    """
    accuracy = facts.accuracies[planned.network, planned.data]
    summary = own if prepared.layout.misleads(planned.data) else warned(own, accuracy)
    return replace(summary, warnings={**prepared.warnings[planned.network], **summary.warnings})


def read_finished_study(prepared: Prepared, store_location: str, folder: Path) -> Report | None:
    """Return the report of a study whose rows are all in a read-only store; None if any is missing.

    Nothing is written: the figures that it names are those that stand in the folder.
    """
    try:
        store = open_store(store_location, write=False)
        if store.missing(task.key for task in prepared.all_tasks()):
            return None
    except InputError:
        return None
    with tempfile.TemporaryDirectory() as place:
        try:
            report = write_report(prepared, store, [], Path(place))
        except Damaged:
            return None
        drawn = [folder / figure.relative_to(place) for figure in report.figures]
    return replace(report, folder=folder, figures=[figure for figure in drawn if figure.is_file()])
