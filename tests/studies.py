"""Small studies to be run: made, interrupted, failing, and what they left."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from advcore.pipelines.claims import Measured, judge
from advcore.pipelines.graph.settings import Study
from advcore.pipelines.settings import schema
from advcore.probes import Curvature
from advcore.workers.inline import Inline


def study_of(mapping: dict[str, Any], **settings: Any) -> Study:
    study = schema.structure(Study, mapping)
    return replace(study, run=replace(study.run, **settings))


def stored(place: Path) -> dict[str, bytes]:
    """The rows of all finished shards, by key."""
    return {path.name: path.read_bytes() for path in (place / "out" / "store").rglob("*.parquet")}


def interrupt_after(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the inline runner stop as Ctrl-C stops it, once `count` shards are done."""
    whole = Inline.run

    def part(self: Inline, *arguments: Any) -> Iterator[Any]:
        for done, outcome in enumerate(whole(self, *arguments)):
            if done == count:
                raise KeyboardInterrupt
            yield outcome

    monkeypatch.setattr(Inline, "run", part)


@dataclass(frozen=True)
class Picky(Curvature):
    """Fails on the shard that holds a certain sample."""

    sample: int = 0

    def measure(self, classifier: Any, batch: Any, randomness: Any) -> Any:
        if self.sample in batch.indices:
            raise RuntimeError("no curvature today")
        return super().measure(classifier, batch, randomness)


@dataclass(frozen=True)
class Warned:
    """A claim of a user's own: a number and a warning."""

    says: str = "it is one"

    def measure(self, tables: Any) -> Measured:
        return Measured(
            1.0,
            0.5,
            2.0,
            judge(0.5, 2.0, 0.9),
            "1 coin",
            ("few_samples: one sample carries all of a mean",),
        )


def indices(study: Study) -> Any:
    from advcore.workers.datasets import load

    return load(study.data).indices
