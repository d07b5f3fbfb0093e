"""The tracker that keeps nothing."""

from pathlib import Path

from advcore.pipelines.tracking.record import (
    Artifact,
    DatasetInput,
    MetricCurve,
    Metrics,
    NullRun,
    Params,
    Tags,
    Text,
    Warnings,
)
from advcore.pipelines.tracking.tracker import NullTracker, make_tracker


def test_the_null_tracker_keeps_nothing(tmp_path: Path) -> None:
    tracker = make_tracker(False, None, tmp_path)
    assert isinstance(tracker, NullTracker)
    run = tracker.open("experiment", "k", "study")
    run.start()
    run.log(Params({"a": 1}))
    run.log(Tags({"a": "b"}))
    run.log(Warnings({"a": "b"}))
    run.log(Metrics({"a": 1.0}))
    run.log(MetricCurve("c", [0], [1]))
    run.log(Artifact(tmp_path / "none.png"))
    run.log(Text("a", "b.txt"))
    run.log(DatasetInput("a", "b", 1, (1, 2, 2)))
    assert isinstance(run.child("k", "n"), NullRun)
    run.end()
    assert not run.finished
    assert list(tmp_path.iterdir()) == []
