"""The command `advcore`."""

import io
import os
import re
import signal
import sys
import traceback
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Annotated, Literal, cast

import tyro
from tyro.conf import OmitArgPrefixes, Positional, UseAppendAction

from advcore.attacks import ATTACKS
from advcore.networks import NETWORKS
from advcore.probes import PROBES
from advcore.subspaces import FAMILIES
from advcore.training import AUGMENTATIONS, SCHEDULES, TERMS
from advcore.transforms import TRANSFORMS
from pipelines import doctor, tables
from pipelines.run import Report, run
from pipelines.schedulers import SCHEDULERS, SEARCHERS
from pipelines.study import RunSettings, Study, read, shipped
from pipelines.sweep import Sweep, SweepSettings
from pipelines.sweep_report import SweepReport
from pipelines.sweep_run import sweep
from pipelines.tracking import ui_command
from pipelines.train import Training, TrainSettings, train
from workers.adapters import ADAPTERS
from workers.datasets import NAMES
from workers.refusal import Refused

Settings = UseAppendAction[tuple[str, ...]]


@dataclass(frozen=True)
class RunCommand:
    """Measure every model of a study with every probe.

    A study is a YAML file: models, data, probes, run (see the README; `advcore list` shows what can stand in it). Only what is not
    in the store yet is measured: a second run computes nothing, a run after an interruption goes on. The run options are the
    study file's section `run`, and stand over it.

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

    interrupted = "finished shards are in the store, and the same command goes on from there"

    def __call__(self) -> int:
        report = run(replace(read(Study, self.study, "studies", self.set), run=self.run), self.verbose)
        show(report)
        return 0 if report.complete else 1


@dataclass(frozen=True)
class TrainCommand:
    """Train a network by a recipe. A training that is already done is not done again; an interrupted one goes on."""

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

    interrupted = "finished epochs are kept, and the same command goes on from there"

    def __call__(self) -> int:
        result = train(replace(read(Training, self.recipe, "recipes", self.set), run=self.run))
        if result.already:
            print(f"nothing to do: {result.checkpoint} is the result of exactly this training")
        else:
            numbers = ", ".join(f"{name} {tables.number(value)}" for name, value in result.metrics.items())
            print(f"trained, epoch {result.epoch}: {numbers}\ncheckpoint: {result.checkpoint}")
        return 0


@dataclass(frozen=True)
class SweepCommand:
    """Train a recipe at each point of a space of its settings, and measure every trained model with the same probes.

    A sweep is a YAML file: recipe, space, probes, metric, run (see the README; `advcore list` shows those that come along).
    Finished trials are not run again, unfinished ones go on from their last epoch. The run options are the file's section `run`,
    and stand over it.

    Exit status: 0 done, 1 some trials failed or were left, 2 refused before any work, 130 interrupted.
    """

    sweep: Positional[str]
    """A sweep file (YAML), or the name of one that comes with advcore."""
    set: Settings = ()
    """Put a value over the sweep file: --set trials=20. May be given several times."""
    verbose: bool = False
    """Show the libraries' own messages, and whole tracebacks."""
    run: OmitArgPrefixes[SweepSettings] = field(default_factory=SweepSettings)

    def with_file(self) -> "SweepCommand":
        """The same command whose defaults are the sweep file's settings."""
        return replace(self, run=read(Sweep, self.sweep, "sweeps", self.set).run)

    interrupted = "finished epochs and trials are kept, and the same command goes on from there"

    def __call__(self) -> int:
        report = sweep(replace(read(Sweep, self.sweep, "sweeps", self.set), run=self.run), self.verbose)
        show_sweep(report)
        return 0 if report.complete else 1


@dataclass(frozen=True)
class DemoCommand:
    """Train two LeNets on real digits, one plainly and one adversarially, and look into both. About two minutes on two cores."""

    out: str = "results"
    """Folder of everything that is written."""
    runner: Literal["inline", "ray"] = "ray"
    """inline in this process, or ray: two actors."""
    verbose: bool = False
    """Show the libraries' own messages, and whole tracebacks."""

    interrupted = "what is finished stays, and the same command goes on from there"

    def __call__(self) -> int:
        study: Study = read(Study, "demo", "studies")
        report = run(replace(study, run=replace(study.run, runner=self.runner, out=self.out)), self.verbose)
        show(report)
        print(f"\nfigures: {report.folder / 'figures'}\nopen MLflow: advcore ui --out {self.out}")
        return 0 if report.complete else 1


