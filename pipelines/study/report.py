"""The results of a study: summaries, claims, tables, figures and a text, in the study's folder."""

import tempfile
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml

from advcore.pipelines.claims import Measured, Tables
from advcore.pipelines.claims.results import claim_warnings, evaluate_claim
from advcore.pipelines.machine.environment import environment_tags
from advcore.pipelines.reports.chance import warned
from advcore.pipelines.reports.escaping import visible
from advcore.pipelines.reports.machine_readable import (
    as_csv,
    as_latex,
    claims_rows,
    results_json,
    scalars_rows,
)
from advcore.pipelines.reports.outputs import Outputs
from advcore.pipelines.reports.text import curves_rows, document, section
from advcore.pipelines.settings import schema
from advcore.pipelines.study.facts import UNSEEN, Words, gather, settings_of, training_file
from advcore.pipelines.study.plan import Prepared
from advcore.pipelines.study.saved_answer import Kept
from advcore.pipelines.study.settings import Study
from advcore.pipelines.study.summaries import drawings, summarised
from advcore.probes import Columns, Summary
from advcore.workers.checkpoints import atomic_write
from advcore.workers.errors import USERS_ERRORS, InputError, is_full
from advcore.workers.redaction import LINE, plain_without_secrets, shortened, without_secrets
from advcore.workers.stores.rows import Damaged, write_parquet
from advcore.workers.stores.store import Store, open_store
from advcore.workers.tasks import TaskResult

RESULTS = "results.json"
"""The file of a study's folder that holds its numbers for other programs."""


