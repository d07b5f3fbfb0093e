"""The results of a sweep: tables, figures, claims, the best model, in its folder and in MLflow."""

import json
import shutil
import tempfile
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml

from advcore.counts import counted
from advcore.pipelines.claims import Measured
from advcore.pipelines.claims.results import evaluate_claim
from advcore.pipelines.reports.outputs import Outputs
from advcore.pipelines.settings import schema
from advcore.pipelines.sweep import trials_table
from advcore.pipelines.sweep.choice import Choice, choice_of, chosen_on_test
from advcore.pipelines.sweep.journal import Journal
from advcore.pipelines.sweep.markdown import report_text, tradeoff_of
from advcore.pipelines.sweep.plan import Plan
from advcore.pipelines.sweep.quantities import Quantities
from advcore.pipelines.sweep.settings import Sweep
from advcore.pipelines.sweep.space import label
from advcore.pipelines.sweep.trial_files import SUFFIXES, Trial
from advcore.pipelines.sweep.trials_charts import charts
from advcore.pipelines.tables.known_shares import columns_of_shares
from advcore.pipelines.tracking.card import add_to_card
from advcore.pipelines.tracking.record import NullRun
from advcore.probes import Columns, Table
from advcore.workers.checkpoints import read_metadata
from advcore.workers.errors import USERS_ERRORS, InputError
from advcore.workers.files import atomic_write
from advcore.workers.redaction import plain_without_secrets
from advcore.workers.stores.rows import Damaged, write_plain_parquet
from advcore.workers.stores.store import open_store
from advcore.workers.units import read_rows


