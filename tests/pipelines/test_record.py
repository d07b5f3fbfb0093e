"""The tracker that keeps nothing."""

from pathlib import Path

from advcore.pipelines.tracking.record import (
    NOTE_CHARACTERS,
    Artifact,
    DatasetInput,
    MetricCurve,
    Metrics,
    NullRun,
    Params,
    Tags,
    Text,
    Warnings,
    note,
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
    assert isinstance(run.other("id"), NullRun)
    run.end()
    assert not run.finished
    assert list(tmp_path.iterdir()) == []


def test_a_description_has_the_sections_that_fit_and_no_files() -> None:
    long = "x" * NOTE_CHARACTERS
    report = (
        f"# study\n\n## How\n\n{long}\n\n## Claims\n\n![a, b](figures/a.png)\n\n"
        "[study.yaml](study.yaml), [run](#/runs/1), [page](https://example.org)\n\n## Last\n\n1\n"
    )
    (told,) = note(report).values.values()
    assert told == (
        "# study\n\n## Claims\n\nstudy.yaml, [run](#/runs/1), [page](https://example.org)\n\n"
        "## Last\n\n1\n"
    )
