"""A real MLflow server that goes away in the middle of a study, stopped or killed, and comes back, or does not."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from studies import stored

pytestmark = pytest.mark.slow

ROOT = str(Path(__file__).parents[2])


class Server:
    """`mlflow server` on loopback over a SQLite file, in a process group of its own."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        store, files = f"sqlite:///{self._folder / 'mlflow.db'}", str(self._folder / "files")
        command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store, "--artifacts-destination", files]
        log = (self._folder / "server.log").open("ab")
        self._process = subprocess.Popen(
            [*command, "--port", str(self.port), "--workers", "1"], stdout=log, stderr=log, start_new_session=True
        )
        end = time.monotonic() + 240
        while time.monotonic() < end:
            try:
                urllib.request.urlopen(f"{self.uri}/health", timeout=5).close()
                return
            except OSError:
                time.sleep(0.3)
        raise TimeoutError(f"no MLflow server came up: {(self._folder / 'server.log').read_text()[-2000:]}")

    def signal(self, number: int) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, number)
        if number == signal.SIGKILL:
            self._process.wait()

    def runs(self) -> list[Any]:
        from mlflow import MlflowClient

        client = MlflowClient(self.uri)
        return client.search_runs([client.get_experiment_by_name("advcore").experiment_id])


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    own = Server(folder)
    own.start()
    yield own
    with contextlib.suppress(ProcessLookupError):
        own.signal(signal.SIGKILL)


@pytest.fixture
def study(study_file: Path, tiny: dict[str, Any], server: Server) -> Path:
    """60 shards that take some seconds, recorded by the server."""
    tiny["data"]["samples"] = 240
    tiny["probes"] = {"robustness": tiny["probes"]["robustness"]}
    tiny["probes"]["robustness"]["attacks"][1]["steps"] = 400
    tiny["run"] |= {"track": True, "tracking_uri": server.uri, "tracking_wait": 120.0}
    study_file.write_text(yaml.safe_dump(tiny))
    return study_file


def started(study: Path, *flags: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pipelines.cli", "run", str(study), *flags]
    environment = {**os.environ, "PYTHONPATH": ROOT}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_rows(process: subprocess.Popen[str], place: Path, count: int) -> None:
    while process.poll() is None and len(stored(place)) < count:
        time.sleep(0.05)


def check_complete(server: Server, place: Path) -> None:
    """One parent and a child for each model, all finished, each number once."""
    from mlflow import MlflowClient

    runs = server.runs()
    assert len(runs) == 3
    assert {run.info.status for run in runs} == {"FINISHED"}
    client = MlflowClient(server.uri)
    for run in runs:
        for name in run.data.metrics:
            steps = [point.step for point in client.get_metric_history(run.info.run_id, name)]
            assert len(steps) == len(set(steps)), name
    parent = next(run for run in runs if "mlflow.parentRunId" not in run.data.tags)
    assert parent.data.metrics["shards"] == 60
    assert {entry.path for entry in client.list_artifacts(parent.info.run_id)} >= {"figures", "report.md", "failures.txt"}


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL], ids=["stopped", "killed"])
def test_a_study_ends_complete_when_the_server_comes_back(study: Path, server: Server, place: Path, number: int) -> None:
    """The server goes after a few shards and comes back once all are measured: the measuring did not wait for it."""
    process = started(study)
    wait_for_rows(process, place, 5)
    server.signal(number)
    wait_for_rows(process, place, 60)
    assert process.poll() is None, process.communicate()
    if number == signal.SIGSTOP:
        server.signal(signal.SIGCONT)
    else:
        server.start()
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert "60 shards measured" in out
    check_complete(server, place)


def test_a_server_that_stays_away_is_told_and_the_next_run_completes_the_record(study: Path, server: Server, place: Path) -> None:
    process = started(study, "--tracking-wait", "2")
    wait_for_rows(process, place, 5)
    server.signal(signal.SIGKILL)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 1, err
    assert "60 shards measured" in out
    lines = [line for line in err.splitlines() if "not all is in MLflow" in line]
    assert len(lines) == 1
    assert "entries are not logged: MLflow at http://127.0.0.1" in lines[0]
    assert "no answer" in lines[0]
    assert lines[0].endswith("the same command completes it")
    rows = stored(place)
    server.start()
    again = started(study)
    out, err = again.communicate(timeout=200)
    assert again.returncode == 0, err
    assert "nothing to compute: all 60 shards were in the store" in out
    assert stored(place) == rows
    check_complete(server, place)
