"""The tracker that keeps nothing."""

from pathlib import Path

from advcore.pipelines.tracking.record import NullRun
from advcore.pipelines.tracking.tracker import NullTracker, make_tracker


def test_the_null_tracker_keeps_nothing(tmp_path: Path) -> None:
    tracker = make_tracker(False, None, tmp_path)
    assert isinstance(tracker, NullTracker)
    run = tracker.open("experiment", "k", "study")
    run.start()
    run.params({"a": 1})
    run.tags({"a": "b"})
    run.warnings({"a": "b"})
    run.metrics({"a": 1.0})
    run.curve("c", [0], [1])
    run.artifact(tmp_path / "none.png")
    run.text("a", "b.txt")
    run.data("a", "b", 1, (1, 2, 2))
    assert isinstance(run.child("k", "n"), NullRun)
    run.end()
    assert not run.finished
    assert list(tmp_path.iterdir()) == []
