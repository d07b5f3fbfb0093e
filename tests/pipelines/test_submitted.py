"""A study with code of its own, submitted as docs/cluster.md says to a head that is started by the line of cluster.yaml."""

import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import yaml
from postgres import free_port

from pipelines.run import run
from pipelines.study import Study, read
from workers.cluster import private_token
from workers.store import open_store

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
PROGRAMS = Path(sys.executable).parent
SHARDS = 12


@dataclass
class Head:
    """Its dashboard, and the environment of who holds its token."""

    address: str
    environment: dict[str, str]

    def job(self, *arguments: str, token: str | None = None) -> subprocess.CompletedProcess[str]:
        command = [str(PROGRAMS / "ray"), "job", arguments[0], "--address", self.address, *arguments[1:]]
        environment = self.environment | ({"RAY_AUTH_TOKEN": token} if token else {})
        return subprocess.run(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=180)


@pytest.fixture
def head(monkeypatch: pytest.MonkeyPatch) -> Iterator[Head]:
    """Started by cluster.yaml's own line, but for the autoscaler, whose cloud is not here; on other ports, with two CPUs."""
    private_token()
    line = yaml.safe_load((ROOT / "cluster.yaml").read_text())["head_start_ray_commands"][1]
    settings, _, command = line.partition("; ")[2].partition("ray start ")
    dashboard, path = free_port(), os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = os.environ | dict(re.findall(r"(\w+)=(\S+)", settings)) | {"PYTHONPATH": path}
    for name in ("RAY_ADDRESS", "MLFLOW_TRACKING_URI"):
        environment.pop(name, None)
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        own = [f"--port={free_port()}", f"--dashboard-port={dashboard}", f"--temp-dir={folder}", "--num-cpus=2", "--block"]
        kept = [flag for flag in shlex.split(command) if not flag.startswith(("--port", "--autoscaling-config"))]
        start = [str(PROGRAMS / "ray"), "start", *kept, *own, f"--object-store-memory={2**27}"]
        process = subprocess.Popen(start, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        there = Head(f"http://127.0.0.1:{dashboard}", environment)
        try:
            deadline = time.monotonic() + 120
            while there.job("list").returncode:
                assert process.poll() is None, "the head has ended"
                assert time.monotonic() < deadline, "the head does not answer"
                time.sleep(1)
            yield there
        finally:
            process.terminate()
            process.wait(60)


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


def test_a_job_is_stopped_and_submitted_again_and_its_rows_are_those_of_one_process(
    head: Head, mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ["--out", str(tmp_path / "results"), "--runner", "ray", "--workers", "2"]
    asked = ["--working-dir", str(mine), "--", str(PROGRAMS / "advcore"), "run", "study.yaml", *settings]
    refused = head.job("submit", *asked, token="f" * 64)
    assert refused.returncode != 0
    assert re.search(r"401|403|[Uu]nauth|[Ii]nvalid", refused.stdout)
    assert not (tmp_path / "results").exists()

    assert head.job("submit", "--submission-id", "first", "--no-wait", *asked).returncode == 0
    deadline = time.monotonic() + 120
    while len(list((tmp_path / "results/store").rglob("*.parquet"))) < 3:
        assert time.monotonic() < deadline, head.job("logs", "first").stdout
        time.sleep(0.1)
    assert head.job("stop", "first").returncode == 0
    assert "was stopped" in head.job("status", "first").stdout

    told = head.job("submit", *asked)
    assert told.returncode == 0, told.stdout
    measured, found = map(int, re.findall(r"(\d+) shards measured, (\d+) of 12 found", told.stdout)[0])
    assert measured + found == SHARDS
    assert found >= 3
    assert (tmp_path / "results/mine/report.md").is_file()

    monkeypatch.chdir(mine)
    monkeypatch.syspath_prepend(mine)
    here = tmp_path / "inline"
    run(read(Study, "study.yaml", "studies", (f"run.out={here}", "run.track=false", "run.threads=1")))
    keys = sorted(path.stem for path in (here / "store").rglob("*.parquet"))
    assert keys == sorted(path.stem for path in (tmp_path / "results/store").rglob("*.parquet"))
    one, other = open_store(str(here / "store")), open_store(str(tmp_path / "results/store"))
    for key in keys:
        own, theirs = one.read(key), other.read(key)
        assert all(torch.equal(own[name], theirs[name]) for name in ("sample", "logits", "noise"))
