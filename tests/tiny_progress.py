"""How far a study is that was never run."""

from dataclasses import replace
from typing import Any

from advcore.pipelines.graph.running.progress import Nodes, StudyProgress


def progress(**changes: Any) -> StudyProgress:
    """One table of three is there; `changes` are other fields."""
    return replace(
        StudyProgress(
            study="tiny",
            host="here",
            pid=1,
            begun=10.0,
            written=20.0,
            phase="measuring",
            share=0.64,
            nodes={"tables": Nodes(1, 1, 0, 3, ("plain/margins, sample 4 of 8",))},
            shards=(1, 3),
            samples=(8, 24),
            workers="1 in the process itself",
        ),
        **changes,
    )
