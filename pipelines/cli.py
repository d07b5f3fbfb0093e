"""The command `advcore`."""

import os
import signal
import subprocess
import sys
import traceback
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Annotated

import tyro
from tyro.conf import OmitArgPrefixes, Positional, UseAppendAction

from pipelines import tables
from pipelines.demo import demo
from pipelines.run import Report, run
from pipelines.study import RunSettings, Study, read, shipped
from pipelines.tracking import ui_command
from pipelines.train import Training, TrainSettings, train
from workers.refusal import Refused

Settings = UseAppendAction[tuple[str, ...]]


@dataclass(frozen=True)
class RunCommand:
    """Measure every model of a study with every probe.

    Only what is not in the store yet is measured: a second run computes nothing, a run after an interruption goes on. The flags
    below are the study file's section `run`, and stand over it.

    Exit status: 0 done, 1 some shards failed, 2 refused before any work, 130 interrupted.
    """

    study: Positional[str]
    """A study file (YAML), or the name of one that comes with advcore."""
    set: Settings = ()
    """Put a value over the study file: --set probes.margins.family.size=4. May be given several times."""
    verbose: bool = False
    """Show the libraries' own messages, and whole tracebacks."""
    run: OmitArgPrefixes[RunSettings] = field(default_factory=RunSettings)

    def with_file(self) -> "RunCommand":
        """The same command whose defaults are the study file's settings."""
        return replace(self, run=read(Study, self.study, "studies", self.set).run)

    def __call__(self) -> int:
        study = replace(read(Study, self.study, "studies", self.set), run=self.run)
        report = run(study)
        show(report)
        return 1 if report.failures else 0


@dataclass(frozen=True)
class TrainCommand:
    """Train a network by a recipe. A training that is already done is not done again."""

    recipe: Positional[str]
    """A recipe file (YAML), or the name of one that comes with advcore."""
    set: Settings = ()
    """Put a value over the recipe file: --set recipe.epochs=3. May be given several times."""
    verbose: bool = False
    """Show the libraries' own messages, and whole tracebacks."""
    run: OmitArgPrefixes[TrainSettings] = field(default_factory=TrainSettings)

    def with_file(self) -> "TrainCommand":
        """The same command whose defaults are the recipe file's settings."""
        return replace(self, run=read(Training, self.recipe, "recipes", self.set).run)

    def __call__(self) -> int:
        result = train(replace(read(Training, self.recipe, "recipes", self.set), run=self.run))
        if result.already:
            print(f"nothing to do: {result.checkpoint} is the result of exactly this training")
        else:
            numbers = ", ".join(f"{name} {tables.number(value)}" for name, value in result.metrics.items())
            print(f"trained: {numbers}\ncheckpoint: {result.checkpoint}")
        return 0


@dataclass(frozen=True)
class DemoCommand:
    """Train two LeNets on real digits, one plainly and one adversarially, and look into both. About two minutes on two cores."""

    out: str = "results"
    """Folder of everything that is written."""
    runner: str = "ray"
    """inline, or ray: two actors."""
    verbose: bool = False
    """Show the libraries' own messages, and whole tracebacks."""

    def __call__(self) -> int:
        report, claims = demo(self.out, self.runner)
        show(report)
        print(claims)
        print(f"\nfigures: {report.folder / 'figures'}\nopen MLflow: advcore ui --out {self.out}")
        return 1 if report.failures else 0


@dataclass(frozen=True)
class UiCommand:
    """Open MLflow on the store that runs write to."""

    out: str = "results"
    """The folder that was given to run, train or demo as --out."""
    port: int = 5000
    """Where the browser finds it, on this machine only."""
    verbose: bool = False
    """Whole tracebacks."""

    def __call__(self) -> int:
        command = ui_command(os.environ.get("MLFLOW_TRACKING_URI"), Path(self.out).absolute(), self.port)
        print(f"MLflow: http://127.0.0.1:{self.port}  (ends with Ctrl-C)")
        return subprocess.run(command, check=False).returncode


@dataclass(frozen=True)
class ListCommand:
    """List the studies and recipes that come with advcore."""

    verbose: bool = False
    """Whole tracebacks."""

    def __call__(self) -> int:
        for folder in ("studies", "recipes"):
            print(f"{folder}:")
            for name, path in shipped(folder).items():
                first = path.read_text().splitlines()[0].removeprefix("# ")
                print(f"  {name:14} {first}")
        return 0


Command = (
    Annotated[RunCommand, tyro.conf.subcommand("run")]
    | Annotated[TrainCommand, tyro.conf.subcommand("train")]
    | Annotated[DemoCommand, tyro.conf.subcommand("demo")]
    | Annotated[UiCommand, tyro.conf.subcommand("ui")]
    | Annotated[ListCommand, tyro.conf.subcommand("list")]
)

DESCRIPTION = """Look into deep networks with adversarial examples: attacks, margins and curvature, from a laptop to a GPU cluster.

Start with:  advcore demo
Then:        advcore run STUDY.yaml      advcore train RECIPE.yaml      advcore ui
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, run, and turn every refusal into one line and status 2."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    command = parse(arguments)
    quiet = not command.verbose
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # package.module:factory of one's own, as with python -m
    if quiet:
        _hush()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        if isinstance(command, RunCommand | TrainCommand):
            command = parse(arguments, command.with_file())
        return command()
    except Refused as error:
        if not quiet:
            traceback.print_exc()
        print(f"advcore: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("advcore: interrupted; finished shards are in the store, and the same command goes on from there", file=sys.stderr)
        return 130


def parse(
    arguments: Sequence[str], default: RunCommand | TrainCommand | None = None
) -> RunCommand | TrainCommand | DemoCommand | UiCommand | ListCommand:
    """The command line as a command; with `default`, flags that are not given take its values."""
    if default is None:
        return tyro.cli(Command, prog="advcore", description=DESCRIPTION, args=list(arguments))
    return tyro.cli(type(default), prog=f"advcore {arguments[0]}", args=list(arguments[1:]), default=default)


def show(report: Report) -> None:
    """The report on the terminal: numbers, failures, where everything lies."""
    print(tables.report(report.study.name, report.summaries))
    total = report.measured + report.found
    if report.measured:
        print(f"{report.measured} shards measured, {report.found} of {total} found in the store")
    else:
        print(f"nothing to compute: all {total} shards were in the store")
    for outcome in report.failures:
        last = outcome.error.strip().splitlines()[-1]
        print(f"failed: {outcome.name} {outcome.key[:12]}: {last}", file=sys.stderr)
    if report.failures:
        print(
            f"{len(report.failures)} shards failed; the numbers above leave them out, and a new run tries only them again",
            file=sys.stderr,
        )
    for figure in report.figures:
        print(f"figure: {figure}")
    print(f"report: {report.folder / 'report.md'}")


def _hush() -> None:
    warnings.filterwarnings("ignore")
    os.environ.setdefault("PYTHONWARNINGS", "ignore")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
