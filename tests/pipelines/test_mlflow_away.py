"""A real MLflow server that goes away in the middle of a study, stopped or killed, and comes back,
or does not.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow_server import Server, serving
from studies import stored

pytestmark = pytest.mark.slow

ROOT = str(Path(__file__).parents[2])


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    with serving(folder) as own:
        yield own


@pytest.fixture
def study(study_file: Path, tiny: dict[str, Any], server: Server) -> Path:
    """60 shards that take some seconds, recorded by the server."""
    tiny["data"]["samples"] = 240
    tiny["probes"] = {"robustness": tiny["probes"]["robustness"]}
    tiny["probes"]["robustness"]["attacks"][1]["steps"] = 400
    tiny["run"] |= {"track": True, "tracking_uri": server.uri, "tracking_wait": 120.0}
    tiny["run"]["figures"] = "png"
    study_file.write_text(yaml.safe_dump(tiny))
    return study_file


def started(study: Path, *flags: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "advcore.pipelines.cli", "run", str(study), *flags]
    environment = {**os.environ, "PYTHONPATH": ROOT}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


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
    assert {entry.path for entry in client.list_artifacts(parent.info.run_id)} >= {
        "figures",
        "report.md",
        "failures.txt",
    }


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL], ids=["stopped", "killed"])
def test_a_study_ends_complete_when_the_server_comes_back(
    study: Path, server: Server, place: Path, number: int
) -> None:
    """The server goes after a few shards and comes back once all are measured: the measuring did
    not wait for it.
    """
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


def test_a_server_that_stays_away_is_told_and_the_next_run_completes_the_record(
    study: Path, server: Server, place: Path
) -> None:
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
