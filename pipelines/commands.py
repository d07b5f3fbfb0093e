"""The commands of `advcore`, as dataclasses: their fields are its flags, their docstrings its
help."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

import tyro
from tyro.conf import OmitArgPrefixes, Positional, UseAppendAction

from advcore.pipelines import doctor
from advcore.pipelines.listing import show_name, show_names
from advcore.pipelines.printing import show_sweep, show_trained
from advcore.pipelines.settings.shipped import read
from advcore.pipelines.study.driver import run
from advcore.pipelines.study.dry_run import dry_run
from advcore.pipelines.study.report import Report
from advcore.pipelines.study.settings import RunSettings, Study
from advcore.pipelines.sweep.driver import sweep
from advcore.pipelines.sweep.settings import Sweep, SweepSettings
from advcore.pipelines.tracking.tracker import ui_command
from advcore.pipelines.training.driver import Training, TrainSettings, train
from advcore.workers.paths import expand_path

Settings = UseAppendAction[tuple[str, ...]]


@dataclass(frozen=True)
class RunCommand:
    """Measure every model of a study with every probe.

    A study is a YAML file: models, data, probes, run (see the README; `advcore list` shows what can
    stand in it). Only what is not in the store yet is measured: a second run computes nothing, a
    run after an interruption goes on. The run options are the study file's section `run`, and stand
    over it.

    Exit status: 0 done, 1 not all of it is there, 2 refused before any work, 130 interrupted.
    """

    study: Positional[str]
    """A study file (YAML), or the name of one that comes with advcore."""
    set: Settings = ()
    """Put a value over the study file: --set probes.margins.family.size=4. May be given several
    times."""
    dry_run: bool = False
    """Check all, say what would be done and how long it takes, and end."""
    verbose: bool = False
    """Show the libraries' own messages, and whole tracebacks."""
    run: OmitArgPrefixes[RunSettings] = field(default_factory=RunSettings)

    def with_file(self) -> "RunCommand":
        """The same command whose defaults are the study file's settings."""
        return replace(self, run=read(Study, self.study, "studies", self.set).run)

    interrupted = "finished shards are in the store, and the same command goes on from there"

    def __call__(self) -> Report | int:
        study = replace(read(Study, self.study, "studies", self.set), run=self.run)
        if not self.dry_run:
            return run(study, self.verbose)
        print(dry_run(study), end="")
        return 0


@dataclass(frozen=True)
class TrainCommand:
    """Train a network by a recipe. A training that is already done is not done again; an
    interrupted one goes on."""

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
        show_trained(result)
        return 1 if result.unlogged else 0


@dataclass(frozen=True)
class SweepCommand:
    """Train a recipe at each point of a space of its settings, and measure every trained model with
    the same probes.

    A sweep is a YAML file: recipe, space, probes, metric, run (see the README; `advcore list` shows
    those that come along). Finished trials are not run again, unfinished ones go on from their last
    epoch. The run options are the file's section `run`, and stand over it.

    Exit status: 0 done, 1 some trials failed or were left, 2 refused before any work, 130
    interrupted.
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
        report = sweep(
            replace(read(Sweep, self.sweep, "sweeps", self.set), run=self.run), self.verbose
        )
        show_sweep(report)
        return 0 if report.complete else 1


@dataclass(frozen=True)
class DemoCommand:
    """Train two LeNets on real digits, one plainly and one adversarially, and look into both. About
    two minutes on two cores."""

    out: str = "results"
    """Folder of everything that is written."""
    runner: Literal["inline", "ray"] = "ray"
    """inline in this process, or ray: two actors."""
    verbose: bool = False
    """Show the libraries' own messages, and whole tracebacks."""

    interrupted = "what is finished stays, and the same command goes on from there"

    def __call__(self) -> Report:
        study: Study = read(Study, "demo", "studies")
        return run(
            replace(study, run=replace(study.run, runner=self.runner, out=self.out)), self.verbose
        )


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
        uri = self.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
        command, store = ui_command(uri, expand_path(self.out).absolute(), self.port)
        print(f"MLflow: http://127.0.0.1:{self.port}  (ends with Ctrl-C)", flush=True)
        # in this process's place: a signal reaches MLflow itself, and nothing stays behind
        os.execve(command[0], command, {**os.environ, **store})


@dataclass(frozen=True)
class ListCommand:
    """List what a file can name: studies, recipes, sweeps, probes, attacks, objectives, data sets,
    networks, ...; or show one of them with its settings and their defaults."""

    name: Positional[str] = ""
    """Name of what is shown, `pgd` for example; everything is listed when not given."""
    verbose: bool = False
    """Whole tracebacks."""

    interrupted = "nothing was written"

    def __call__(self) -> int:
        show_name(self.name) if self.name else show_names()
        return 0


@dataclass(frozen=True)
class DoctorCommand:
    """Look whether all that a study needs is there: versions, GPUs, Ray, MLflow, store, data sets,
    disk; ok, or what to do.

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


Command = (
    Annotated[RunCommand, tyro.conf.subcommand("run")]
    | Annotated[TrainCommand, tyro.conf.subcommand("train")]
    | Annotated[SweepCommand, tyro.conf.subcommand("sweep")]
    | Annotated[DemoCommand, tyro.conf.subcommand("demo")]
    | Annotated[UiCommand, tyro.conf.subcommand("ui")]
    | Annotated[ListCommand, tyro.conf.subcommand("list")]
    | Annotated[DoctorCommand, tyro.conf.subcommand("doctor")]
)

DESCRIPTION = """Look into deep networks with adversarial examples: attacks, margins and
curvature, from a laptop to a GPU cluster.

Begin with `advcore demo`, then look at its study (`advcore list`), write one of your own,
and `advcore run` it.
"""


def parse(
    arguments: Sequence[str], default: RunCommand | TrainCommand | SweepCommand | None = None
) -> Command:
    """The command line as a command; with `default`, flags that are not given take its values."""
    if default is None:
        return tyro.cli(Command, prog="advcore", description=DESCRIPTION, args=list(arguments))
    return tyro.cli(
        type(default), prog=f"advcore {arguments[0]}", args=list(arguments[1:]), default=default
    )
