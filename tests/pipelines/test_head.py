"""A head that is started by the line of cluster.yaml: jobs submitted to it, drivers beside it, what
is no head, and its end.
"""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import yaml
from driver import ROOT
from mlflow_store import client
from postgres import free_port

from advcore.pipelines.graph.running.driver import run_study
from advcore.pipelines.graph.settings import Study
from advcore.pipelines.settings.schema import read
from advcore.workers.pool.preconditions import private_token
from advcore.workers.stores.store import open_store

pytestmark = pytest.mark.slow
PROGRAMS = Path(sys.executable).parent
SHARDS = 12
WARM = {
    "RAY_preload_python_modules": "advcore.workers.pool.preloaded",
    "RAY_enable_worker_prestart": "1",
}
NOBODY = "f" * 64
"""A token that no head takes."""


@dataclass
class Head:
    """Its processes, its ports, and the environment of who holds its token."""

    process: subprocess.Popen[bytes]
    port: int
    dashboard: int
    environment: dict[str, str]

    def job(self, *arguments: str, token: str | None = None) -> subprocess.CompletedProcess[str]:
        """`ray job ...`, as anyone may ask who reaches the dashboard."""
        command = [
            str(PROGRAMS / "ray"),
            "job",
            arguments[0],
            "--address",
            f"http://127.0.0.1:{self.dashboard}",
            *arguments[1:],
        ]
        environment = self.environment | ({"RAY_AUTH_TOKEN": token} if token else {})
        return subprocess.run(
            command,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=180,
        )

    def driver(
        self, study: Path, address: str, *flags: str, token: str | None = None
    ) -> subprocess.Popen[str]:
        """`advcore run` beside it."""
        command = [
            str(PROGRAMS / "advcore"),
            "run",
            "study.yaml",
            "--runner",
            "ray",
            "--workers",
            "2",
            "--address",
            address,
            *flags,
        ]
        environment = self.environment | ({"RAY_AUTH_TOKEN": token} if token else {})
        return subprocess.Popen(
            command,
            cwd=study,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )


