"""What a study came to: summaries, claims, tables, figures and a text, in the study's folder."""

import shutil
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from advcore.probes import Columns, Summary
from pipelines import schema, tables
from pipelines.again import Kept
from pipelines.claims import Claim, Measured, Tables
from pipelines.full import is_full
from pipelines.prepare import Prepared
from pipelines.study import Study
from workers.checkpoints import whole
from workers.redaction import plain_without_secrets, without_secrets
from workers.rows import write_parquet
from workers.store import Store
from workers.work import Outcome


@dataclass(frozen=True)
class Report:
    """What a run came to: shards measured now, those of them that were handed out more than once, shards found finished, those that
    failed, probes that could not be summarised (with the error), summaries by probe and model, each claim's number, or why it has
    none, where to look, what MLflow lacks, and what a second run that would find the same hangs on."""

    study: Study
    measured: int
    repeated: int
    found: int
    failures: list[Outcome]
    problems: list[str]
    summaries: Mapping[str, Mapping[str, Summary]]
    claims: Mapping[str, Measured | str]
    folder: Path
    figures: list[Path]
    unlogged: str = ""
    kept: Kept | None = None

    @property
    def complete(self) -> bool:
        """Whether everything was measured, summarised and logged."""
        return not self.failures and not self.problems and not self.unlogged

    @property
    def warnings(self) -> dict[str, dict[str, str]]:
        """The sentences of all warnings, by name, then by `model/probe`, or `claim NAME`."""
        told = claim_warnings(self.claims)
        for probe, by_model in self.summaries.items():
            for model, summary in by_model.items():
                for name, sentence in summary.warnings.items():
                    told.setdefault(name, {})[f"{model}/{probe}"] = sentence
        return told


def written(prepared: Prepared, store: Store, outcomes: list[Outcome], folder: Path) -> Report:
    """Tables, figures, report and study file in the study's folder, in place of what stood there.

    A probe whose code fails in summarising or drawing is a problem, told at the end; its table is written all the same.
    """
    from pipelines import figures  # matplotlib takes a second to import

    study, total = prepared.study, len(prepared.all_works())
    failures = [outcome for outcome in outcomes if not outcome.ok]
    for part in ("figures", "tables"):
        shutil.rmtree(folder / part, ignore_errors=True)
    summaries: dict[str, dict[str, Summary]] = {}
    problems, drawn = [], []
    measured = _tables(prepared, store, {outcome.key for outcome in failures})
    for probe, by_model in measured.items():
        for model, table in by_model.items():
            write_parquet(table_path(folder, probe, model), table)
        try:
            summaries[probe] = {model: study.probes[probe].summarise(table) for model, table in by_model.items()}
            for chart in study.probes[probe].charts(by_model):
                name = probe if chart.name == probe else f"{probe}-{chart.name}"
                drawn.append(figures.save(replace(chart, name=name), folder / "figures"))
        except Exception as error:  # a probe may be a user's own code, and hours of measuring lie behind it
            if is_full(str(error)):
                raise
            problems.append(without_secrets(f"{probe}: {traceback.format_exc()}"))
    claims = {name: claimed(claim, measured) for name, claim in study.claims.items()}
    settings = plain_without_secrets(schema.unstructure(study))
    for name, text in (
        ("report.md", tables.report(study.name, summaries, study.claims, claims)),
        ("study.yaml", yaml.safe_dump(settings, sort_keys=False)),
    ):
        with whole(folder / name) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
    repeated = sum(outcome.tries > 1 for outcome in outcomes)
    return Report(study, len(outcomes), repeated, total - len(outcomes), failures, problems, summaries, claims, folder, drawn)


def claimed(claim: Claim, measured: Tables) -> Measured | str:
    """A claim's number, or why it has none."""
    try:
        return claim.measure(measured)
    except Exception as error:  # of a user's own claim, too: hours of measuring lie behind it
        return f"not measured: {error.args[0] if isinstance(error, LookupError) and error.args else repr(error)}"


def claim_warnings(claims: Mapping[str, Measured | str]) -> dict[str, dict[str, str]]:
    """The sentences of the claims' warnings, by name, then by `claim NAME`."""
    told: dict[str, dict[str, str]] = {}
    for claim, result in claims.items():
        for warning in () if isinstance(result, str) else result.warnings:
            name, _, sentence = warning.partition(": ")
            told.setdefault(name, {})[f"claim {claim}"] = sentence
    return told


def by_place(warnings: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """One text for each name: a line for each place where it stands."""
    return {name: "\n".join(f"{place}: {sentence}" for place, sentence in told.items()) for name, told in warnings.items()}


def _tables(prepared: Prepared, store: Store, without: set[str]) -> Tables:
    """The rows of each probe and model in the order of the samples, without failed shards, nor models that have no rows."""
    result: dict[str, dict[str, Columns]] = {}
    for (model, probe), works in prepared.works.items():
        keys = [work.key for work in works if work.key not in without]
        if keys:
            result.setdefault(probe, {})[model] = store.read_all(keys)
    return result


def table_path(folder: Path, probe: str, model: str) -> Path:
    return folder / "tables" / f"{probe}-{model}.parquet"
