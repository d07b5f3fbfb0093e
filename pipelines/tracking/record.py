"""The entries that a run logs, as values, and the protocols of runs and trackers."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

Value = str | int | float | bool | None

NOTE_CHARACTERS = 6000
"""The length of a run's description."""

_PICTURE = re.compile(r"^!\[.*\]\(.*\)\n*", re.MULTILINE)

_FILE_LINK = re.compile(r"\[([^]]*)\]\((?!#|https?:)[^)]*\)")


@dataclass(frozen=True)
class Params:
    """Settings that define a run; logging another value for one of them is an InputError."""

    values: Mapping[str, Value]


@dataclass(frozen=True)
class Tags:
    """Texts that may change from one attempt to the next."""

    values: Mapping[str, str]


@dataclass(frozen=True)
class Warnings:
    """Sentences by name, which replace those that an earlier attempt logged.

    They become tags `advcore.warning.NAME`.
    """

    values: Mapping[str, str]


@dataclass(frozen=True)
class Metrics:
    """Numbers at one step. NaN is kept; infinite ones are named in the tag `advcore.infinite`."""

    values: Mapping[str, float]
    step: int = 0


@dataclass(frozen=True)
class MetricCurve:
    """A metric with `y[i]` at step i; the `x[i]` are in the tag `advcore.x.NAME`.

    Raises ValueError for unequal lengths.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y):
            raise ValueError(
                f"expected as many x as y in curve {self.name!r}, got {len(self.x)} and "
                f"{len(self.y)}; give one x for each y"
            )


@dataclass(frozen=True)
class Artifact:
    """A file, copied into a folder of the run's artifacts."""

    path: Path
    folder: str = ""


@dataclass(frozen=True)
class Text:
    """A text, written to a file among the run's artifacts."""

    text: str
    file: str


@dataclass(frozen=True)
class Model:
    """A network among the artifacts, and the next version of the registered model `name`.

    `weights` is a checkpoint, `about` the JSON beside it; the network maps images `(B, *shape)` to
    logits `(B, classes)`. Logging it again adds no version.
    """

    name: str
    weights: Path
    about: Path
    shape: Sequence[int]
    classes: int


@dataclass(frozen=True)
class DatasetInput:
    """A data set of `rows` images of `shape`.

    `source` is a URL, a path or a name, `context` its use: evaluation, training, testing.
    """

    name: str
    digest: str
    rows: int
    shape: Sequence[int]
    source: str = ""
    context: str = "evaluation"


@dataclass(frozen=True)
class Together:
    """Entries that are written at once, in order: a call each takes a server many times as long."""

    entries: Sequence[Params | Tags | Metrics | MetricCurve]


Entry = (
    Params
    | Tags
    | Warnings
    | Metrics
    | MetricCurve
    | Artifact
    | Text
    | Model
    | DatasetInput
    | Together
)


class Run(Protocol):
    """One run: of a study, of a model x probe inside it, of a training, of a trial."""

    @property
    def id(self) -> str:
        """The run's id in the tracking backend."""

    @property
    def finished(self) -> bool:
        """True if the run was already finished when it was opened."""

    def start(self) -> None:
        """Set the status to running."""

    def log(self, entry: Entry) -> None:
        """Write one entry; an entry that is already there is not written twice."""

    def child(self, key: str, name: str) -> "Run":
        """Open a run inside this one: the one with this key, or a new one."""

    def other(self, run: str) -> "Run":
        """Open the run with this id; one that keeps nothing if there is none."""

    def end(self, status: str = "FINISHED") -> None:
        """Set the final status: FINISHED, FAILED or KILLED."""


class Tracker(Protocol):
    """A place where runs are kept."""

    def open(self, experiment: str, key: str, name: str) -> Run:
        """Open the run with this key as it was left, or a new one."""


class NullRun:
    """A run that keeps nothing."""

    id = ""
    finished = False

    def start(self) -> None:
        """Do nothing."""

    def log(self, entry: Entry) -> None:
        """Do nothing."""

    def child(self, key: str, name: str) -> "Run":
        """Return this run."""
        return self

    def other(self, run: str) -> "Run":
        """Return this run."""
        return self

    def end(self, status: str = "FINISHED") -> None:
        """Do nothing."""


class NullTracker:
    """A tracker that keeps nothing and imports nothing."""

    def open(self, experiment: str, key: str, name: str) -> Run:
        """Return a run that keeps nothing."""
        return NullRun()


def note(report: str) -> Tags:
    """Return a report's sections as the tag that MLflow shows as description.

    Sections that do not fit are left out; so are pictures and links to files beside the report,
    which lead nowhere in MLflow.
    """
    head, *sections = _FILE_LINK.sub(r"\1", _PICTURE.sub("", report)).split("\n## ")
    for section in sections:
        if len(head) + len(section) <= NOTE_CHARACTERS:
            head += f"\n## {section}"
    return Tags({"mlflow.note.content": head})
