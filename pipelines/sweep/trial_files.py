"""The state of a trial, and the JSON file that holds it."""

import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from advcore.pipelines.sweep.lineage import Lineage
from advcore.pipelines.sweep.space import Point

Status = Literal["waiting", "running", "finished", "stopped", "failed", "interrupted"]
"""Stopped is by the scheduler; interrupted by a budget, by Ctrl-C or a death, to be gone on
with."""

ENDED = ("finished", "stopped")
"""States that a second run leaves alone."""

SUFFIXES = (".safetensors", ".json")
"""Suffixes of the files that a trained network is: its weights, and the inputs of its training."""


@dataclass
class Trial:
    """The state of a trial, as the driver knows it.

    Attributes:
        key: its id, see `Plan.key`; number: its place in the table.
        sweep, measured: the ids of the sweep and of the probes that it was of.
        epoch, metrics: of its last report; at the end with the probes' numbers.
        rows: the keys of its rows by probe; warnings: of the probes.
        lineage: in a population, how its settings changed, see `Lineage`.
        seconds: that it ran, over all attempts.
        state: where the checkpoint of its last epoch lies in the storage.
    """

    key: str
    number: int
    point: Point
    sweep: str
    measured: str = ""
    status: Status = "waiting"
    epoch: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    rows: dict[str, list[str]] = field(default_factory=dict)
    warnings: dict[str, str] = field(default_factory=dict)
    lineage: Lineage = field(default_factory=list)
    seconds: float = 0.0
    state: str = ""
    error: str = ""

    @property
    def settings(self) -> Point:
        """The trial's point, or in a population its current settings."""
        return self.lineage[-1]["settings"] if self.lineage else self.point


def read_trial(path: Path) -> Trial | None:
    """Read a trial's file; None if it is missing or of another version, so that it runs anew.

    Its key is the file's name, and the keys of its rows are hashes, so that no path leads out of
    its folder.
    """
    try:
        data: Any = json.loads(path.read_text())
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    shape = asdict(Trial("", 0, {}, ""))
    if not isinstance(data, dict) or data.keys() != shape.keys() or data["key"] != path.stem:
        return None
    alike = all(isinstance(data[name], type(value)) for name, value in shape.items())
    keys = [key for own in data["rows"].values() for key in own] if alike else []
    return (
        Trial(**data)
        if alike and all(re.fullmatch("[0-9a-f]+", str(key)) for key in keys)
        else None
    )
