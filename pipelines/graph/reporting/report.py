"""The results of a run of a study: numbers of shards, summaries, claims, problems, files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from advcore.pipelines.claims import Claim, Measured
from advcore.pipelines.claims.results import claim_warnings
from advcore.pipelines.graph.reporting.facts import UNSEEN, Words
from advcore.pipelines.graph.reporting.fit_report import ReportedFit
from advcore.pipelines.graph.reporting.saved_answer import Kept
from advcore.pipelines.graph.settings import AnyStudy
from advcore.probes import Summary
from advcore.workers.tasks import TaskResult

RESULTS = "results.json"
"""The file of a study's folder that holds its numbers for other programs."""

PAGE = "report.html"
"""The file of a study's folder that shows it all in a browser."""


@dataclass(frozen=True)
class Report:
    """The results of a run.

    Numbers of shards: `measured` now, `repeated` of them after a failure, `found` finished, of
    `shards` in all. `failures` are the results of shards and other tasks that failed, `failed`
    their number in words, `left_out` what is missing because of them. `problems` are probes that
    could not be summarised (one line, then the traceback); `claims` hold a result each, or why
    there is none; `words` is the metadata of finished shards, `unlogged` what MLflow lacks, `kept`
    what a later call compares, `unseen` the user's modules with imports that no cache key covers,
    `stated` the claims as they were made; `fits` by label, and the numbers of the data sets that
    were made, `data`, by label and name.
    """

    study: AnyStudy
    measured: int
    repeated: int
    found: int
    failures: list[TaskResult]
    problems: list[str]
    summaries: Mapping[str, Mapping[str, Summary]]
    claims: Mapping[str, Measured | str]
    folder: Path
    figures: list[Path]
    words: Words = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    unlogged: str = ""
    kept: Kept | None = None
    unseen: Mapping[str, str] = field(default_factory=dict)
    stated: Mapping[str, Claim] = field(default_factory=dict)
    fits: Mapping[str, ReportedFit] = field(default_factory=dict)
    data: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    shards: int = 0
    failed: str = ""
    left_out: Sequence[str] = ()

    @property
    def complete(self) -> bool:
        """True if everything was measured, summarised and logged."""
        return not self.failures and not self.problems and not self.unlogged

    @property
    def warnings(self) -> dict[str, dict[str, str]]:
        """The warnings by name, then by `model/probe`, `claim NAME`, `fit NAME`, or module."""
        told = claim_warnings(self.claims)
        for label, fit in self.fits.items():
            for name, sentence in fit.warnings.items():
                told.setdefault(name, {})[f"fit {label}"] = sentence
        if self.unseen:
            told[UNSEEN] = dict(self.unseen)
        for probe, by_model in self.summaries.items():
            for model, summary in by_model.items():
                for name, sentence in summary.warnings.items():
                    told.setdefault(name, {})[f"{model}/{probe}"] = sentence
        return told


def table_file(probe: str, model: str) -> str:
    """Return the name of a table in the study's folder."""
    return f"tables/{probe}/{model}.parquet"
