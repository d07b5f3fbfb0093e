"""The outcome of a training: its network, and what its epochs revealed on the way."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Trained:
    """A checkpoint, and whether it was there already.

    The number of its epoch and its numbers, where it was not; and what MLflow lacks of it.
    """

    checkpoint: Path
    already: bool
    metrics: dict[str, float] = field(default_factory=dict)
    epoch: int = 0
    unlogged: str = ""


def read_trained(checkpoint: Path, unlogged: str) -> Trained:
    """Return what lies beside a network that was just trained."""
    about = json.loads(checkpoint.with_suffix(".json").read_text(encoding="utf-8"))
    epoch = about["epoch"]
    return Trained(checkpoint, False, about["metrics"][epoch - 1], epoch, unlogged)


def revealed(history: Sequence[Mapping[str, float]], known: int) -> list[tuple[str, int, int]]:
    """Return the kinds of overfitting that epochs after the first `known` revealed.

    Each with the epoch at which it began, and the one that shows it.
    """
    found = []
    for seen, metrics in enumerate(history[known:], known + 1):
        before = history[seen - 2] if seen > 1 else {}
        for name, number in metrics.items():
            if name.startswith("overfitting/") and name not in before:
                found.append((name.removeprefix("overfitting/"), int(number), seen))
    return found
