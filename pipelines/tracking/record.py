"""The record of a study: what a run takes down, whoever keeps it; and the one who keeps nothing."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

Value = str | int | float | bool | None


NOTE = 6000
"""Characters of a run's description."""


class Run(Protocol):
    """One run: of a study, of a model x probe inside it, of a training."""

    @property
    def id(self) -> str:
        """By which its keeper names it."""

    @property
    def finished(self) -> bool:
        """Whether it had come to its end before it was opened."""

    def start(self) -> None:
        """It is running, from now on or again."""

    def params(self, values: Mapping[str, Value]) -> None:
        """What defines it. Raises InputError when a parameter was written before with another
        value."""

    def tags(self, values: Mapping[str, str]) -> None:
        """What may change from one attempt to the next."""

    def warnings(self, sentences: Mapping[str, str]) -> None:
        """The tags `advcore.warning.NAME`, in the place of those that an earlier attempt left."""

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Numbers at a step. NaN is kept; infinite ones are left out, and named in the tag
        `advcore.infinite`."""

    def curve(self, name: str, x: Sequence[float], y: Sequence[float]) -> None:
        """`y[i]` at step i of one metric; the `x[i]` stand in the tag `advcore.x.<name>`."""

    def artifact(self, path: Path, folder: str = "") -> None:
        """A file, into a folder of the run's artifacts."""

    def model(
        self, name: str, weights: Path, about: Path, shape: Sequence[int], classes: int
    ) -> None:
        """A network among the artifacts, and as the next version of the registered model `name`;
        once, however often it is told.

        `weights` is a checkpoint, `about` the JSON beside it; it takes images `(B, *shape)` to
        logits `(B, classes)`.
        """

    def text(self, text: str, file: str) -> None:
        """A text, as a file among the run's artifacts."""

    def data(
        self,
        name: str,
        digest: str,
        rows: int,
        shape: Sequence[int],
        source: str = "",
        context: str = "evaluation",
    ) -> None:
        """A data set it worked on: `rows` images of `shape`; `source` is a URL, a path or a name,
        `context` what it was for."""

    def child(self, key: str, name: str) -> "Run":
        """A run inside this one, found again by its key."""

    def end(self, status: str = "FINISHED") -> None:
        """It is over: FINISHED, FAILED or KILLED."""


def note(report: str) -> dict[str, str]:
    """Return the head of a report, whole sections of it, as the tag that MLflow shows as a run's
    description."""
    sections = report.split("\n## ")
    head = sections[0]
    for section in sections[1:]:
        if len(head) + len(section) > NOTE:
            break
        head += f"\n## {section}"
    return {"mlflow.note.content": head}


class Tracker(Protocol):
    """Where runs are kept."""

    def open(self, experiment: str, key: str, name: str) -> Run:
        """The run of this key, as it was left, or a new one."""


class NullRun:
    """A run of which nothing is kept."""

    id = ""
    finished = False

    def start(self) -> None:
        pass

    def params(self, values: Mapping[str, Value]) -> None:
        pass

    def tags(self, values: Mapping[str, str]) -> None:
        pass

    def warnings(self, sentences: Mapping[str, str]) -> None:
        pass

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        pass

    def curve(self, name: str, x: Sequence[float], y: Sequence[float]) -> None:
        pass

    def artifact(self, path: Path, folder: str = "") -> None:
        pass

    def model(
        self, name: str, weights: Path, about: Path, shape: Sequence[int], classes: int
    ) -> None:
        pass

    def text(self, text: str, file: str) -> None:
        pass

    def data(
        self,
        name: str,
        digest: str,
        rows: int,
        shape: Sequence[int],
        source: str = "",
        context: str = "evaluation",
    ) -> None:
        pass

    def child(self, key: str, name: str) -> "Run":
        return self

    def end(self, status: str = "FINISHED") -> None:
        pass


class NullTracker:
    """A tracker that keeps nothing and imports nothing."""

    def open(self, experiment: str, key: str, name: str) -> Run:
        return NullRun()
