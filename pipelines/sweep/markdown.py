"""The text of a sweep's report: its claims, its trials, the best one."""

import math
from collections.abc import Mapping, Sequence

from advcore.pipelines.claims import Measured
from advcore.pipelines.reports import tables
from advcore.pipelines.sweep import trials_table
from advcore.pipelines.sweep.choice import Choice
from advcore.pipelines.sweep.plan import Plan
from advcore.pipelines.sweep.quantities import Quantities
from advcore.pipelines.sweep.settings import Sweep
from advcore.pipelines.sweep.space import label, short_names
from advcore.pipelines.sweep.trial_files import Trial
from advcore.probes import Robustness

COLUMNS = 8
"""Largest number of columns in the table of the report; all are in the Parquet file."""


def tradeoff_of(sweep: Sweep) -> tuple[str, str] | None:
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
    number = f"{metric} {tables.format_number(best.metrics.get(metric, math.nan))}"
    if choice.low is not None and choice.high is not None:
        number += (
            f" (95 %: {tables.format_number(choice.low)} to {tables.format_number(choice.high)})"
        )
    lines = [
        (
            f"Best: trial {best.number}, {label(sweep.space, best.point)}, {number}; the "
            f"{sweep.mode} of {by}"
        )
    ]
    lines[0] += (
        f" {tables.format_number(best.metrics.get(by, math.nan))}, on samples held out of training."
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


def _trials(numbers: Sequence[int]) -> str:
    return f"trial{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"


def shown_numbers(sweep: Sweep, trials: list[Trial]) -> list[str]:
    """Return the numbers of the report's table.

    First those that were asked for, then each probe's first ones, then those of the epochs.
    """
    known = list(dict.fromkeys(name for trial in trials for name in trial.metrics))
    wanted = [name for name in (sweep.metric, *(tradeoff_of(sweep) or ())) if name in known]
    firsts = [
        name
        for probe in sweep.probes
        for name in [own for own in known if own.startswith(f"{probe}/")][:3]
    ]
    plain = [name for name in known if name.partition("/")[0] not in sweep.probes]
    return list(dict.fromkeys([*wanted, *firsts, *plain]))[:COLUMNS]


def report_text(
    plan: Plan,
    trials: list[Trial],
    best: Trial | None,
    claims: Mapping[str, Measured | str],
    choice: Choice | None,
    warnings: Mapping[str, str],
    quantities: Quantities,
) -> str:
    """Return the text of report.md, in Markdown."""
    sweep = plan.sweep
    parts = [
        f"# {sweep.name}",
        *(f"**warning**, {name}: {sentence}" for name, sentence in warnings.items()),
    ]
    if claims:
        parts += [
            "## Claims",
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