@dataclass(frozen=True)
class UiCommand:
    """Open MLflow on the store that runs write to."""

    out: str = "results"
    """The folder that was given to run, train or demo as --out."""
    port: int = 5000
    """Where the browser finds it, on this machine only."""
    tracking_uri: str | None = None
    """The MLflow store that a study wrote to, where it was not the one in `out`."""
    verbose: bool = False
    """Whole tracebacks."""

    interrupted = "MLflow is closed"

    def __call__(self) -> int:
        command = ui_command(self.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI"), Path(self.out).absolute(), self.port)
        print(f"MLflow: http://127.0.0.1:{self.port}  (ends with Ctrl-C)", flush=True)
        os.execv(command[0], command)  # in this process's place: a signal reaches MLflow itself, and nothing stays behind


@dataclass(frozen=True)
class ListCommand:
    """List what a file can name: studies, recipes, sweeps, probes, attacks, objectives, data sets, networks, ..."""

    verbose: bool = False
    """Whole tracebacks."""

    interrupted = "nothing was written"

    def __call__(self) -> int:
        sections: dict[str, dict[str, str]] = {}
        for folder in ("studies", "recipes", "sweeps"):
            sections[folder] = {name: _comment(path) for name, path in shipped(folder).items()}
        kinds = {
            "probes": PROBES,
            "attacks": {**ATTACKS, **ADAPTERS},
            "subspaces": FAMILIES,
            "terms of objectives": TERMS,
            "schedules": SCHEDULES,
            "augmentations": AUGMENTATIONS,
            "schedulers of sweeps": SCHEDULERS,
            "searchers of sweeps": SEARCHERS,
            "transforms": TRANSFORMS,
            "networks": NETWORKS,
        }
        for title, known in kinds.items():
            sections[title] = {kind: _sentence(value) for kind, value in cast(dict[str, object], known).items()}
        for title, entries in {**sections, "data sets": NAMES}.items():
            print(f"{title}:")
            for name, words in entries.items():
                print(f"  {name:20} {words}")
        print("A file names a class by `kind`; one of your own is `package.module:Class`.")
        return 0


@dataclass(frozen=True)
class DoctorCommand:
    """Look whether all that a study needs is there: versions, GPUs, Ray, MLflow, store, data sets, disk; ok, or what to do.

    Exit status: 0 all is well, 1 something is not.
    """

    out: str = "results"
    """The folder that is given to run as --out."""
    store: str | None = None
    """The store, where it is not in `out`."""
    address: str | None = None
    """Of a running Ray cluster; RAY_ADDRESS when not given."""
    tracking_uri: str | None = None
    """MLflow server or store; MLFLOW_TRACKING_URI, else the one in `out`, when not given."""
    verbose: bool = False
    """Show the libraries' own messages."""

    interrupted = "nothing was changed"

    def __call__(self) -> int:
        well = True
        for finding in doctor.examine(self.out, self.store, self.address, self.tracking_uri):
            print(finding, flush=True)
            well = well and finding.ok
        return 0 if well else 1


def _comment(path: Path) -> str:
    return path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")


def _sentence(value: object) -> str:
    """The first sentence of a docstring, on one line."""
    return re.split(r"(?<! al)\. ", " ".join((value.__doc__ or "").split("\n\n")[0].split()))[0].rstrip(".")


Command = (
    Annotated[RunCommand, tyro.conf.subcommand("run")]
    | Annotated[TrainCommand, tyro.conf.subcommand("train")]
    | Annotated[SweepCommand, tyro.conf.subcommand("sweep")]
    | Annotated[DemoCommand, tyro.conf.subcommand("demo")]
    | Annotated[UiCommand, tyro.conf.subcommand("ui")]
    | Annotated[ListCommand, tyro.conf.subcommand("list")]
    | Annotated[DoctorCommand, tyro.conf.subcommand("doctor")]
)

DESCRIPTION = """Look into deep networks with adversarial examples: attacks, margins and curvature, from a laptop to a GPU cluster.

Begin with `advcore demo`, then look at its study (`advcore list`), write one of your own, and `advcore run` it.
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
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal without a sign shows its number
    try:
        if isinstance(command, RunCommand | TrainCommand | SweepCommand):
            command = parse(arguments, command.with_file())
        return command()
    except Refused as error:
        if not quiet:
            traceback.print_exc()
        print(f"advcore: {_visible(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"advcore: interrupted; {command.interrupted}", file=sys.stderr)
        return 130


def parse(
    arguments: Sequence[str], default: RunCommand | TrainCommand | SweepCommand | None = None
) -> RunCommand | TrainCommand | SweepCommand | DemoCommand | UiCommand | ListCommand | DoctorCommand:
    """The command line as a command; with `default`, flags that are not given take its values."""
    if default is None:
        return tyro.cli(Command, prog="advcore", description=DESCRIPTION, args=list(arguments))
    return tyro.cli(type(default), prog=f"advcore {arguments[0]}", args=list(arguments[1:]), default=default)


def show(report: Report) -> None:
    """The report on the terminal: numbers, failures, where everything lies."""
    print(tables.report(report.study.name, report.summaries, report.study.claims, report.claims))
    total = report.measured + report.found
    if report.measured:
        print(f"{report.measured} shards measured, {report.found} of {total} found in the store")
    else:
        print(f"nothing to compute: all {total} shards were in the store")
    for outcome in report.failures:
        last = outcome.error.strip().splitlines()[-1]
        print(f"failed: {outcome.name} {outcome.key[:12]}, samples {outcome.samples}: {last}", file=sys.stderr)
    if report.failures:
        print(
            f"{len(report.failures)} shards failed; the numbers above leave them out, and a new run tries only them again",
            file=sys.stderr,
        )
    for name, told in report.warnings.items():
        print(f"warning: {name} at {', '.join(told)}; the sentence stands above, and in the report")
    for figure in report.figures:
        print(f"figure: {figure}")
    print(f"report: {report.folder / 'report.md'}")


def show_sweep(report: SweepReport) -> None:
    """A sweep on the terminal: its trials, its claims, what is missing, where everything lies."""
    print(report.text)
    print(f"{report.ran} trials run, {len(report.trials) - report.ran} were finished" if report.ran else "nothing to run")
    for problem in report.problems:
        print(f"advcore: {problem}", file=sys.stderr)
    for figure in report.figures:
        print(f"figure: {figure}")
    if report.best is not None:
        print(f"best model: {report.folder / 'best.safetensors'}")
    print(f"report: {report.folder / 'report.md'}")


def _visible(text: str) -> str:
    """One line, in which the signs of names and files that steer a terminal are written out."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in " ".join(text.split()))


def _hush() -> None:
    warnings.filterwarnings("ignore")
    os.environ.setdefault("PYTHONWARNINGS", "ignore")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