@dataclass(frozen=True)
class SweepReport:
    """The results of a sweep.

    `trials` are in the order of their points, `ran` is how many ran now, `claims` hold a result
    each or why there is none, `problems` what is missing, `choice` how certain the best trial is,
    `warnings` why its number may mislead.
    """

    sweep: Sweep
    trials: list[Trial]
    ran: int
    best: Trial | None
    claims: Mapping[str, Measured | str]
    problems: list[str]
    text: str
    folder: Path
    figures: list[Path]
    choice: Choice | None = None
    warnings: Mapping[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """True if every trial ended by itself and everything was logged."""
        return not self.problems


def report_of(journal: Journal, ran: int, spent: str, folder: Path | None = None) -> SweepReport:
    """Write everything into a folder (by default the sweep's), replacing what was there.

    `spent` says which budget was used up, if any.
    """
    plan, folder = journal.plan, folder or journal.folder
    sweep, trials = (
        plan.sweep,
        [replace(trial, point=trial.settings) for trial in journal.trials.values()],
    )
    done = [trial for trial in trials if trial.status == "finished"]
    best = trials_table.best(done, plan.chosen_by, sweep.mode)
    rows = _rows(journal, done, best)
    probe = (sweep.metric or "").partition("/")[0]
    choice = (
        None if best is None else choice_of(plan, best, done, rows.get(best.key, {}).get(probe))
    )
    own = trials_table.claim_tables(done, sweep.space, rows)
    shares = columns_of_shares(sweep.probes, own, {})
    claims = {name: evaluate_claim(claim, own, shares) for name, claim in sweep.claims.items()}
    problems = _problems(sweep, trials, spent)
    quantities = _quantities(plan, rows, best)
    drawn = _draw(sweep, trials, best, quantities, folder, problems)
    if trials:
        write_plain_parquet(folder / "trials.parquet", trials_table.columns(trials, sweep.space))
    if best is not None:
        _write_best(journal, best, choice, folder)
    found = {"chosen_on_test": chosen_on_test(plan), "no_best": _without_best(plan, done, best)}
    warnings = {name: sentence for name, sentence in found.items() if sentence}
    text = report_text(plan, trials, best, claims, choice, warnings, quantities)
    changed = [
        f"- trial {trial.number}: {journal.lineage_text(trial)}"
        for trial in trials
        if len(trial.lineage) > 1
    ]
    text += "\n".join(["", "## Settings that changed", "", *changed, ""]) if changed else ""
    (folder / "report.md").write_text(text, encoding="utf-8")
    (folder / "sweep.yaml").write_text(
        yaml.safe_dump(plain_without_secrets(schema.unstructure(sweep)), sort_keys=False),
        encoding="utf-8",
    )
    return SweepReport(
        sweep, trials, ran, best, claims, problems, text, folder, drawn, choice, warnings
    )


def _draw(
    sweep: Sweep,
    trials: list[Trial],
    best: Trial | None,
    quantities: Quantities,
    folder: Path,
    problems: list[str],
) -> list[Path]:
    """Draw the figures and return their files; one that cannot be drawn ends it, and is a problem.

    A probe may be a user's own code, and hours of training lie behind it.
    """
    from advcore.pipelines.reports import figures  # matplotlib takes a second to import

    outputs, drawn = Outputs(folder), list[Path]()
    try:
        for chart in charts(
            trials, sweep.space, tradeoff_of(sweep), sweep.metric, best, quantities
        ):
            drawn.append(figures.save(chart, outputs.path(f"figures/{chart.name}.png").parent))
    except USERS_ERRORS:
        problems.append(f"the figures cannot be drawn: {traceback.format_exc()}")
    outputs.finish()
    return drawn


def _write_best(journal: Journal, best: Trial, choice: Choice | None, folder: Path) -> None:
    """Copy the best trial's network into the folder, with its score on its card."""
    run = _run_id(journal, best, folder / "best.safetensors")
    for suffix in SUFFIXES:
        with atomic_write(folder / f"best{suffix}") as unfinished:
            shutil.copyfile(journal.model(best.key).with_suffix(suffix), unfinished)
    score = _score(journal.plan, best, choice)
    add_to_card(folder / "best.safetensors", score | {"run": run})


def _quantities(
    plan: Plan, rows: Mapping[str, Mapping[str, Columns]], best: Trial | None
) -> Quantities:
    """Return the meanings of the names in charts and tables.

    Each trial has the same number of samples.
    """
    own = next(iter(rows.values()), {}) if best is None else rows.get(best.key, {})
    samples = {probe: len(Table(table).numbers("sample").unique()) for probe, table in own.items()}
    return Quantities(plan.sweep.probes, schema.unstructure(plan.training), samples)


def _rows(journal: Journal, done: list[Trial], best: Trial | None) -> dict[str, dict[str, Columns]]:
    """Return the rows of finished trials, by trial and probe.

    Only those of the best trial where no claim needs the others.
    """
    wanted = done if journal.plan.sweep.claims else [trial for trial in done if trial is best]
    store = open_store(journal.plan.store, write=False)
    return {
        trial.key: {
            probe: read_rows(store, journal.plan.sweep.probes[probe], keys)
            for probe, keys in trial.rows.items()
        }
        for trial in wanted
    }


def _problems(sweep: Sweep, trials: list[Trial], spent: str) -> list[str]:
    """Return what is missing or failed, one line each."""
    lines = [f"{spent}; the same command goes on from there"] if spent else []
    for trial in trials:
        if trial.status == "failed":
            last = (trial.error.strip().splitlines() or ["no reason is known"])[-1]
            lines.append(f"trial {trial.number} ({label(sweep.space, trial.point)}) failed: {last}")
    open_ones = sum(trial.status in ("waiting", "interrupted") for trial in trials)
    if open_ones:
        lines.append(f"{counted(open_ones, 'trial')} not finished; the same command continues")
    return lines


def _without_best(plan: Plan, done: list[Trial], best: Trial | None) -> str:
    """Return why there is no best trial where one is asked for; else nothing."""
    if plan.chosen_by is None or best is not None or not done:
        return ""
    return (
        f"{plan.chosen_by} is no finite number of any trial, so there is no best one, nor a "
        "model of it"
    )


def _run_id(journal: Journal, best: Trial, file: Path) -> str:
    """Return the id of the best trial's run in MLflow.

    Where nothing is logged now, it is the one that the file of the same network names.
    """
    own, before = read_metadata(journal.model(best.key)), read_metadata(file)
    same = before.get("advcore.training") == own.get("advcore.training")
    return journal.run(best).id or (before.get("advcore.run", "") if same else "")


def _score(plan: Plan, best: Trial, choice: Choice | None) -> dict[str, str]:
    """Return the best network's numbers, for its card."""
    ends = None if choice is None else [choice.low, choice.high]
    score = {
        "name": plan.sweep.metric,
        "value": best.metrics.get(plan.sweep.metric or ""),
        "interval": ends,
    }
    return {"score": json.dumps({**score, "chosen_by": plan.chosen_by}), "sweep": plan.sweep.name}


def read_finished_sweep(plan: Plan, folder: Path) -> SweepReport | None:
    """Return the report of a sweep whose trials all ended; None if a file that it needs is missing.

    Nothing is written: the figures that it names are those that stand in the folder.
    """
    journal = Journal(folder, plan, NullRun(), lambda _: None)
    todo, more = journal.unfinished()
    if todo or more or not journal.trials:
        return None
    with tempfile.TemporaryDirectory() as place:
        try:
            report = report_of(journal, 0, "", Path(place))
        except (InputError, Damaged, FileNotFoundError):
            return None
        drawn = [folder / figure.relative_to(place) for figure in report.figures]
    return replace(report, folder=folder, figures=[figure for figure in drawn if figure.is_file()])
