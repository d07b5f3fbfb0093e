"""The progress of a study: pieces of work and their time, events, the file."""

import json
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import small_graph
from tiny_progress import progress

from advcore.pipelines.graph.expanded_layout import graph_layout
from advcore.pipelines.graph.loader import Loader
from advcore.pipelines.graph.plan import Prepared, prepare_layout
from advcore.pipelines.graph.running import progress_log
from advcore.pipelines.graph.running.progress import FILE, Nodes, StudyProgress, as_text, from_text
from advcore.pipelines.graph.running.progress_log import ProgressLog
from advcore.pipelines.graph.running.work_seen import Piece, seconds_left
from advcore.pipelines.graph.settings import GraphStudy, read_study, structure_study
from advcore.pipelines.settings import schema
from advcore.workers.tasks import TaskResult


def result(key: str, name: str, **changes: Any) -> TaskResult:
    return replace(TaskResult(key, name, True, 0, 2.0, "", "w"), **changes)


def test_the_time_left_is_that_of_the_same_families_at_the_pace_of_this_run() -> None:
    pieces = [
        Piece("training plain", size=10, made=10, seen=5, seconds=50, results=5),
        Piece("training plain", size=10),
        Piece("plain/margins", size=100, made=20, seen=20, seconds=50, results=1),
    ]
    # two workers: 100 seconds of work in 50 of the clock
    left, unseen = seconds_left(pieces, elapsed=50)
    assert left == pytest.approx((10 * 10 + 80 * 2.5) / 2)
    assert unseen == ()


def test_what_was_not_seen_is_named_and_not_guessed() -> None:
    seen = Piece("a", size=2, made=1, seen=1, seconds=1, results=1)
    assert seconds_left([seen, Piece("b"), Piece("b")], 1) == (1.0, ("b",))
    assert seconds_left([Piece("b")], 1) == (None, ("b",))
    assert seconds_left([replace(seen, made=2), Piece("b", failed=True)], 1) == (0.0, ())


def test_what_an_earlier_run_made_is_no_part_of_the_pace() -> None:
    before = Piece("a", size=4, made=4)
    assert seconds_left([before, Piece("a", size=4)], 9) == (None, ("a",))


def test_a_fit_in_work_has_the_less_left_the_longer_it_takes() -> None:
    done = Piece("fit", seconds=10, results=3)
    done.finish()
    rest = [seconds_left([done, Piece("fit", seconds=own)], 1.0) for own in (4.0, 20.0)]
    assert rest == [(pytest.approx(6 / 14), ()), (0.0, ())]


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    told = progress(failures=("a: no",), failed=1, unseen=("b",), settings="name: tiny")
    told.write(tmp_path)
    assert StudyProgress.read(tmp_path) == told
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"study": "tiny"}',
        '{"nodes": 3}',
        "null",
        pytest.param("[" * 200_000, id="deep"),
    ],
)
def test_a_file_of_somebody_else_is_none(text: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(text)
    assert StudyProgress.read(tmp_path) is None
    assert StudyProgress.read(tmp_path / "nowhere") is None


@pytest.mark.parametrize(
    "changes",
    [{"share": float("nan")}, {"share": 2.0}, {"begun": 1e300}, {"left_seconds": float("inf")}],
)
def test_numbers_that_none_writes_are_none(changes: dict[str, float], tmp_path: Path) -> None:
    progress(**changes).write(tmp_path)
    assert StudyProgress.read(tmp_path) is None


def test_results_and_store_are_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    study = small_graph.study(Path("out"))
    with ProgressLog(replace(study, run=replace(study.run, store="rows")), tmp_path) as log:
        log.phase("measuring")
    now = StudyProgress.read(tmp_path)
    assert now is not None
    run = from_text(now.settings)["run"]
    assert (run["out"], run["store"]) == (str(tmp_path / "out"), str(tmp_path / "rows"))


@pytest.mark.parametrize("name", ["beyond_accuracy", "demo", "tradeoff", "text", "small_eps"])
def test_settings_are_read_as_they_are_with_axes_of_numbers(name: str) -> None:
    study = read_study(name)
    assert structure_study(from_text(as_text(schema.unstructure(study)))) == study


def test_a_file_that_cannot_be_made_ends_no_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ProgressLog, "_now", lambda self: 1 / 0)
    with ProgressLog(small_graph.study(tmp_path), tmp_path) as log:
        log.phase("measuring")
    assert StudyProgress.read(tmp_path) is None


def test_a_piece_without_parts_is_there() -> None:
    assert [Piece("a", size, made).share for size, made in ((0, 0), (4, 1), (4, 4))] == [1, 0.25, 1]


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> tuple[GraphStudy, Prepared]:
    """The small study with untrained networks, and a fit."""
    fit = {"kind": "normals", "model": "plain", "data": "few", "directions": 3}
    study = small_graph.study(tmp_path_factory.mktemp("out"), fits={"normals": fit})
    load = Loader()
    return study, prepare_layout(study, graph_layout(study, load), load)


