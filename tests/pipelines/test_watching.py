"""A study that is watched: while it runs, when it is over, when its process is gone."""

import fcntl
import io
import json
import os
import platform
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import tiny_progress
from command_line import refused
from tiny_pages import HOSTILE, claim, results

from advcore.pipelines.cli import main
from advcore.pipelines.graph.running import progress_log
from advcore.pipelines.graph.running.driver import run_study
from advcore.pipelines.graph.running.progress import Nodes, StudyProgress, as_text
from advcore.pipelines.graph.settings import structure_study
from advcore.pipelines.machine.lock import FOLDER, exclusive_lock
from advcore.pipelines.watching import view
from advcore.pipelines.watching.watcher import watch

NAME = "watched"


def progress(**changes: Any) -> StudyProgress:
    """That of this process, which has just begun."""
    now = time.time()
    mine = {"study": NAME, "host": platform.node(), "pid": os.getpid(), "workers": "2 on Ray"}
    return tiny_progress.progress(
        **{**mine, "begun": now, "written": now, "left_seconds": 600.0, **changes}
    )


def looked(out: Path, **settings: Any) -> tuple[int, str]:
    """The exit status and the output of one look."""
    shown = io.StringIO()
    status = watch(out, NAME, 1.0, **{"once": True, "claims": False, **settings}, stream=shown)
    return status, shown.getvalue()


