"""Small sweeps to be run, and terms that misbehave in them; importable by name, as a trial's
process needs it.
"""

import json
import os
import signal
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from advcore.pipelines.settings import schema
from advcore.pipelines.sweep.settings import Sweep
from advcore.training import CrossEntropy

EPS = "recipe.objective.adversarial.attack.eps"
CLAIM = {
    "kind": "level",
    "says": "some are classified right",
    "of": {
        "probe": "robustness",
        "model": "eps=0.5",
        "column": "broken_at",
        "above": 0.0,
        "statistic": "mean",
    },
}
"""What a claim on a tiny sweep may say."""


def tiny_sweep(**changes: Any) -> dict[str, Any]:
    """The mapping of a sweep whose trials take a second: a perceptron on 8 x 8 digits."""
    return {
        "name": "tiny",
        "recipe": {
            "model": {"architecture": "perceptron"},
            "data": {"name": "digits", "split": "train", "samples": 200},
            "test": {"name": "digits", "split": "test", "samples": 50},
            "recipe": {
                "objective": {
                    "adversarial": {
                        "kind": "adversarial",
                        "attack": {"kind": "pgd", "norm": "l2", "eps": 1, "steps": 2},
                    }
                },
                "epochs": 3,
            },
        },
        "space": {EPS: {"grid": [0.1, 0.5]}},
        "data": {"name": "digits", "split": "test", "samples": 12},
        "probes": {
            "robustness": {
                "kind": "robustness",
                "eps": [0.2, 0.4],
                "attacks": [{"kind": "pgd", "norm": "l2", "steps": 2}],
            }
        },
        "metric": "robustness/robust_accuracy/worst/0.2",
        "run": {"runner": "inline", "out": "out", "track": False},
        **changes,
    }


def sweep_of(mapping: dict[str, Any], **settings: Any) -> Sweep:
    sweep = schema.structure(Sweep, mapping, "sweep")
    return replace(sweep, run=replace(sweep.run, **settings))


def with_term(mapping: dict[str, Any], **term: Any) -> dict[str, Any]:
    """The sweep whose objective has one more term."""
    recipe = mapping["recipe"]["recipe"]
    return {
        **mapping,
        "recipe": {
            **mapping["recipe"],
            "recipe": {**recipe, "objective": {**recipe["objective"], "extra": term}},
        },
    }


def results(folder: Path) -> list[tuple[Any, ...]]:
    """What the trials of a sweep came to, without seconds and places; the networks bit for bit."""
    found = []
    for path in sorted((folder / "trials").glob("*.json")):
        trial = json.loads(path.read_text())
        network = (folder / "models" / f"{path.stem}.safetensors").read_bytes()
        told = [trial[name] for name in ("key", "number", "status", "epoch", "rows")]
        found.append((*told, repr(trial["metrics"]), network))
    return found


@dataclass(frozen=True)
class Deadly(CrossEntropy):
    """Kills its process at its `step`-th step, once; notes every step in `folder`."""

    weight: float = 1.0
    folder: str = ""
    step: int = 4

    def __call__(self, *arguments: Any) -> Any:
        notes = Path(self.folder) / "steps"
        with notes.open("a") as file:
            file.write(".")
        if len(notes.read_text()) == self.step:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(*arguments)


@dataclass(frozen=True)
class Failing(CrossEntropy):
    """Raises where its `weight` is 2."""

    weight: float = 1.0

    def __call__(self, *arguments: Any) -> Any:
        if self.weight == 2:
            raise ArithmeticError("two is too much")
        return super().__call__(*arguments)
