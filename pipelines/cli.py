"""The command `advcore`: parse, run, and turn every error into one line and an exit status.

What takes seconds to import is imported where it is needed: a finished study is answered without.
"""

import io
import os
import sys
import traceback
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING, Any

import advcore
from advcore.pipelines.commands import Command, parse
from advcore.pipelines.graph.reporting.saved_answer import Question, find_answer, save_answer
from advcore.pipelines.machine.home import ensure_home
from advcore.pipelines.machine.terminal import nobody_reads, on_end, say
from advcore.pipelines.reports.escaping import visible
from advcore.pipelines.run_commands import (
    DemoCommand,
    ExportCommand,
    PlanCommand,
    RunCommand,
    SweepCommand,
    TrainCommand,
)
from advcore.workers.errors import InputError, RunInterruptedError
from advcore.workers.redaction import LINE, shortened, without_secrets

if TYPE_CHECKING:
    from advcore.pipelines.graph.reporting.report import Report


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status.

    0: done; 1: not complete; 2: refused before any work; 130: interrupted. Where the reader of a
    pipe has gone, it ends without a message.
    """
    try:
        status = _main(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
    except BrokenPipeError:
        if not nobody_reads():
            raise
        return 1
    return status


def _main(arguments: list[str]) -> int:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(
                errors="backslashreplace"
            )  # a terminal without a sign shows its number
    for argument in arguments:
        if any(
            "\udc80" <= sign <= "\udcff" for sign in argument
        ):  # so Python holds what the system's encoding does not know
            print(
                (
                    f"advcore: {argument!a} is no text in {sys.getfilesystemencoding()}; set "
                    "PYTHONUTF8=1"
                ),
                file=sys.stderr,
            )
            return 2
    if arguments[:1] == ["--version"]:
        print(f"advcore {advcore.__version__}")
        return 0
    command = parse(arguments)
    on_end(_interrupt)
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # package.module:factory of one's own, as with python -m
    if not command.verbose:
        warnings.filterwarnings("ignore")
        os.environ.setdefault("PYTHONWARNINGS", "ignore")
    try:
        return _done(command, arguments)
    except KeyboardInterrupt:
        say(f"advcore: interrupted; {command.interrupted}")
        return 130
    except Exception as error:
        if isinstance(error, BrokenPipeError) and nobody_reads():
            return 1
        return _failed(error, command.verbose, command.interrupted)


def _done(command: Command, arguments: Sequence[str]) -> int:
    """Run a command, or answer it from a finished study; return the exit status."""
    ensure_home()
    if isinstance(command, RunCommand | PlanCommand | ExportCommand | TrainCommand | SweepCommand):
        command = parse(arguments, command.with_file())
    if isinstance(command, RunCommand | DemoCommand):
        return _study(command, command.question(arguments))
    return command()


def _study(command: RunCommand | DemoCommand, question: Question) -> int:
    """Run a study unless its answer is saved; print the report and return the exit status."""
    answer = find_answer(question)
    if answer is not None:
        print(answer, end="")
        return 0
    before = question.fingerprint()
    report = command()
    if isinstance(report, int):
        return report
    try:
        _show(report, question, before)
    except BrokenPipeError:
        if not nobody_reads():
            raise
    return 0 if report.complete else 1


def _show(report: "Report", question: Question, before: Mapping[str, Any]) -> None:
    """Print the report; save a complete one, so that the next call is answered at once."""
    from advcore.pipelines.printing import render_report, show

    try:
        show(report)
    finally:  # also where its reader has gone
        if report.kept is not None:
            again = replace(report, measured=0, found=report.measured + report.found)
            save_answer(question, before, report.kept, render_report(again))


def _failed(error: Exception, verbose: bool, keeps: str) -> int:
    """Print an error and return the exit status.

    One line for refused input, a full disk, a run that cannot go on, an unusable file; a traceback
    for anything else. Secrets are masked.
    """
    from advcore.workers.errors import FullDiskError, is_full

    refused, full = isinstance(error, InputError), is_full(str(error))
    unusable = str(error) if isinstance(error, RunInterruptedError) else _about_a_file(error)
    if verbose or not (refused or full or unusable):
        print(
            without_secrets(shortened("".join(traceback.format_exception(error)))),
            end="",
            file=sys.stderr,
        )
    if refused:
        print(f"advcore: {visible(without_secrets(shortened(str(error), LINE)))}", file=sys.stderr)
        return 2
    if full:
        said = (
            error if isinstance(error, FullDiskError) else f"no space is left on the disk ({error})"
        )
        print(
            f"advcore: {visible(without_secrets(shortened(str(said), LINE)))}; free some: {keeps}",
            file=sys.stderr,
        )
    if unusable and not (refused or full):
        print(
            f"advcore: {visible(without_secrets(shortened(unusable, LINE)))}; {keeps}",
            file=sys.stderr,
        )
    return 1


def _about_a_file(error: Exception) -> str:
    """Return the system's message about a file, with its name; empty for other errors."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return ""


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