def level(model: str, **of: Any) -> dict[str, Any]:
    where = {"probe": "look", "column": "value", "where": {"model": model}, "statistic": "mean"}
    return {"kind": "level", "says": f"mean of {model}", "of": {**where, **of}, "at_least": 0.0}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a study whose probe watched it, four times, the last two with a table whole."""
    folder = tmp_path_factory.mktemp("watched")
    among = {"probe": "look", "column": "value", "where": {"model": "b"}, "at_least": 0.0}
    document = {
        "name": NAME,
        "data_sets": {"test": {"name": "digits", "samples": 32}},
        "models": {
            name: {"architecture": "perceptron", "seed": seed} for seed, name in enumerate("ab")
        },
        "probes": {
            "look": {
                "kind": "tiny_watched:Looking",
                "folder": str(folder),
                "model": ["a", "b"],
                "data": "test",
            }
        },
        "claims": {"a": level("a"), "b": level("b"), "both": level("a", among=among)},
        "run": {"out": str(folder / "out"), "track": False, "threads": 1, "shard_size": 16},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(progress_log, "WRITE_SECONDS", 0.01)
        assert run_study(structure_study(document)).complete
    return folder


def looks(place: Path) -> list[str]:
    return [path.read_text() for path in sorted(place.glob("look-*"))]


def test_a_study_that_runs_shows_how_far_it_is(place: Path) -> None:
    seen = looks(place)
    assert all(text.startswith("0\nwatched: measuring, ") for text in seen)
    assert [text.split(", ")[1] for text in seen] == ["0 %", "25 %", "50 %", "75 %"]
    assert "time left unknown" in seen[0]
    assert (
        "not seen in this run yet, so that its time is unknown: 2 kinds of work (a/look, "
        in seen[0]
    )
    assert " s left\n" in seen[3]
    assert "tables  0 of 2 done, 1 in work, 1 to do: a/look, sample 16 of 32" in seen[1]
    assert "shards  3 of 4, samples 48 of 64" in seen[3]
    assert f"by process {os.getpid()} on " in seen[3]


def test_claims_are_shown_once_all_their_rows_are_there(place: Path) -> None:
    seen = looks(place)
    assert all("claims so far, no table is complete yet" in text for text in seen[:2])
    known = json.loads((place / "out" / NAME / "results.json").read_text())["claims"]["a"]
    number = f"  yes        mean of a: {known['value']:.4g} ({known['low']:.4g} to "
    for text in seen[2:]:
        assert number in text
        assert "  mean of b: waits for 1 member of look (b)\n" in text
        assert text.count("waits for 1 member of look (b)") == 2  # also what chooses samples by b


def test_a_study_that_is_over_is_answered_from_its_results(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["watch", NAME, "--out", str(place / "out")]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("watched: complete, 100 %, ")
    assert "shards  4 of 4" in shown
    assert shown.count("  yes        mean of ") == 3
    assert shown.rstrip().endswith("report.html")


def test_a_look_changes_nothing_in_the_folder(place: Path) -> None:
    def files() -> dict[str, float]:
        return {str(path): path.stat().st_mtime for path in (place / "out").rglob("*")}

    before = files()
    watch(place / "out", NAME, 1.0, stream=io.StringIO())
    assert files() == before


def test_a_process_that_is_gone_is_told(tmp_path: Path) -> None:
    progress().write(tmp_path / NAME)
    status, shown = looked(tmp_path)
    assert status == 1
    assert "nothing runs; it ended without finishing at 64 %" in shown
    assert "the same command goes on from there" in shown


def test_what_was_interrupted_or_failed_is_told(tmp_path: Path) -> None:
    progress(phase="failed", failures=("no space is left",), failed=1).write(tmp_path / NAME)
    status, shown = looked(tmp_path)
    assert status == 1
    assert f"{NAME}: failed, 64 %" in shown
    assert "failed: no space is left" in shown


def test_a_study_that_begins_is_not_taken_for_its_last_run(tmp_path: Path) -> None:
    progress(begun=time.time() - 3600).write(tmp_path / NAME)
    with exclusive_lock(tmp_path, "study", NAME):
        status, shown = looked(tmp_path)
        assert (status, shown.startswith(f"{NAME}: begins, its settings are checked (by ")) == (
            0,
            True,
        )
        progress().write(tmp_path / NAME)
        status, shown = looked(tmp_path)
        assert (status, "measuring, 64 %, about 10 min left" in shown) == (0, True)
        progress(phase="complete").write(tmp_path / NAME)  # it ends just now
        assert "complete" in looked(tmp_path)[1]


def test_results_of_before_there_was_a_progress(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    told = results(complete=True, claims={"first": claim()})
    (tmp_path / NAME / "results.json").write_text(json.dumps(told))
    status, shown = looked(tmp_path)
    assert (status, shown.splitlines()[0]) == (0, "watched: nothing runs; complete")
    assert "  no         a ratio: 0.3 (0.2 to 0.4)" in shown


def test_results_of_somebody_else_are_none(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    told = results(complete=True, claims={"first": claim(value="much")})
    (tmp_path / NAME / "results.json").write_text(json.dumps(told))
    assert looked(tmp_path)[0] == 1


def test_a_study_that_was_refused_has_nothing(tmp_path: Path) -> None:
    with exclusive_lock(tmp_path, "study", NAME):
        pass
    status, shown = looked(tmp_path)
    assert (status, shown) == (1, "watched: nothing runs; nothing was measured, or not all\n")


def test_without_locks_the_signs_of_life_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*arguments: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(view, "find_holder", none)
    progress().write(tmp_path / NAME)
    assert "measuring, 64 %" in looked(tmp_path)[1]
    progress(written=time.time() - 300).write(tmp_path / NAME)
    assert "ended without finishing" in looked(tmp_path)[1]


def test_a_look_at_the_lock_keeps_no_driver_away(tmp_path: Path) -> None:
    with exclusive_lock(tmp_path, "study", NAME):
        pass
    with (tmp_path / FOLDER / f"study-{NAME}").open("rb") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        threading.Timer(0.01, fcntl.flock, (looking, fcntl.LOCK_UN)).start()
        with exclusive_lock(tmp_path, "study", NAME):
            pass


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def watched(out: Path, stream: io.StringIO) -> int:
    """The exit status of a watcher that sees a study run, twice, then end."""
    left = ["64", "80", "end"]

    def pause(seconds: float) -> None:
        assert seconds == 3.0
        del left[0]
        if left[0] == "end":
            progress(phase="complete", share=1.0).write(out / NAME)
        else:
            progress(share=0.8).write(out / NAME)

    progress().write(out / NAME)
    with exclusive_lock(out, "study", NAME):
        progress().write(out / NAME)
        return watch(out, NAME, 3.0, claims=False, stream=stream, pause=pause)


def test_without_a_terminal_there_is_a_line_for_each_change(tmp_path: Path) -> None:
    stream = io.StringIO()
    assert watched(tmp_path, stream) == 1  # there are no results
    first, second, *last = stream.getvalue().splitlines()
    assert first == f"{NAME}: measuring, 64 %, about 10 min left, tables 1 of 3, shards 1 of 3"
    assert second.startswith(f"{NAME}: measuring, 80 %")
    assert last[0].startswith(f"{NAME}: incomplete, 100 %")


def test_on_a_terminal_it_is_drawn_in_place(tmp_path: Path) -> None:
    stream = Terminal()
    watched(tmp_path, stream)
    drawn = stream.getvalue().split("\x1b[J")
    assert [f"{share} %" in text for share, text in zip((64, 80, 100), drawn, strict=False)] == [
        True
    ] * 3
    lines = drawn[0].count("\n")
    assert drawn[1].startswith(f"\x1b[{lines}F\x1b[2K")
    assert not drawn[0].startswith("\x1b[0F")


def test_texts_of_strangers_are_escaped(tmp_path: Path) -> None:
    evil = f"\x1b[2J\u202e{HOSTILE}"
    nodes = {evil: Nodes(0, 1, 0, 1, (evil,))}
    progress(
        host=evil, workers=evil, nodes=nodes, failures=(evil,), failed=1, unseen=(evil,), phase=evil
    ).write(tmp_path / NAME)
    page = tmp_path / "page.html"
    _, shown = looked(tmp_path, page=page)
    text = page.read_text()
    for written in (shown, text):
        assert "\\x1b[2J" in written
        assert "\x1b" not in written
        assert "\u202e" not in written
    assert "<script>alert" not in text
    assert "<img" not in text


def test_a_page_is_loaded_again_until_the_end(place: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    progress().write(tmp_path / NAME)
    with exclusive_lock(tmp_path, "study", NAME):
        progress().write(tmp_path / NAME)
        looks = []

        def pause(seconds: float) -> None:
            looks.append(page.read_text())
            (tmp_path / NAME / "progress.json").unlink()
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            watch(tmp_path, NAME, 2.0, claims=False, page=page, stream=io.StringIO(), pause=pause)
    assert '<meta http-equiv="refresh" content="2">' in looks[0]
    watch(place / "out", NAME, 2.0, page=page, stream=io.StringIO())
    assert "refresh" not in page.read_text()
    assert page.read_text().count("mean of a") == 2  # also among those of b


def test_a_study_that_cannot_be_read_here_says_so(tmp_path: Path) -> None:
    progress(settings=f"{{name: {NAME}, models: 3}}").write(tmp_path / NAME)
    _, shown = looked(tmp_path, claims=True)
    assert "claims so far, cannot be evaluated here: study: " in shown


@pytest.mark.parametrize("part", ["", "progress.json"])
def test_code_in_a_folder_that_others_can_write_is_not_run(tmp_path: Path, part: str) -> None:
    mark = tmp_path / "run"
    model = {"architecture": "subprocess:getoutput", "arguments": {"cmd": f"touch {mark}"}}
    study = {
        "name": NAME,
        "models": {"a": {**model, "classes": 2}},
        "data": {"name": "digits", "samples": 4},
        "probes": {"accuracy": {"kind": "accuracy"}},
    }
    progress(settings=as_text(study)).write(tmp_path / NAME)
    (tmp_path / NAME / part).chmod(0o777)
    _, shown = looked(tmp_path, claims=True)
    assert "claims so far, not evaluated: others can write its folder" in shown
    assert not mark.exists()


def test_complete_is_what_the_results_say(tmp_path: Path) -> None:
    progress(phase="complete", share=1.0).write(tmp_path / NAME)
    for said in (False, "true", None):
        (tmp_path / NAME / "results.json").write_text(json.dumps({"claims": {}, "complete": said}))
        status, shown = looked(tmp_path)
        assert status == 1
        assert shown.startswith(f"{NAME}: incomplete, 100 %")


def test_a_name_that_is_none_is_refused_with_those_that_are_near(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    progress().write(tmp_path / NAME)
    said = refused(["watch", "wached", "--out", str(tmp_path)], capfd)
    assert "no study wached was begun in" in said
    assert "did you mean 'watched'?" in said
    said = refused(["watch", "results/watched", "--out", str(tmp_path)], capfd)
    assert "expected the name of a study: a name is made of letters" in said
    said = refused(["watch", NAME, "--every", "0", "--out", str(tmp_path)], capfd)
    assert "--every is a number of seconds above 0; got 0" in said
    said = refused(["watch", NAME, "--out", str(tmp_path / "nowhere")], capfd)
    assert "no study watched was begun in" in said
