"""The saved report of a finished study, printed without importing torch, Ray or MLflow.

These take seconds to import.

`finished.json` in the study's folder names all that the answer hangs on: the command, the code,
each file that the study came of (its own, recipes, checkpoints, data, a user's modules) by size,
times and inode, each file of rows and of results, and the run in MLflow. If anything is not as it
was then, the study is run as always, which finds out what is missing.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import advcore
from advcore import pipelines, workers
from advcore.pipelines.settings.documents import load_yaml, override
from advcore.pipelines.tracking.finished_run import finished_in_mlflow, sqlite_uri
from advcore.workers.errors import InputError
from advcore.workers.redaction import without_secrets

FILE = "finished.json"
"""In the study's folder."""

Stats = dict[str, list[int]]
"""By absolute path: size, time of the content, time of the entry, inode."""


@dataclass(frozen=True)
class Kept:
    """The inputs and outputs of a finished run, and its run's id in MLflow (empty: untracked)."""

    came_of: Stats
    left: Stats
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


def fingerprint(arguments: Sequence[str]) -> dict[str, Any] | None:
    """Return a command's fingerprint before it runs: arguments, study file, source code.

    None if the command runs no study.
    """
    try:
        about = _about(arguments)
        return None if about is None else {**about.named(), "file": stats([about.file])}
    except Exception:  # the command is wrong: to run it tells
        return None


def save_answer(
    before: dict[str, Any], arguments: Sequence[str], folder: Path, kept: Kept, text: str
) -> None:
    """Save the report of a finished run, unless its inputs changed since `before` was taken."""
    from advcore.workers.checkpoints import atomic_write  # it brings torch

    with suppress(
        OSError
        # a file is gone, the disk is full: then nothing is remembered, and the next run takes
        # longer
    ):
        if fingerprint(arguments) == before and stats(map(Path, kept.came_of)) == kept.came_of:
            with atomic_write(folder / FILE) as unfinished:
                memo = {
                    **before,
                    "came_of": kept.came_of,
                    "left": kept.left,
                    "mlflow": kept.mlflow,
                    "text": text,
                }
                unfinished.write_text(json.dumps(memo), encoding="utf-8")


def cached_answer(arguments: Sequence[str]) -> str | None:
    """Return the saved report of a study that is finished and unchanged; else None."""
    try:
        about = _about(arguments)
        if about is None:
            return None
        memo: dict[str, Any] = json.loads((about.folder / FILE).read_text(encoding="utf-8"))
        same = all(memo[name] == value for name, value in about.named().items())
        for part in ("file", "came_of", "left"):
            same = same and stats(map(Path, memo[part])) == memo[part]
        note = finished_in_mlflow(about.tracking_uri, memo["mlflow"]) if same else None
    except Exception:
        # nothing is remembered, or by another version; a file is gone; the command is wrong: to run
        # it tells
        return None
    return None if note is None else f"{memo['text']}{note}"


@dataclass(frozen=True)
class _About:
    """A command's arguments, study file, folder and tracking URI, read without running it."""

    arguments: tuple[str, ...]
    file: Path
    folder: Path
    tracking_uri: str

    def named(self) -> dict[str, Any]:
        """Return what must be unchanged for the saved answer to hold; secrets masked."""
        said = [without_secrets(word) for word in self.arguments]
        return {
            "command": [*said, os.getcwd(), without_secrets(self.tracking_uri)],
            "code": _code(),
        }


def _about(arguments: Sequence[str]) -> _About | None:
    """Read a command as far as needed; None if it runs no study or cannot be read."""
    if arguments[:1] == ["demo"]:
        name = "demo"
    elif arguments[:1] == ["run"] and len(arguments) > 1 and not arguments[1].startswith("-"):
        name = arguments[1]
    else:
        return None
    file = (
        Path(name)
        if os.path.isfile(name) and arguments[0] == "run"
        else Path(__file__).parents[1] / "studies" / f"{name}.yaml"
    )
    try:
        data = override(load_yaml(file), _given(arguments, "set"))
    except InputError:
        return None
    run, study = data.get("run"), data.get("name")
    if not isinstance(study, str) or not isinstance(run, Mapping | None) or "/" in study:
        return None
    out = (_given(arguments, "out") or [str((run or {}).get("out", "results"))])[-1]
    folder = Path(out).absolute()
    asked = (_given(arguments, "tracking-uri") or [str((run or {}).get("tracking_uri") or "")])[-1]
    uri = asked or os.environ.get("MLFLOW_TRACKING_URI") or sqlite_uri(folder / "mlflow.db")
    return _About(tuple(arguments), file.absolute(), folder / study, uri)


def _given(arguments: Sequence[str], flag: str) -> list[str]:
    """Return the values of a flag, in order."""
    values = []
    for word, after in zip(arguments, [*arguments[1:], ""], strict=True):
        if word == f"--{flag}":
            values.append(after)
        elif word.startswith(f"--{flag}="):
            values.append(word.partition("=")[2])
    return values


def _code() -> str:
    """Return a hash of all files of the package, by path, size and time."""
    digest = hashlib.sha256()
    for package in (advcore, workers, pipelines):
        for folder, names, files in os.walk(package.__path__[0]):
            names[:] = sorted(name for name in names if name != "__pycache__")
            for file in sorted(files):
                own = os.stat(os.path.join(folder, file))
                digest.update(f"{folder}/{file} {own.st_size} {own.st_mtime_ns}\n".encode())
    return digest.hexdigest()
