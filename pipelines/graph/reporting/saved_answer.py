"""The saved report of a finished study, printed without importing torch, Ray or MLflow.

These take seconds to import, and a study that is finished needs none of them.

`finished.json` in the study's folder names all that the answer hangs on: the command, the code,
each file that the study came of (its own, recipes, checkpoints, data, a user's modules) by size,
times and inode, each file of rows and of results, and the run in MLflow. If anything is not as it
was then, the study is run as always, which finds out what is missing.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from advcore.pipelines.machine.package_files import package_fingerprint
from advcore.pipelines.settings.runs import RunSettings
from advcore.pipelines.settings.shipped import find
from advcore.pipelines.settings.small import read_study_document
from advcore.pipelines.tracking.addresses import store_uri
from advcore.pipelines.tracking.finished_run import finished_in_mlflow
from advcore.workers.paths import expand_path
from advcore.workers.redaction import without_secrets

FILE = "finished.json"
"""Name of the file, in the study's folder."""

Stats = dict[str, list[int]]
"""Facts of a file by its absolute path: size, time of the content, time of the entry, inode."""


@dataclass(frozen=True)
class Kept:
    """The inputs and outputs of a finished run, and its run's id in MLflow (empty: untracked)."""

    inputs: Stats
    outputs: Stats
    mlflow: str


def stats(paths: Iterable[Path]) -> Stats:
    """Return size, times and inode of files and folders, which change with their content.

    Raises OSError where one is missing.
    """
    found = {}
    for path in paths:
        own = path.stat()
        found[str(path)] = [own.st_size, own.st_mtime_ns, own.st_ctime_ns, own.st_ino]
    return found


@dataclass(frozen=True)
class Question:
    """A command that runs a study: its words, the study's file and folder, the place in MLflow."""

    words: tuple[str, ...]
    file: Path
    folder: Path
    tracking_uri: str

    @classmethod
    def read(
        cls,
        words: Sequence[str],
        study: str,
        settings: Sequence[str],
        run: RunSettings,
        small: bool = False,
    ) -> "Question":
        """Return the question of a command, as it was parsed.

        Raises InputError for a file that cannot be read.
        """
        name = read_study_document(study, settings, small).get("name")
        out = expand_path(run.out).absolute()
        file = find(study, "studies").absolute()
        folder = out / Path(str(name)).name
        return cls(tuple(words), file, folder, store_uri(run.tracking_uri, out))

    def fingerprint(self) -> dict[str, Any]:
        """Return what must be unchanged for a saved answer to hold; secrets masked.

        Raises OSError where the study's file is gone.
        """
        said = [without_secrets(word) for word in self.words]
        return {
            "command": [*said, os.getcwd(), without_secrets(self.tracking_uri)],
            "code": package_fingerprint(),
            "file": stats([self.file]),
        }


def save_answer(question: Question, before: Mapping[str, Any], kept: Kept, text: str) -> None:
    """Save the report of a finished run for the next call.

    `before` is the question's fingerprint from before the run; where it or an input has changed
    since, nothing is saved.
    """
    from advcore.workers.checkpoints import atomic_write  # it brings torch

    # a file is gone, the disk is full: nothing is remembered, and the next run takes longer
    with suppress(OSError):
        if question.fingerprint() == before and stats(map(Path, kept.inputs)) == kept.inputs:
            with atomic_write(question.folder / FILE) as unfinished:
                memo = {**before, **asdict(kept), "text": text}
                unfinished.write_text(json.dumps(memo), encoding="utf-8")


def find_answer(question: Question) -> str | None:
    """Return the saved report of a study that is finished and unchanged; else None."""
    try:
        memo = json.loads((question.folder / FILE).read_text(encoding="utf-8"))
        if any(memo[name] != value for name, value in question.fingerprint().items()):
            return None
        if any(stats(map(Path, memo[part])) != memo[part] for part in ("inputs", "outputs")):
            return None
        note = finished_in_mlflow(question.tracking_uri, memo["mlflow"])
        return None if note is None else f"{memo['text']}{note}"
    except (OSError, ValueError, KeyError, TypeError):
        return None  # nothing is remembered, or by another version; a file is gone