@contextmanager
def started(settings: dict[str, str] | None = None) -> Iterator[Head]:
    """By cluster.yaml's own line, but for the autoscaler, whose cloud is not here; on other ports,
    with two CPUs.
    """
    private_token()
    line = yaml.safe_load((ROOT / "cluster.yaml").read_text())["head_start_ray_commands"][1]
    given, _, command = line.partition("; ")[2].partition("ray start ")
    port, dashboard = free_port(), free_port()
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = (
        os.environ
        | dict(re.findall(r"(\w+)=(\S+)", given))
        | {"PYTHONPATH": path}
        | (settings or {})
    )
    for name in ("RAY_ADDRESS", "MLFLOW_TRACKING_URI"):
        environment.pop(name, None)
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        ports = [f"--port={port}", f"--dashboard-port={dashboard}"]
        kept = [
            flag
            for flag in shlex.split(command)
            if not flag.startswith(("--port", "--autoscaling-config"))
        ]
        own = [
            *ports,
            f"--temp-dir={folder}",
            "--num-cpus=2",
            f"--object-store-memory={2**27}",
            "--block",
        ]
        process = subprocess.Popen(
            [str(PROGRAMS / "ray"), "start", *kept, *own],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        head = Head(process, port, dashboard, environment)
        try:
            deadline = time.monotonic() + 120
            while head.job("list").returncode:
                assert process.poll() is None, "the head has ended"
                assert time.monotonic() < deadline, "the head does not answer"
                time.sleep(1)
            yield head
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:  # its own end waits for what has died
                process.kill()
                process.wait(20)


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    with started() as own:
        yield own


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """The folder of a user: a study, and the module of its probe."""
    folder, deeds = tmp_path / "my-study", tmp_path / "deeds"
    folder.mkdir()
    deeds.mkdir()
    (folder / "own.py").write_text(Path(__file__).with_name("faulty.py").read_text())
    study = {
        "name": "mine",
        "models": {"one": {"architecture": "perceptron"}},
        "data": {"name": "digits", "split": "test", "samples": 4 * SHARDS},
        "probes": {"look": {"kind": "own:Faulty", "folder": str(deeds), "seconds": 0.5}},
        "run": {"shard_size": 4},
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    return folder


def rows(store: Path) -> dict[str, dict[str, torch.Tensor]]:
    """By key."""
    there = open_store(str(store))
    return {path.stem: dict(there.read(path.stem)) for path in store.rglob("*.parquet")}


def check(found: Path, mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows are those of one process without Ray."""
    monkeypatch.chdir(mine)
    monkeypatch.syspath_prepend(mine)
    run_study(
        read(
            Study,
            "study.yaml",
            "studies",
            (f"run.out={mine.parent / 'inline'}", "run.track=false", "run.threads=1"),
        )
    )
    wanted, there = rows(mine.parent / "inline/store"), rows(found)
    assert len(wanted) == SHARDS
    assert there.keys() == wanted.keys()
    for key, columns in wanted.items():
        assert all(
            torch.equal(columns[name], there[key][name]) for name in ("sample", "logits", "noise")
        )


def test_a_job_is_stopped_and_submitted_again(
    head: Head, mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ["--out", str(tmp_path / "results"), "--runner", "ray", "--workers", "2"]
    asked = [
        "--working-dir",
        str(mine),
        "--",
        str(PROGRAMS / "advcore"),
        "run",
        "study.yaml",
        *settings,
    ]
    refused = head.job("submit", *asked, token=NOBODY)
    assert refused.returncode != 0
    assert re.search(r"401|403|[Uu]nauth|[Ii]nvalid", refused.stdout)
    assert not (tmp_path / "results").exists()

    first = ("submit", "--submission-id", "first", "--no-wait", *asked)
    deadline = time.monotonic() + 60
    while (submitted := head.job(*first)).returncode and "No available agent" in submitted.stdout:
        assert time.monotonic() < deadline  # the dashboard is there before what starts jobs
        time.sleep(1)
    assert submitted.returncode == 0, submitted.stdout
    deadline = time.monotonic() + 120
    while len(list((tmp_path / "results/store").rglob("*.parquet"))) < 3:
        assert time.monotonic() < deadline, head.job("logs", "first").stdout
        time.sleep(0.1)
    assert head.job("stop", "first").returncode == 0
    assert "was stopped" in head.job("status", "first").stdout

    told = head.job("submit", *asked)
    assert told.returncode == 0, told.stdout
    measured, found = map(
        int, re.findall(r"(\d+) shards? measured, (\d+) of 12 found", told.stdout)[0]
    )
    assert measured + found == SHARDS
    assert found >= 3
    assert (tmp_path / "results/mine/report.md").is_file()
    check(tmp_path / "results/store", mine, monkeypatch)


def test_what_is_no_head_of_ours_is_refused_in_seconds(head: Head, mine: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        no_head = "is not the head of a Ray cluster: give the address that `ray start --head` tells"
        for port, token, words in (
            (silent.getsockname()[1], None, no_head),
            (head.dashboard, None, no_head),
            (
                head.port,
                NOBODY,
                (
                    "asks for another token: put the cluster's into ~/.ray/auth_token and set "
                    "RAY_AUTH_MODE=token"
                ),
            ),
        ):
            told, _ = (
                process := head.driver(
                    mine, f"127.0.0.1:{port}", "--out", f"out{port}", token=token
                )
            ).communicate(timeout=40)
            assert process.returncode == 2, told
            assert told.splitlines()[-1].endswith(words)
            assert len(told.splitlines()) == 3  # the estimate, that workers start, why they do not


@pytest.mark.parametrize(("workers", "settings"), [("2", WARM), ("auto", {})], ids=["warm", "auto"])
def test_a_head_that_dies_ends_the_driver_in_words_and_another_one_goes_on(
    mine: Path, monkeypatch: pytest.MonkeyPatch, workers: str, settings: dict[str, str]
) -> None:
    """Its process alone dies: workers, and those that wait to be some, live on, and one of them has
    a shard that does not end.
    """
    hanging = mine.parent / "deeds/hang-36"
    hanging.touch()
    with started(settings) as first:
        process = first.driver(
            mine, f"127.0.0.1:{first.port}", "--out", "out", "--workers", workers
        )
        while len(list((mine / "out/store").rglob("*.parquet"))) < 3 and process.poll() is None:
            time.sleep(0.05)
        first.process.send_signal(signal.SIGSTOP)  # it would end the others
        subprocess.run(["pkill", "-KILL", "-f", f"gcs_server.*{first.port}"], check=True)
        told, _ = process.communicate(timeout=120)
        first.process.send_signal(signal.SIGCONT)
    assert process.returncode == 1, told
    assert re.search(
        (
            r"advcore: Ray's head has not answered for \d+ s; finished shards are "
            r"in the store, and"
        ),
        told,
    )
    assert {found.info.status for found in client(mine / "out").search_runs(["1"])} == {"FAILED"}
    hanging.unlink()
    with started() as second:
        process = second.driver(mine, f"127.0.0.1:{second.port}", "--out", "out")
        told, _ = process.communicate(timeout=120)
    assert process.returncode == 0, told
    assert int(re.findall(r"shards? measured, (\d+) of 12 found", told)[0]) >= 3
    check(mine / "out/store", mine, monkeypatch)
