"""The commands that compute: dataclasses whose fields are flags and whose docstrings are help.

What takes seconds to import (torch, Ray, MLflow, matplotlib) is imported where a command needs it:
a command line is parsed, explained, and answered from a finished study without.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from tyro.conf import FlagCreatePairsOff, OmitArgPrefixes, Positional, UseAppendAction

from advcore.pipelines.graph.reporting.saved_answer import Question
from advcore.pipelines.settings.runs import RunSettings, TrainSettings, read_run, read_study_run
from advcore.pipelines.settings.sweep_runs import SweepSettings

if TYPE_CHECKING:
    from advcore.pipelines.graph.reporting.report import Report

Flag = FlagCreatePairsOff[bool]
Settings = UseAppendAction[tuple[str, ...]]


@dataclass(frozen=True)
class RunCommand:
    """Measure every model of a study with every probe.

    A study is a YAML file: models, data, probes, run (`advcore list` shows what it can name). Only
    what the store lacks is measured: a second run computes nothing, and a run after an interruption
    continues. The run options override the study file's section `run`.

    Exit status: 0 done, 1 incomplete, 2 refused before any work, 130 interrupted.
    """

    study: Positional[str]
    """study file (YAML), or the name of one that comes with advcore."""
    set: Settings = ()
    """override of a value in the study file: --set probes.margins.family.size=4."""
    small: Flag = False
    """take the study's small version, of fewer seeds and samples; its results are in NAME-small."""
    dry_run: Flag = False
    """check everything, print what would be done and how long it would take, and exit."""
    verbose: Flag = False
    """show the libraries' messages and full tracebacks."""
    run: OmitArgPrefixes[RunSettings] = field(default_factory=RunSettings)

    def with_file(self) -> "RunCommand":
        """Return the same command with the study file's settings as defaults."""
        return replace(self, run=read_study_run(self.study, self.set, self.small))

    interrupted = "finished shards are in the store, and the same command goes on from there"

    def question(self, arguments: Sequence[str]) -> Question:
        """Return all of the command that its saved answer depends on."""
        return Question.read(arguments, self.study, self.set, self.run, self.small)

    def __call__(self) -> "Report | int":
        """Run the study, or print the dry run and return 0."""
        from advcore.pipelines.graph.running.driver import run_study
        from advcore.pipelines.graph.running.dry_run import describe_dry_run
        from advcore.pipelines.graph.settings import read_study

        study = replace(read_study(self.study, self.set, self.small), run=self.run)
        if not self.dry_run:
            return run_study(study, self.verbose)
        print(describe_dry_run(study), end="")
        return 0


@dataclass(frozen=True)
class PlanCommand:
    """Show a study as a tree, what of it is there, and how long the rest would take.

    Everything is checked as by `advcore run`; nothing is trained, measured or written.

    Exit status: 0 it can run, 2 it would be refused.
    """

    study: Positional[str]
    """study file (YAML), or the name of one that comes with advcore."""
    set: Settings = ()
    """override of a value in the study file: --set axes.seed=1."""
    small: Flag = False
    """take the study's small version, of fewer seeds and samples; its results are in NAME-small."""
    verbose: Flag = False
    """show the libraries' messages and full tracebacks."""
    run: OmitArgPrefixes[RunSettings] = field(default_factory=RunSettings)

    def with_file(self) -> "PlanCommand":
        """Return the same command with the study file's settings as defaults."""
        return replace(self, run=read_study_run(self.study, self.set, self.small))

    interrupted = "nothing was written"

    def __call__(self) -> int:
        """Print the plan and return 0."""
        from advcore.pipelines.graph.running.dry_run import describe_dry_run
        from advcore.pipelines.graph.settings import read_study

        study = replace(read_study(self.study, self.set, self.small), run=self.run)
        print(describe_dry_run(study), end="")
        return 0


@dataclass(frozen=True)
class ExportCommand:
    """Write a data set of a study, made by it or named in it, to files of its own.

    What is made with a network must be there: run the study first. Nothing that is there is
    overwritten.

    Exit status: 0 done, 2 refused before any work.
    """

    study: Positional[str]
    """study file (YAML), or the name of one that comes with advcore."""
    name: Positional[str]
    """name of the data set in the study, of a family with its coordinates: "D_rand seed=0"."""
    to: str
    """place to write to: npz:PATH, as the numbers are, or imagefolder:PATH, PNG files of 8 bits."""
    set: Settings = ()
    """override of a value in the study file, as in the run that made it: --set axes.seed=1."""
    small: Flag = False
    """take the study's small version, of fewer seeds and samples; its results are in NAME-small."""
    verbose: Flag = False
    """show the libraries' messages and full tracebacks."""
    run: OmitArgPrefixes[RunSettings] = field(default_factory=RunSettings)

    def with_file(self) -> "ExportCommand":
        """Return the same command with the study file's settings as defaults."""
        return replace(self, run=read_study_run(self.study, self.set, self.small))

    interrupted = "nothing was written"

    def __call__(self) -> int:
        """Write the data set, say where it is, and return 0."""
        from advcore.pipelines.graph.running.exports import describe_export, find_data
        from advcore.pipelines.graph.settings import read_study
        from advcore.workers.datasets.export import export_dataset

        study = replace(read_study(self.study, self.set, self.small), run=self.run)
        print(describe_export(self.name, export_dataset(find_data(study, self.name), self.to)))
        return 0