def there(networks: set[str], fits: dict[str, str]) -> Any:
    return SimpleNamespace(networks=networks, data=set(), fits=fits)


def test_events_become_counts(planned: tuple[GraphStudy, Prepared], tmp_path: Path) -> None:
    study, prepared = planned
    # untrained networks of two seeds are one, and so are their keys
    tasks = [replace(task, key=str(i)) for i, task in enumerate(prepared.all_tasks())]
    with ProgressLog(study, tmp_path) as log:
        log.planned(prepared)
        log.phase("preparing")
        log.there(there(set(), {}), [])
        epoch = result("t", "plain seed=0", done=False, epoch=1, metrics=({"loss": 1.0},))
        log.took(epoch)
        log.took(result("s", "fit normals seed=0"))
        log.write()
        now = StudyProgress.read(tmp_path)
        assert now is not None
        assert now.nodes["trainings"] == Nodes(0, 1, 0, 4, ("plain seed=0, epoch 1 of 2",))
        assert now.nodes["fits"] == Nodes(0, 1, 0, 2, ("normals seed=0, shares computed: 1",))
        assert now.nodes["tables"] == Nodes(total=8)
        assert (now.shards, now.samples) == ((0, 8), (0, 4 * 50 + 4 * 40))
        assert now.unseen[0] == "training tuned"

        log.there(there({"plain seed=0", "plain seed=1"}, {"normals seed=0": "k"}), [])
        log.found(tasks, {task.key for task in tasks[1:]})
        log.phase("measuring")
        log.took(result(tasks[1].key, tasks[1].name))
        failed = result(tasks[2].key, tasks[2].name, ok=False, error="Traceback\nValueError: no")
        log.took(failed)
        log.write()
        now = StudyProgress.read(tmp_path)
        assert now is not None
        assert now.nodes["trainings"] == Nodes(2, 0, 0, 4)
        assert now.nodes["fits"] == Nodes(1, 0, 0, 2)
        assert now.nodes["tables"] == Nodes(2, 0, 1, 8)
        assert now.shards == (2, 8)
        assert now.failures == (f"{tasks[2].name}: ValueError: no",)
        assert now.share == pytest.approx((2 + 1 + 2) / (4 + 2 + 8))

        log.found(tasks, {task.key for task in tasks[2:]})
        log.took(result(tasks[2].key, tasks[2].name))
        log.end(complete=True)
    now = StudyProgress.read(tmp_path)
    assert now is not None
    assert (now.phase, now.failed, now.shards, now.is_running) == ("complete", 0, (3, 8), False)


@pytest.mark.parametrize(
    ("error", "phase", "said"),
    [
        (KeyboardInterrupt(), "interrupted", ()),
        (
            OSError("no space, and s3://user:secret@host/x"),
            "failed",
            ("no space, and s3://***@host/x",),
        ),
    ],
)
def test_an_error_is_the_end(
    error: BaseException, phase: str, said: tuple[str, ...], tmp_path: Path
) -> None:
    study = small_graph.study(tmp_path)
    with pytest.raises(type(error)), ProgressLog(study, tmp_path) as log:  # noqa: PT012
        log.phase("measuring")
        raise error
    now = StudyProgress.read(tmp_path)
    assert now is not None
    assert (now.phase, now.failures) == (phase, said)


def test_what_is_refused_before_any_work_writes_nothing(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="refused"),
        ProgressLog(small_graph.study(tmp_path), tmp_path),
    ):
        raise ValueError("refused")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: StudyProgress, folder: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(StudyProgress, "write", full)
    with ProgressLog(small_graph.study(tmp_path), tmp_path / "tiny") as log:
        log.phase("measuring")
        log.end(complete=True)


def test_a_quiet_study_gives_a_sign_of_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress_log, "WRITE_SECONDS", 0.01)
    monkeypatch.setattr(progress_log, "PULSE_SECONDS", 0.02)
    written: list[float] = []
    monkeypatch.setattr(StudyProgress, "write", lambda own, folder: written.append(own.written))
    with ProgressLog(small_graph.study(tmp_path), tmp_path) as log:
        log.phase("measuring")
        while len(written) < 3:
            time.sleep(0.01)
    assert written == sorted(written)


def test_settings_are_without_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "abc-123-xyz")
    study = small_graph.study(tmp_path)
    study = replace(study, run=replace(study.run, store="s3://abc-123-xyz/rows"))
    with ProgressLog(study, tmp_path) as log:
        log.phase("measuring")
    assert "abc-123-xyz" not in json.dumps(json.loads((tmp_path / FILE).read_text()))