@dataclass(frozen=True)
class Report:
    """The results of a run.

    Numbers of shards: `measured` now, `repeated` of them after a failure, `found` finished,
    `failures`. `problems` are probes that could not be summarised (one line, then the traceback);
    `claims` hold a result each, or why there is none; `words` is the metadata of finished shards,
    `unlogged` what MLflow lacks, `kept` what a later call compares, `unseen` the user's modules
    with imports that no cache key covers.
    """

    study: Study
    measured: int
    repeated: int
    found: int
    failures: list[TaskResult]
    problems: list[str]
    summaries: Mapping[str, Mapping[str, Summary]]
    claims: Mapping[str, Measured | str]
    folder: Path
    figures: list[Path]
    words: Words = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    unlogged: str = ""
    kept: Kept | None = None
    unseen: Mapping[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """True if everything was measured, summarised and logged."""
        return not self.failures and not self.problems and not self.unlogged

    @property
    def warnings(self) -> dict[str, dict[str, str]]:
        """All warnings, by name, then by `model/probe`, `claim NAME`, or module."""
        told = claim_warnings(self.claims)
        if self.unseen:
            told[UNSEEN] = dict(self.unseen)
        for probe, by_model in self.summaries.items():
            for model, summary in by_model.items():
                for name, sentence in summary.warnings.items():
                    told.setdefault(name, {})[f"{model}/{probe}"] = sentence
        return told


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
    failures = [outcome for outcome in outcomes if not outcome.ok]
    without = {outcome.key for outcome in failures}
    words = {
        names: store.metadata_all([work.key for work in works if work.key not in without])
        for names, works in prepared.works.items()
    }
    facts = gather(prepared, words)
    problems: list[str] = []
    measured = _tables(prepared, store, without, problems)
    summaries: dict[str, dict[str, Summary]] = {}
    sections, figures, told = [], [], set[tuple[str, str]]()
    for probe, by_model in measured.items():
        for model, table in by_model.items():
            write_parquet(outputs.path(table_file(probe, model)), table)
        try:
            summary = summarised(study.probes[probe], by_model)
            drawn = _drawn(outputs, probe, study, by_model)
        except USERS_ERRORS as error:
            # a probe may be a user's own code, and hours of measuring lie behind it
            if is_full(str(error)):
                raise
            problems.append(_problem(probe, error))
            continue
        summaries[probe] = {
            model: _told(warned(own, facts.accuracies[model]), prepared.warnings[model])
            for model, own in summary.items()
        }
        figures += drawn
        curves = f"tables/{probe}/curves.csv"
        sections.append(
            section(
                probe,
                study.probes[probe],
                settings_of(prepared, probe),
                summaries[probe],
                drawn,
                curves,
                told,
            )
        )
        if any(own.curves for own in summaries[probe].values()):
            _write(outputs, curves, as_csv(curves_rows(summaries[probe])))
        _write_table(outputs, f"tables/{probe}/scalars", scalars_rows(summaries[probe]))
    claims = {name: evaluate_claim(claim, measured) for name, claim in study.claims.items()}
    missing = [f"{len(failures)} shards failed, and the numbers leave them out"] if failures else []
    missing += [problem.splitlines()[0] for problem in problems]
    for model, settings in facts.trainings.items():
        _write(outputs, training_file(model), settings)
    _write(
        outputs,
        "report.md",
        document(study.name, facts.text, study.claims, claims, sections, missing),
    )
    _write(
        outputs,
        "study.yaml",
        yaml.safe_dump(plain_without_secrets(schema.unstructure(study)), sort_keys=False),
    )
    repeated = sum(outcome.tries > 1 for outcome in outcomes)
    found = len(prepared.all_works()) - len(outcomes)
    if claims:
        _write_table(outputs, "tables/claims", claims_rows(study.claims, claims))
    report = Report(
        study,
        len(outcomes),
        repeated,
        found,
        failures,
        problems,
        summaries,
        claims,
        folder,
        figures,
        words,
        outputs.paths,
        unseen=prepared.unseen,
    )
    _write(outputs, RESULTS, without_secrets(_results(prepared, report, missing)))
    outputs.finish([] if outputs.known else _formerly(prepared, figures))
    return report


def _results(prepared: Prepared, report: Report, missing: list[str]) -> str:
    """Return what results.json holds."""
    study = prepared.study
    ids = {
        "study": prepared.identity,
        "data": prepared.dataset.digest,
        "models": dict(prepared.model_hashes),
        "samples": len(prepared.dataset),
        "seed": study.run.seed,
    }
    return results_json(
        study.name,
        ids,
        report.summaries,
        study.claims,
        report.claims,
        report.warnings,
        missing,
        environment_tags(),
    )


def _drawn(outputs: Outputs, probe: str, study: Study, tables: Mapping[str, Columns]) -> list[Path]:
    """Draw the figures of a probe into the probe's folder."""
    from advcore.pipelines.reports import figures  # matplotlib takes a second to import

    shown = []
    for chart in drawings(probe, study.probes[probe], tables):
        paths = [
            figures.save(chart, outputs.path(f"figures/{probe}/{chart.name}.{kind}").parent, kind)
            for kind in study.run.figure_kinds
        ]
        shown.append(next((path for path in paths if path.suffix == ".png"), paths[0]))
    return shown


def _problem(probe: str, error: BaseException) -> str:
    """Describe a probe that failed: one line, then its traceback."""
    last = shortened(traceback.format_exception_only(error)[-1], LINE)
    trace = shortened("".join(traceback.format_exception(error)))
    return without_secrets(f"probe {probe}: {visible(last)}\n{trace}")


def _write_table(outputs: Outputs, name: str, rows: list[list[object]]) -> None:
    """Write rows as `name`.csv, with all digits, and `name`.tex, for papers."""
    _write(outputs, f"{name}.csv", as_csv(rows))
    _write(outputs, f"{name}.tex", as_latex(rows))


def _write(outputs: Outputs, name: str, text: str) -> None:
    with atomic_write(outputs.path(name)) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def _formerly(prepared: Prepared, figures: list[Path]) -> list[str]:
    """Return the names of tables and figures from before each probe had a folder."""
    tables = [f"tables/{probe}-{model}.parquet" for model, probe in prepared.works]
    drawn = [(path.parent.name, path.stem) for path in figures]
    return tables + [
        f"figures/{probe if chart == probe else f'{probe}-{chart}'}.png" for probe, chart in drawn
    ]


def _told(summary: Summary, warnings: Mapping[str, str]) -> Summary:
    """Return a summary with its model's warnings after its own."""
    return replace(summary, warnings={**warnings, **summary.warnings})


def _tables(prepared: Prepared, store: Store, without: set[str], problems: list[str]) -> Tables:
    """Return the rows of each probe and model in the samples' order, without failed shards."""
    result: dict[str, dict[str, Columns]] = {}
    for (model, probe), works in prepared.works.items():
        keys = [work.key for work in works if work.key not in without]
        try:
            if keys:
                result.setdefault(probe, {})[model] = store.read_all(keys)
        except Damaged:
            raise
        except ValueError as error:  # rows of a user's own probe that do not go together
            problems.append(_problem(probe, error))
    return result


def table_file(probe: str, model: str) -> str:
    """Return the name of a table in the study's folder."""
    return f"tables/{probe}/{model}.parquet"


def archived(prepared: Prepared, store_location: str, folder: Path) -> Report | None:
    """Return the report of a study whose rows are all in a read-only store; None if any is missing.

    Nothing is written: the figures that it names are those that stand in the folder.
    """
    try:
        store = open_store(store_location, write=False)
        if store.missing(work.key for work in prepared.all_works()):
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