@dataclass(frozen=True)
class TrainCommand:
    """Train a network by a recipe.

    A training that is already done is not repeated; an interrupted one continues from its last
    epoch.
    """

    recipe: Positional[str]
    """recipe file (YAML), or the name of one that comes with advcore."""
    set: Settings = ()
    """override of a value in the recipe file: --set recipe.epochs=3."""
    verbose: Flag = False
    """show the libraries' messages and full tracebacks."""
    run: OmitArgPrefixes[TrainSettings] = field(default_factory=TrainSettings)

    def with_file(self) -> "TrainCommand":
        """Return the same command with the recipe file's settings as defaults."""
        return replace(self, run=read_run(TrainSettings, self.recipe, "recipes", self.set))

    interrupted = "finished epochs are kept, and the same command goes on from there"

    def __call__(self) -> int:
        """Train, print the result, and return the exit status."""
        from advcore.pipelines.graph.running.training_alone import train
        from advcore.pipelines.printing import show_trained
        from advcore.pipelines.settings.schema import read
        from advcore.pipelines.training.settings import Training

        result = train(replace(read(Training, self.recipe, "recipes", self.set), run=self.run))
        show_trained(result)
        return 1 if result.unlogged else 0


@dataclass(frozen=True)
class SweepCommand:
    """Train a recipe at each point of a space of settings, and measure every trained model.

    A sweep is a YAML file: recipe, space, probes, metric, run (`advcore list` shows those that come
    with advcore). Finished trials are not repeated, unfinished ones continue from their last epoch.
    The run options override the file's section `run`.

    Exit status: 0 done, 1 some trials failed or are unfinished, 2 refused before any work, 130
    interrupted.
    """

    sweep: Positional[str]
    """sweep file (YAML), or the name of one that comes with advcore."""
    set: Settings = ()
    """override of a value in the sweep file: --set trials=20."""
    verbose: Flag = False
    """show the libraries' messages and full tracebacks."""
    run: OmitArgPrefixes[SweepSettings] = field(default_factory=SweepSettings)

    def with_file(self) -> "SweepCommand":
        """Return the same command with the sweep file's settings as defaults."""
        return replace(self, run=read_run(SweepSettings, self.sweep, "sweeps", self.set))

    interrupted = "finished epochs and trials are kept, and the same command goes on from there"

    def __call__(self) -> int:
        """Run the sweep, print the report, and return the exit status."""
        from advcore.pipelines.printing import show_sweep
        from advcore.pipelines.settings.schema import read
        from advcore.pipelines.sweep.driver import sweep
        from advcore.pipelines.sweep.settings import Sweep

        report = sweep(
            replace(read(Sweep, self.sweep, "sweeps", self.set), run=self.run), self.verbose
        )
        show_sweep(report)
        return 0 if report.complete else 1


@dataclass(frozen=True)
class DemoCommand:
    """Train two LeNets on real digits, one plainly and one adversarially, and measure both.

    It takes about two minutes on two cores.
    """

    out: str = "results"
    """folder of everything that is written."""
    runner: Literal["inline", "ray"] = "ray"
    """place of the measuring: inline in this process, or ray on two actors."""
    verbose: Flag = False
    """show the libraries' messages and full tracebacks."""

    interrupted = "what is finished stays, and the same command goes on from there"

    @property
    def run(self) -> RunSettings:
        """The settings of the demo's file, with this command's options over them."""
        own = read_study_run("demo")
        return replace(own, runner=self.runner, out=self.out)

    def question(self, arguments: Sequence[str]) -> Question:
        """Return all of the command that its saved answer depends on."""
        return Question.read(arguments, "demo", (), self.run)

    def __call__(self) -> "Report":
        """Run the demo's study."""
        from advcore.pipelines.graph.running.driver import run_study
        from advcore.pipelines.graph.settings import Study
        from advcore.pipelines.settings.schema import read

        return run_study(replace(read(Study, "demo", "studies"), run=self.run), self.verbose)
