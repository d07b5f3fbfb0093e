"""A study on several Ray nodes of this machine, and the command that drives it, for tests that take
something away.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from advcore.workers.pool.preconditions import prepare_environment, private_token
from advcore.workers.stores.store import open_store

ROOT = Path(__file__).parents[1]
SAMPLES, SHARD = 48, 4


@contextmanager
def nodes() -> Iterator[Any]:
    """A head without CPUs, and two nodes of two; quick to see that a node is gone."""
    prepare_environment(local=True)
    private_token()
    from ray.cluster_utils import Cluster

    quick = {
        "health_check_initial_delay_ms": 2000,
        "health_check_period_ms": 1000,
        "health_check_failure_threshold": 5,
    }
    own = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 0,
            "include_dashboard": False,
            "object_store_memory": 2**27,
            "_system_config": quick,
        },
    )
    try:
        for _ in range(2):
            add(own)
        yield own
    finally:
        own.shutdown()


def add(cluster: Any) -> Any:
    return cluster.add_node(num_cpus=2, object_store_memory=2**27)


class Driver:
    """A study in a folder of its own, and the command line that runs it."""

    def __init__(self, place: Path, cluster: Any) -> None:
        self.place, self.cluster = place, cluster
        self.deeds = place / "deeds"
        self.deeds.mkdir()
        (place / "faulty.py").write_text((ROOT / "tests/pipelines/faulty.py").read_text())
        self.study = {
            "name": "faults",
            "models": {"one": {"architecture": "perceptron"}},
            "data": {"name": "digits", "split": "test", "samples": SAMPLES},
            "probes": {
                "look": {"kind": "faulty:Faulty", "folder": str(self.deeds), "seconds": 0.3}
            },
            "run": {"shard_size": SHARD, "threads": 1, "track": False},
        }

    def deed(self, name: str) -> None:
        (self.deeds / name).touch()

    def tries(self, start: int | None = None) -> list[Path]:
        """Each time that a shard was begun, or one that begins with a certain sample."""
        return sorted(self.deeds.glob("try-*" if start is None else f"try-{start}-*"))

    def start(self, *flags: str, out: str = "out", runner: str = "ray") -> subprocess.Popen[str]:
        (self.place / "study.yaml").write_text(yaml.safe_dump(self.study))
        where = ["--address", self.cluster.address, "--workers", "2"] if runner == "ray" else []
        command = [
            sys.executable,
            "-m",
            "advcore.pipelines.cli",
            "run",
            "study.yaml",
            "--runner",
            runner,
            *where,
            "--out",
            out,
            *flags,
        ]
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = os.environ | {"PYTHONPATH": path}
        environment.pop("MLFLOW_TRACKING_URI", None)
        return subprocess.Popen(
            command,
            cwd=self.place,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def tracked_and_begun(self) -> subprocess.Popen[str]:
        """A driver that writes to MLflow, with four shards of twelve in the store."""
        self.study["run"]["track"] = True
        self.study["probes"]["look"]["seconds"] = 0.5
        process = self.start()
        self.until(lambda: self.stored() >= 4, process)
        return process

    def until(
        self, done: Callable[[], bool], process: subprocess.Popen[str], seconds: float = 120
    ) -> None:
        """Wait for something to happen while the driver runs."""
        deadline = time.monotonic() + seconds
        while not done():
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                pytest.fail(f"it did not happen; the driver said: {process.communicate()[0]}")
            time.sleep(0.02)

    def end(self, process: subprocess.Popen[str], status: int = 0, seconds: float = 180) -> str:
        try:
            told, _ = process.communicate(timeout=seconds)
        finally:
            process.kill()
        assert process.returncode == status, told
        return told

    def rows(self, out: str) -> dict[str, dict[str, torch.Tensor]]:
        """All rows that lie in a store, by key; a key is a file, so none lies there twice."""
        store = open_store(str(self.place / out / "store"))
        keys = sorted(path.stem for path in (self.place / out / "store").rglob("*.parquet"))
        return {key: dict(store.read(key)) for key in keys}

    def stored(self) -> int:
        """How many shards are finished, in a folder."""
        return len(list((self.place / "out/store").rglob("*.parquet")))

    def check(self, missing: int = 0, tolerance: float = 0.0, store: str = "") -> None:
        """The rows, in the folder or in a store elsewhere, are those of an undisturbed run."""
        for deed in self.deeds.glob("*"):
            deed.unlink()
        self.end(self.start(out="undisturbed", runner="inline"))
        wanted, found = self.rows("undisturbed"), self.rows("out")
        if store:
            there = open_store(store)
            found = {
                key: dict(there.read(key)) for key in wanted.keys() - set(there.missing(wanted))
            }
        assert len(wanted) == SAMPLES // SHARD
        assert len(found) == len(wanted) - missing
        assert found.keys() <= wanted.keys()
        for key, columns in found.items():
            for name, column in columns.items():
                torch.testing.assert_close(
                    column, wanted[key][name], rtol=tolerance, atol=tolerance
                )


def workers_of(driver: Driver) -> list[int]:
    """The processes that have measured, and live."""
    return sorted({pid for pid in map(pid_of, driver.tries()) if Path(f"/proc/{pid}").exists()})


def pid_of(path: Path) -> int:
    return int(path.name.split("-")[2])
