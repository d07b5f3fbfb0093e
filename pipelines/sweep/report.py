"""The results of a sweep: tables, figures, claims, the best model, in its folder and in MLflow."""

import json
import math
import shutil
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml

from advcore.pipelines.claims import Measured
from advcore.pipelines.claims.results import evaluate_claim
from advcore.pipelines.reports import tables
from advcore.pipelines.reports.outputs import Outputs
from advcore.pipelines.settings import schema
from advcore.pipelines.sweep import trials_table
from advcore.pipelines.sweep.choice import Choice, choice_of, chosen_on_test
from advcore.pipelines.sweep.journal import SUFFIXES, Journal, Trial
from advcore.pipelines.sweep.plan import Plan
from advcore.pipelines.sweep.quantities import Quantities
from advcore.pipelines.sweep.settings import Sweep
from advcore.pipelines.sweep.space import label, short_names
from advcore.pipelines.sweep.trials_charts import charts
from advcore.pipelines.tracking.card import add_to_card
from advcore.probes import Columns, Robustness, Table
from advcore.workers.checkpoints import atomic_write, read_metadata
from advcore.workers.errors import USERS_ERRORS
from advcore.workers.redaction import plain_without_secrets
from advcore.workers.stores.rows import write_parquet
from advcore.workers.stores.store import open_store

COLUMNS = 8
"""So many numbers stand in the table of the report at most; all are in the Parquet file."""


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
    from advcore.pipelines.reports import figures  # matplotlib takes a second to import

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
    claims = {name: evaluate_claim(claim, own) for name, claim in sweep.claims.items()}
    problems = _problems(sweep, trials, spent)
    quantities = _quantities(plan, rows, best)
    outputs, drawn = Outputs(folder), []
    try:
        for chart in charts(trials, sweep.space, _tradeoff(sweep), sweep.metric, best, quantities):
            drawn.append(figures.save(chart, outputs.path(f"figures/{chart.name}.png").parent))
    except USERS_ERRORS:  # a probe may be a user's own code, and hours of training lie behind it
        problems.append(f"the figures cannot be drawn: {traceback.format_exc()}")
    outputs.finish()
    if trials:
        write_parquet(folder / "trials.parquet", trials_table.columns(trials, sweep.space))
    if best is not None:
        run = _run_id(journal, best, folder / "best.safetensors")
        for suffix in SUFFIXES:
            with atomic_write(folder / f"best{suffix}") as unfinished:
                shutil.copyfile(journal.model(best.key).with_suffix(suffix), unfinished)
        add_to_card(folder / "best.safetensors", _score(plan, best, choice) | {"run": run})
    found = {"chosen_on_test": chosen_on_test(plan), "no_best": _without_best(plan, done, best)}
    warnings = {name: sentence for name, sentence in found.items() if sentence}
    text = _text(plan, trials, best, claims, choice, warnings, quantities)
    changed = [
        f"- trial {trial.number}: {journal.told(trial)}"
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
        trial.key: {probe: store.read_all(keys) for probe, keys in trial.rows.items()}
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
        lines.append(f"{open_ones} trials did not come to their end")
    return lines


def _without_best(plan: Plan, done: list[Trial], best: Trial | None) -> str:
    """Return why there is no best trial where one is asked for; else nothing."""
    if plan.chosen_by is None or best is not None or not done:
        return ""
    return (
        f"{plan.chosen_by} is no finite number of any trial, so there is no best one, nor a "
        "model of it"
    )


def _tradeoff(sweep: Sweep) -> tuple[str, str] | None:
    """Return the two numbers drawn against each other.

    By default those of the first robustness probe: accuracy, and robust accuracy at the metric's
    eps or at the middle one.
    """
    for name, probe in sweep.probes.items():
        if sweep.tradeoff is None and isinstance(probe, Robustness):
            own = (
                sweep.metric
                if (sweep.metric or "").startswith(f"{name}/robust_accuracy/")
                else None
            )
            return (
                f"{name}/accuracy",
                own or f"{name}/robust_accuracy/worst/{probe.eps[len(probe.eps) // 2]:g}",
            )
    return sweep.tradeoff


def _best(plan: Plan, best: Trial, choice: Choice) -> str:
    """Describe the best trial: how it was chosen, its numbers, and which others may be as good."""
    sweep, metric, by = plan.sweep, plan.sweep.metric or "", plan.chosen_by or ""
    number = f"{metric} {tables.number(best.metrics.get(metric, math.nan))}"
    if choice.low is not None and choice.high is not None:
        number += f" (95 %: {tables.number(choice.low)} to {tables.number(choice.high)})"
    lines = [
        (
            f"Best: trial {best.number}, {label(sweep.space, best.point)}, {number}; the "
            f"{sweep.mode} of {by}"
        )
    ]
    lines[0] += (
        f" {tables.number(best.metrics.get(by, math.nan))}, on samples held out of training."
        if by != metric
        else "."
    )
    if choice.tied:
        lines.append(
            f"Exactly as good by {by}: {_trials(choice.tied)}; the first of them is taken."
        )
    if choice.within:
        lines.append(
            f"Within its interval: {_trials(choice.within)}, which these samples cannot tell "
            "from it."
        )
    return " ".join(lines)


def _settings(sweep: Sweep, quantities: Quantities) -> str:
    """Describe the swept settings, by the short names in the table."""
    told = [
        f"{short} is {quantities.setting(name, short)} (`{name}`)"
        for name, short in short_names(sweep.space).items()
    ]
    return (
        f"{'; '.join(told)}. In `trials.parquet` every number stands under its whole name, "
        "shares between 0 and 1."
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


def _trials(numbers: Sequence[int]) -> str:
    return f"trial{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"


def shown_numbers(sweep: Sweep, trials: list[Trial]) -> list[str]:
    """Return the numbers of the report's table.

    First those that were asked for, then each probe's first ones, then those of the epochs.
    """
    known = list(dict.fromkeys(name for trial in trials for name in trial.metrics))
    wanted = [name for name in (sweep.metric, *(_tradeoff(sweep) or ())) if name in known]
    firsts = [
        name
        for probe in sweep.probes
        for name in [own for own in known if own.startswith(f"{probe}/")][:3]
    ]
    plain = [name for name in known if name.partition("/")[0] not in sweep.probes]
    return list(dict.fromkeys([*wanted, *firsts, *plain]))[:COLUMNS]


def _text(
    plan: Plan,
    trials: list[Trial],
    best: Trial | None,
    claims: Mapping[str, Measured | str],
    choice: Choice | None,
    warnings: Mapping[str, str],
    quantities: Quantities,
) -> str:
    sweep = plan.sweep
    parts = [
        f"# {sweep.name}",
        *(f"**warning**, {name}: {sentence}" for name, sentence in warnings.items()),
    ]
    if claims:
        parts += [
            "## What was expected, and what was measured",
            tables.claims_table(sweep.claims, claims),
        ]
    parts += [
        "## Trials",
        trials_table.table(trials, sweep.space, shown_numbers(sweep, trials), quantities),
    ]
    parts += [_settings(sweep, quantities)]
    if best is not None and choice is not None:
        parts.append(_best(plan, best, choice))
    told = [
        f"- **warning**, trial {trial.number}, {name}: {words}"
        for trial in trials
        for name, words in trial.warnings.items()
    ]
    return "\n\n".join([*parts, *(["\n".join(told)] if told else [])]) + "\n"
