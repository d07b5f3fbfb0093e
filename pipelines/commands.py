"""The command line of `advcore`: its parser, and the commands that only look."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, cast

import tyro
from tyro.conf import Positional

from advcore.pipelines.article_command import ArticleCommand
from advcore.pipelines.run_commands import (
    DemoCommand,
    ExportCommand,
    Flag,
    PlanCommand,
    RunCommand,
    SweepCommand,
    TrainCommand,
)
from advcore.pipelines.settings.flags import Address, Folder, Uri
from advcore.workers.errors import InputError
from advcore.workers.paths import expand_path


@dataclass(frozen=True)
class UiCommand:
    """Open the MLflow page of a results folder."""

    out: str = "results"
    """folder of results: the --out of run, train, sweep or demo."""
    port: int = 5000
    """port of the page, open to this machine only."""
    tracking_uri: Uri = None
    """MLflow store of the runs; default: MLFLOW_TRACKING_URI, else the one in `out`."""
    verbose: Flag = False
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

    name: Annotated[Positional[str], tyro.conf.arg(help_behavior_hint="")] = ""
    """name to show in full, such as `pgd`; default: list all names."""
    verbose: Flag = False
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
    store: Folder = None
    """place of the rows: a folder or s3://BUCKET/PREFIX; default: a folder in `out`."""
    address: Address = None
    """address of a running Ray cluster; default: RAY_ADDRESS."""
    tracking_uri: Uri = None
    """MLflow server or store; default: MLFLOW_TRACKING_URI, else the one in `out`."""
    verbose: Flag = False
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


def page_file(page: str) -> Path:
    """Return the file that a page is written to. Raises InputError for a folder."""
    file = expand_path(page)
    if file.is_dir():
        raise InputError(
            f"--page {page}: expected an HTML file, got a folder; name a file in it, such as "
            f"{Path(page) / 'page.html'}"
        )
    return file


@dataclass(frozen=True)
class CompareCommand:
    """Compare two results of a study: which numbers moved beyond their intervals.

    Intervals of differences take the two as independent.

    Exit status: 0 compared, 2 one of the places holds no results.
    """

    first: Positional[str]
    """folder of results, such as results/fig8, or a run in MLflow, runs:/ID."""
    second: Positional[str]
    """folder or run that is compared with it."""
    page: str = ""
    """HTML file to write the comparison to; default: none."""
    out: str = "results"
    """folder of results whose MLflow store has the runs: the --out of run."""
    tracking_uri: Uri = None
    """MLflow server or store of the runs; default: MLFLOW_TRACKING_URI, else the one in `out`."""
    verbose: Flag = False
    """show full tracebacks."""

    interrupted = "nothing was written"

    def __call__(self) -> int:
        """Print the comparison, write its page, and return 0."""
        from advcore.pipelines.comparison.moves import compare
        from advcore.pipelines.comparison.reading import read_results
        from advcore.pipelines.comparison.text import describe, write_page

        page = page_file(self.page) if self.page else None
        results, studies = zip(
            *(
                read_results(place, self.tracking_uri, expand_path(self.out))
                for place in (self.first, self.second)
            ),
            strict=True,
        )
        comparison = compare((self.first, self.second), results, studies)
        print(describe(comparison), end="")
        if page is not None:
            write_page(comparison, page)
            print(f"page: {self.page}")
        return 0


@dataclass(frozen=True)
class WatchCommand:
    """Show how far a study is that runs: nodes, samples, time left, failures, claims so far.

    It only reads, so that it may begin and end at any time, also on another machine that sees the
    folder of results. A claim is shown once all rows that it needs are there.

    Exit status: 0 the study is complete, or runs and was looked at once; 1 it ended without all; 2
    there is none of that name.
    """

    name: Positional[str]
    """name of the study, that of its folder of results."""
    out: str = "results"
    """folder of results: the --out of run."""
    every: float = 2.0
    """seconds from one look to the next."""
    once: Flag = False
    """look once, and exit."""
    claims: Flag = True
    """evaluate claims, at most every 30 seconds and only after tables became complete."""
    page: str = ""
    """HTML file to write the same to, which a browser loads again by itself; default: none."""
    verbose: Flag = False
    """show full tracebacks."""

    interrupted = "the study goes on"

    def __call__(self) -> int:
        """Watch the study and return the exit status."""
        from advcore.pipelines.watching.watcher import watch

        page = page_file(self.page) if self.page else None
        out = expand_path(self.out).absolute()
        return watch(out, self.name, self.every, self.once, self.claims, page)


Command = (
    RunCommand
    | PlanCommand
    | ExportCommand
    | TrainCommand
    | SweepCommand
    | DemoCommand
    | UiCommand
    | ListCommand
    | DoctorCommand
    | CompareCommand
    | ArticleCommand
    | WatchCommand
)

COMMANDS: dict[str, type[Command]] = {
    "run": RunCommand,
    "plan": PlanCommand,
    "train": TrainCommand,
    "sweep": SweepCommand,
    "demo": DemoCommand,
    "ui": UiCommand,
    "list": ListCommand,
    "export": ExportCommand,
    "doctor": DoctorCommand,
    "compare": CompareCommand,
    "article": ArticleCommand,
    "watch": WatchCommand,
}

DESCRIPTION = """Measure how deep networks respond to adversarial perturbations: attacks,
margins and curvature, from a laptop to a GPU cluster.

Begin with `advcore demo`, see what a study can name (`advcore list`), write your own study,
and run it with `advcore run`. `advcore --version` prints the version.
"""


OLD_FLAGS = ("--no-verbose", "--no-dry-run")
"""Flags that say what holds without them; commands that have them still work."""


def parse(
    arguments: Sequence[str],
    default: RunCommand | PlanCommand | ExportCommand | TrainCommand | SweepCommand | None = None,
) -> Command:
    """Parse the command line; with `default`, flags that are not given take its values."""
    given = [argument for argument in arguments if argument not in OLD_FLAGS]
    config = (tyro.conf.PositionalMetavarFromFieldName,)
    name = given[0] if given else ""
    if default is not None:
        own, rest = type(default), given[1:]
        # a flag is given once more in `rest`, and tyro takes none whose default is True
        names = [field.name for field in fields(default)]
        off: dict[str, Any] = {name: False for name in names if getattr(default, name) is True}
        default = replace(default, **off)
        return tyro.cli(own, prog=f"advcore {name}", args=rest, default=default, config=config)
    if name in COMMANDS:  # alone, so that its messages point to its own help
        return tyro.cli(COMMANDS[name], prog=f"advcore {name}", args=given[1:], config=config)
    found = tyro.extras.subcommand_cli_from_dict(
        {**COMMANDS}, prog="advcore", description=DESCRIPTION, args=given, config=config
    )
    return cast(Command, found)
