"""A finished study run again: its answer from what the last run left, without torch, Ray or MLflow,
which take seconds to import.

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
    """What a finished run hangs on: the files that it came of, the files that it left, its run in
    MLflow (none: untracked)."""

    came_of: Stats
    left: Stats
    mlflow: str


def stats(paths: Iterable[Path]) -> Stats:
    """What tells whether files, or the entries of folders, have changed. Raises OSError where one
    is not there."""
    found = {}
    for path in paths:
        own = path.stat()
        found[str(path)] = [own.st_size, own.st_mtime_ns, own.st_ctime_ns, own.st_ino]
    return found


def fingerprint(arguments: Sequence[str]) -> dict[str, Any] | None:
    """What a command is before it is run: its words, its study's file, the code; None where it runs
    no study."""
    try:
        about = _about(arguments)
        return None if about is None else {**about.named(), "file": stats([about.file])}
    except Exception:  # the command is wrong: to run it tells
        return None


def save_answer(
    before: dict[str, Any], arguments: Sequence[str], folder: Path, kept: Kept, text: str
) -> None:
    """Write down what a finished run came to, unless what it came of has changed since it was
    `noted` before."""
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
    """What the command says if it is one that runs a study, and that is finished; None where it has
    to be run to know."""
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
    """What can be said of a command without running it."""

    arguments: tuple[str, ...]
    file: Path
    folder: Path
    tracking_uri: str

    def named(self) -> dict[str, Any]:
        """What must be the same again; no secret in it."""
        said = [without_secrets(word) for word in self.arguments]
        return {
            "command": [*said, os.getcwd(), without_secrets(self.tracking_uri)],
            "code": _code(),
        }


def _about(arguments: Sequence[str]) -> _About | None:
    """None where it is no command that runs a study, or one that cannot be read without being
    run."""
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
    """The values of a flag, in order."""
    values = []
    for word, after in zip(arguments, [*arguments[1:], ""], strict=True):
        if word == f"--{flag}":
            values.append(after)
        elif word.startswith(f"--{flag}="):
            values.append(word.partition("=")[2])
    return values


def _code() -> str:
    """All files of the package, by path, size and time."""
    digest = hashlib.sha256()
    for package in (advcore, workers, pipelines):
        for folder, names, files in os.walk(package.__path__[0]):
            names[:] = sorted(name for name in names if name != "__pycache__")
            for file in sorted(files):
                own = os.stat(os.path.join(folder, file))
                digest.update(f"{folder}/{file} {own.st_size} {own.st_mtime_ns}\n".encode())
    return digest.hexdigest()
