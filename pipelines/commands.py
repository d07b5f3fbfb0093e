"""The command line of `advcore`: its parser, and the commands that only look (ui, list, doctor)."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import tyro
from tyro.conf import Positional

from advcore.pipelines.run_commands import (
    DemoCommand,
    PlanCommand,
    RunCommand,
    SweepCommand,
    TrainCommand,
)
from advcore.workers.paths import expand_path


@dataclass(frozen=True)
class UiCommand:
    """Open the MLflow page of a results folder."""

    out: str = "results"
    """folder of results: the --out of run, train, sweep or demo."""
    port: int = 5000
    """port of the page, open to this machine only."""
    tracking_uri: str | None = None
    """MLflow store of the runs; default: MLFLOW_TRACKING_URI, else the one in `out`."""
    verbose: bool = False
    """show full tracebacks."""

    interrupted = "MLflow is closed"

    def __call__(self) -> int:
        """Replace this process by MLflow's server."""
        from advcore.pipelines.tracking.tracker import ui_command

        uri = self.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
        command, store = ui_command(uri, expand_path(self.out).absolute(), self.port)
        # without the type, MLflow opens on its pages for language models, which are empty here
        page = f"http://127.0.0.1:{self.port}/#/experiments?workflowType=machine_learning"
        print(f"MLflow: {page}  (ends with Ctrl-C)", flush=True)
        # in this process's place: a signal reaches MLflow itself, and nothing stays behind
        os.execve(command[0], command, {**os.environ, **store})


@dataclass(frozen=True)
class ListCommand:
    """List the names that a file can use: studies, recipes, sweeps, probes, attacks, ...

    With a name, show its sentence, its settings and their defaults.
    """

    name: Positional[str] = ""
    """name to show in full, such as `pgd`; default: list all names."""
    verbose: bool = False
    """show full tracebacks."""

    interrupted = "nothing was written"

    def __call__(self) -> int:
        """Print the names, or one of them in full, and return 0."""
        from advcore.pipelines.listing import show_name, show_names

        show_name(self.name) if self.name else show_names()
        return 0


@dataclass(frozen=True)
class DoctorCommand:
    """Check what a study needs: versions, GPUs, Ray, MLflow, store, data sets, disk.

    Each line begins with ok, or says what to do.

    Exit status: 0 all is well, 1 something is missing.
    """

    out: str = "results"
    """folder of results: the --out of run."""
    store: str | None = None
    """place of the rows: a folder or s3://BUCKET/PREFIX; default: a folder in `out`."""
    address: str | None = None
    """address of a running Ray cluster; default: RAY_ADDRESS."""
    tracking_uri: str | None = None
    """MLflow server or store; default: MLFLOW_TRACKING_URI, else the one in `out`."""
    verbose: bool = False
    """show the libraries' messages."""

    interrupted = "nothing was changed"

    def __call__(self) -> int:
        """Print each finding and return the exit status."""
        from advcore.pipelines import doctor

        well = True
        for finding in doctor.examine(self.out, self.store, self.address, self.tracking_uri):
            print(finding, flush=True)
            well = well and finding.ok
        return 0 if well else 1


Command = (
    Annotated[RunCommand, tyro.conf.subcommand("run")]
    | Annotated[PlanCommand, tyro.conf.subcommand("plan")]
    | Annotated[TrainCommand, tyro.conf.subcommand("train")]
    | Annotated[SweepCommand, tyro.conf.subcommand("sweep")]
    | Annotated[DemoCommand, tyro.conf.subcommand("demo")]
    | Annotated[UiCommand, tyro.conf.subcommand("ui")]
    | Annotated[ListCommand, tyro.conf.subcommand("list")]
    | Annotated[DoctorCommand, tyro.conf.subcommand("doctor")]
)

DESCRIPTION = """Measure how deep networks respond to adversarial perturbations: attacks,
margins and curvature, from a laptop to a GPU cluster.

Begin with `advcore demo`, see what a study can name (`advcore list`), write your own study,
and run it with `advcore run`.
"""


def parse(
    arguments: Sequence[str],
    default: RunCommand | PlanCommand | TrainCommand | SweepCommand | None = None,
) -> Command:
    """Parse the command line; with `default`, flags that are not given take its values."""
    if default is None:
        return tyro.cli(Command, prog="advcore", description=DESCRIPTION, args=list(arguments))
    return tyro.cli(
        type(default), prog=f"advcore {arguments[0]}", args=list(arguments[1:]), default=default
    )
