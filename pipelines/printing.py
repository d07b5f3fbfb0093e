"""The output of each command: numbers, failures, and where the files are."""

import sys

from advcore.counts import counted
from advcore.pipelines.graph.reporting.facts import UNSEEN
from advcore.pipelines.graph.reporting.failed_work import advice, few_ranges
from advcore.pipelines.graph.reporting.report import PAGE, Report
from advcore.pipelines.reports import tables
from advcore.pipelines.reports.escaping import visible
from advcore.pipelines.sweep.report import SweepReport
from advcore.pipelines.training.outcome import Trained
from advcore.workers.redaction import last_line


def show(report: Report) -> None:
    """Print the report: the failures to stderr, all else to stdout."""
    print(render_report(report), end="")
    for result in report.failures:
        samples = f", samples {few_ranges(result.samples)}" if result.samples else ""
        print(
            f"failed: {result.name} {result.key[:12]}{samples}: {visible(last_line(result.error))}",
            file=sys.stderr,
        )
    if report.left_out:
        print(f"missing for what failed: {', '.join(report.left_out)}", file=sys.stderr)
    if report.failures:
        print(
            f"{report.failed} failed: the numbers above leave out what it would have given; "
            f"{advice(report.failures)}",
            file=sys.stderr,
        )
    for problem in report.problems:
        print(f"advcore: {problem.splitlines()[0]}; the report covers the rest", file=sys.stderr)
    if report.unlogged:
        print(
            f"advcore: not all is in MLflow: {report.unlogged}; the same command completes it",
            file=sys.stderr,
        )


def render_report(report: Report) -> str:
    """Return the report's text: numbers, warnings, and where the files are."""
    failed = f", {report.failed} failed" if report.failures else ""
    lines = [tables.report(report.study.name, report.summaries, report.stated, report.claims)]
    lines += [visible(str(report.study.small_of))] if report.study.small_of else []
    if report.measured or report.failures:
        lines.append(
            f"{counted(report.measured, 'shard')} measured{failed}, {report.found} of "
            f"{report.shards} found in the store"
        )
    else:
        lines.append(f"nothing to compute: {_all_of(report.found)} in the store")
    lines += [f"warning: {UNSEEN}: {visible(sentence)}" for sentence in report.unseen.values()]
    for name, sentences in report.warnings.items():
        if name == UNSEEN:  # which has its sentences here, not above
            continue
        lines.append(
            f"warning: {visible(name)} at {', '.join(sentences)}; it is explained above "
            "and in the report"
        )
    lines += [f"figure: {figure}" for figure in report.figures]
    lines += [f"report: {report.folder / 'report.md'}", f"page: {report.folder / PAGE}"]
    return "\n".join(lines) + "\n"


def _all_of(total: int) -> str:
    return "the only shard was" if total == 1 else f"all {total} shards were"


def show_trained(result: Trained) -> None:
    """Print the result of a training."""
    if result.already:
        print(f"nothing to do: {result.checkpoint} is the result of exactly this training")
    else:
        numbers = ", ".join(
            f"{name} {tables.format_number(value)}" for name, value in result.metrics.items()
        )
        print(f"trained, epoch {result.epoch}: {numbers}\ncheckpoint: {result.checkpoint}")
    if result.unlogged:
        print(
            f"advcore: not all is in MLflow: {result.unlogged}; the same command completes it",
            file=sys.stderr,
        )


def show_sweep(report: SweepReport) -> None:
    """Print a sweep's trials, claims, problems, and where the files are."""
    print(report.text)
    print(
        f"{counted(report.ran, 'trial')} run, {len(report.trials) - report.ran} found finished"
        if report.ran
        else "nothing to run: all trials were finished"
    )
    for problem in report.problems:
        print(f"advcore: {problem}", file=sys.stderr)
    for figure in report.figures:
        print(f"figure: {figure}")
    if report.best is not None:
        print(f"best model: {report.folder / 'best.safetensors'}")
    print(f"report: {report.folder / 'report.md'}")
