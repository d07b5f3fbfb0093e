"""The progress of a study while it runs, as a small file in the study's folder."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cattrs
import yaml

from advcore.workers.files import atomic_write

FILE = "progress.json"
"""Name of the file in the study's folder."""

RUNNING = ("preparing", "measuring", "reporting")
"""Phases of a study that runs: networks, data sets and fits are made, and what is there already is
measured beside it; then the rest is measured; then the report is written."""

REPORTED = ("complete", "incomplete")
"""Phases of a study that ended with a report: of all that it names, or without what failed."""

LATEST_SECONDS = 1e11
"""A time beyond which is no year that a calendar knows."""


@dataclass(frozen=True)
class Nodes:
    """The nodes of one kind.

    Attributes:
        done: number of those that are there.
        in_work: number of those of which a part is there.
        failed: number of those that failed, or of which a part did.
        total: number of all.
        names: names of the first in work, each with how far it is.
    """

    done: int = 0
    in_work: int = 0
    failed: int = 0
    total: int = 0
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class StudyProgress:
    """A study's nodes, shards and failures at a moment, and the time left.

    Attributes:
        study: its name.
        host: machine of the process that runs it.
        pid: number of that process.
        begun: time when the process began with it, in seconds since 1970.
        written: time when this was written, in seconds since 1970.
        phase: one of `RUNNING`; or how it ended: complete, incomplete, interrupted, failed.
        share: share of its nodes that is there, each counted alike, in [0, 1].
        nodes: nodes by kind: trainings, data sets, fits, tables.
        shards: number of shards measured, and of all.
        samples: number of samples measured, by all probes on all networks, and of all.
        workers: number and place of what measures, in words.
        failures: the first failures, one line each.
        failed: number of all failures.
        left_seconds: seconds that the work left would take at the pace of this run; None where
            nothing like it was seen in this run.
        unseen: families of work left of which nothing was seen in this run, and which the time
            leaves out.
        settings: the study as it is run, without secrets, as YAML: JSON makes words of the numbers
            that are keys.
    """

    study: str
    host: str
    pid: int
    begun: float
    written: float
    phase: str
    share: float
    nodes: dict[str, Nodes]
    shards: tuple[int, int]
    samples: tuple[int, int]
    workers: str
    failures: tuple[str, ...] = ()
    failed: int = 0
    left_seconds: float | None = None
    unseen: tuple[str, ...] = ()
    settings: str = ""

    @property
    def is_running(self) -> bool:
        """True unless it says how the study ended."""
        return self.phase in RUNNING

    @classmethod
    def read(cls, folder: Path) -> "StudyProgress | None":
        """Return what a study's folder holds; None where there is none that can be read."""
        try:
            if not (folder / FILE).is_file():
                return None
            document = json.loads((folder / FILE).read_text(encoding="utf-8"))
            found = _CONVERTER.structure(document, cls)
        except (OSError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError):
            return None  # none yet, or by somebody else
        except RecursionError:
            return None  # none yet, or by somebody else
        times = (found.begun, found.written, found.left_seconds or 0.0)
        sound = 0 <= found.share <= 1 and all(0 <= own < LATEST_SECONDS for own in times)
        return found if sound else None

    def write(self, folder: Path) -> None:
        """Write it into a study's folder, whole or not at all. Raises OSError."""
        with atomic_write(folder / FILE) as unfinished:
            unfinished.write_text(json.dumps(asdict(self)), encoding="utf-8")


def as_text(settings: Mapping[str, Any]) -> str:
    """Return settings as YAML, which `from_text` reads back as they are."""
    return yaml.dump(settings, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True)


def from_text(settings: str) -> Any:
    """Return the settings in a text of `as_text`. Raises ValueError for what is no YAML."""
    try:
        return yaml.safe_load(settings)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


_CONVERTER = cattrs.Converter(detailed_validation=False)
