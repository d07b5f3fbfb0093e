"""Readers that go away: pipes that are closed, terminals that are closed; and results that may only
be read.
"""

import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow_store import client
from read_only import read_only

from advcore.pipelines.cli import main

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "advcore.pipelines.cli"]


def environment(place: Path) -> dict[str, str]:
    path = os.pathsep.join([str(ROOT), str(place), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path}


def test_a_reader_that_has_had_enough_is_no_failure(study_file: Path, place: Path) -> None:
    """The pipe is closed before a word is said, as by `head -0`."""
    for arguments in (["run", str(study_file)], ["run", str(study_file)], ["list"]):
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=place,
            env=environment(place),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        said = process.stderr.read()
        assert process.wait(120) in (0, 1)
        assert "Traceback" not in said
        assert "BrokenPipe" not in said
    assert (place / "out/tiny/report.md").is_file()
    assert (place / "out/tiny/finished.json").is_file()


@pytest.mark.slow
def test_a_reader_of_everything_that_has_had_enough_ends_the_run(
    study_file: Path, place: Path
) -> None:
    process = subprocess.Popen(
        [*COMMAND, "run", str(study_file)],
        cwd=place,
        env=environment(place),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(120) in (0, 1)
    assert main(["run", str(study_file)]) == 0


@pytest.fixture
def slow_study(study_file: Path, tiny: dict[str, Any], place: Path, folder: Path) -> Path:
    """A study whose one shard does not end; recorded in MLflow."""
    shutil.copy(Path(__file__).with_name("faulty.py"), place / "faulty.py")
    (place / "deeds").mkdir()
    (place / "deeds/hang-0").touch()
    tiny["models"] = {"one": {"architecture": "perceptron"}}
    tiny["probes"] = {"look": {"kind": "faulty:Faulty", "folder": str(place / "deeds")}}
    tiny["run"] |= {"out": str(folder), "track": True}
    study_file.write_text(yaml.safe_dump(tiny))
    return study_file


@pytest.mark.slow
def test_a_terminal_that_is_closed_ends_the_run_as_a_signal_does(
    slow_study: Path, place: Path, folder: Path
) -> None:
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(place)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests themselves may run under nohup
        os.execve(sys.executable, [*COMMAND, "run", str(slow_study)], environment(place))
    deadline = time.monotonic() + 120
    while not list((place / "deeds").glob("try-*")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.close(terminal)
    while (ended := os.waitpid(process, os.WNOHANG))[0] == 0:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert os.waitstatus_to_exitcode(ended[1]) == 130
    assert {run.info.status for run in client(folder).search_runs(["1"])} == {"KILLED"}


@pytest.mark.slow
def test_under_nohup_it_goes_on(slow_study: Path, place: Path) -> None:
    ignore = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)  # noqa: E731
    command = [*COMMAND, "run", str(slow_study)]
    process = subprocess.Popen(
        command,
        cwd=place,
        env=environment(place),
        preexec_fn=ignore,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    deadline = time.monotonic() + 120
    while not list((place / "deeds").glob("try-*")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGHUP)
    time.sleep(1)
    assert process.poll() is None
    process.terminate()
    assert process.wait(60) == 130


def test_what_is_finished_on_a_disk_that_may_only_be_read_is_shown(
    study_file: Path, tiny: dict[str, Any], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(study_file)]) == 0
    told = capsys.readouterr().out
    moved = place / "archive"
    shutil.copytree(place / "out", moved)
    with read_only(moved):
        assert main(["run", str(study_file), "--out", str(moved)]) == 0
        out, err = capsys.readouterr()
        assert "nothing to compute: all 24 shards were in the store" in out
        assert out.splitlines()[:20] == told.splitlines()[:20]
        assert f"report: {moved}/tiny/report.md" in out
        assert "everything is measured, but the results cannot be written again" in err
        assert main(["run", str(study_file), "--out", str(moved), "--seed", "7"]) == 2
        assert "cannot be written (Read-only file system)" in capsys.readouterr().err
