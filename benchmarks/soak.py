"""A soak run: studies on a cluster whose workers, machines and drivers are killed at random, for as
long as one likes (30 minutes).

`python -m benchmarks.soak MINUTES` starts a Ray head and two nodes on this machine and runs one
study after the other on them by the command line, with MLflow. Every few shards something is
killed: the process of a worker (SIGKILL), a node, which is replaced, or the driver, which is
started again by the same command. When a study is finished, its rows are compared with those of a
run of the same study in one process, undisturbed: all there, none twice, equal bit for bit, and its
MLflow run is one. Else exit status 1.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from advcore.probes import Margins
from advcore.probes.probe import Batch, Columns
from advcore.randomness import Randomness
from advcore.workers.pool.preconditions import prepare_environment, private_token
from advcore.workers.stores.store import open_store

SAMPLES, SHARD = 160, 4
BETWEEN = 4
"""So many shards at least are finished between two kills, however slow the machine: drivers take
long to start on a busy one."""


@dataclass(frozen=True)
class Soaked(Margins):
    """Margins that take their time, and say in `folder` which process measures them."""

    folder: str = ""

    def measure(self, classifier: Any, batch: Batch, randomness: Randomness) -> Columns:
        Path(self.folder, f"pid-{os.getpid()}").touch()
        if Path(self.folder, "slowly").exists():
            time.sleep(0.5)
        return super().measure(classifier, batch, randomness)


class Soak:
    """The cluster, the study of this round, and what was done to them."""

    def __init__(self, place: Path, dice: random.Random) -> None:
        from ray.cluster_utils import Cluster

        self.place, self.dice = place, dice
        self.done: Counter[str] = Counter()
        quick = {
            "health_check_initial_delay_ms": 2000,
            "health_check_period_ms": 1000,
            "health_check_failure_threshold": 5,
        }
        head = {
            "num_cpus": 0,
            "include_dashboard": False,
            "object_store_memory": 2**27,
            "_system_config": quick,
        }
        self.cluster = Cluster(initialize_head=True, head_node_args=head)
        self.nodes = [self.add(), self.add()]

    def add(self) -> Any:
        return self.cluster.add_node(num_cpus=1, object_store_memory=2**27)

    def study(self, seed: int) -> None:
        shutil.rmtree(self.place / "pids", ignore_errors=True)
        (self.place / "pids").mkdir()
        (self.place / "pids" / "slowly").touch()
        family = {"kind": "dct", "size": 4, "stride": 2}
        mapping = {
            "name": f"soak{seed}",
            "models": {"one": {"architecture": "perceptron"}},
            "data": {"name": "digits", "samples": SAMPLES, "split": "train", "seed": seed},
            "probes": {
                "soaked": {
                    "kind": "benchmarks.soak:Soaked",
                    "family": family,
                    "folder": str(self.place / "pids"),
                }
            },
            "run": {"shard_size": SHARD, "threads": 1, "seed": seed},
        }
        (self.place / "study.yaml").write_text(yaml.safe_dump(mapping))

    def start(self, *flags: str) -> subprocess.Popen[bytes]:
        path = os.pathsep.join(
            [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
        )
        environment = os.environ | {"PYTHONPATH": path}
        environment.pop("MLFLOW_TRACKING_URI", None)
        command = [sys.executable, "-m", "advcore.pipelines.cli", "run", "study.yaml", *flags]
        with (self.place / "told.txt").open("ab") as told:
            return subprocess.Popen(
                command, cwd=self.place, env=environment, stdout=told, stderr=told
            )

    def driver(self) -> subprocess.Popen[bytes]:
        return self.start(
            "--runner", "ray", "--address", self.cluster.address, "--workers", "2", "--out", "out"
        )

    def disturb(self, driver: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
        """Kill something; gives the driver that runs now."""
        deed = self.dice.choice(["worker", "worker", "worker", "node", "driver"])
        if deed == "worker":
            alive = [pid for pid in self.workers() if Path(f"/proc/{pid}").exists()]
            if not alive:
                return driver
            os.kill(self.dice.choice(alive), signal.SIGKILL)
        elif deed == "node":
            gone = self.nodes.pop(self.dice.randrange(len(self.nodes)))
            self.cluster.remove_node(gone, allow_graceful=False)
            self.nodes.append(self.add())
        else:
            driver.kill()
            driver.wait()
            driver = self.driver()
        self.done[f"{deed}s killed"] += 1
        return driver

    def workers(self) -> list[int]:
        return [int(path.name.removeprefix("pid-")) for path in (self.place / "pids").glob("pid-*")]

    def finished(self) -> int:
        return sum(1 for _ in (self.place / "out" / "store").rglob("*.parquet"))

    def round(self, seed: int, until: float) -> None:
        """One study to its end; kills end when the time is up."""
        self.study(seed)
        driver = self.driver()
        while driver.poll() is None:
            pause, goal = time.monotonic() + self.dice.uniform(2, 10), self.finished() + BETWEEN
            while driver.poll() is None and (time.monotonic() < pause or self.finished() < goal):
                time.sleep(0.1)
            if driver.poll() is None and time.monotonic() < until:
                driver = self.disturb(driver)
            if driver.poll() == 1:  # a shard was given up; the same command tries it again
                self.done["runs that ended partial"] += 1
                driver = self.driver()
        if driver.returncode:
            raise RuntimeError(
                f"the driver ended with {driver.returncode}: "
                f"{(self.place / 'told.txt').read_text()[-3000:]}"
            )
        self.done["studies"] += 1
        self.check(seed)

    def check(self, seed: int) -> None:
        """Raise RuntimeError unless the rows are those of an undisturbed run, once each."""
        (self.place / "pids" / "slowly").unlink()
        undisturbed = self.start("--runner", "inline", "--no-track", "--out", f"undisturbed{seed}")
        if undisturbed.wait():
            raise RuntimeError(
                f"the undisturbed run failed: {(self.place / 'told.txt').read_text()[-3000:]}"
            )
        wanted, found = (
            open_store(str(self.place / out / "store")) for out in (f"undisturbed{seed}", "out")
        )
        keys = [
            path.stem for path in (self.place / f"undisturbed{seed}" / "store").rglob("*.parquet")
        ]
        if len(keys) != SAMPLES // SHARD or found.missing(keys):
            raise RuntimeError(
                f"{len(keys)} shards are wanted, {len(found.missing(keys))} are missing"
            )
        for key in keys:
            ours, theirs = found.read(key), wanted.read(key)
            for name, column in theirs.items():
                same = (
                    torch.equal(ours[name], column)
                    if isinstance(column, torch.Tensor)
                    else ours[name] == column
                )  # type: ignore[arg-type]
                if not same:
                    raise RuntimeError(f"the rows of {key} differ in {name}")
        tables = [
            f"{out}/soak{seed}/tables/soaked-one.parquet" for out in (f"undisturbed{seed}", "out")
        ]
        if len({(self.place / table).read_bytes() for table in tables}) != 1:
            raise RuntimeError(f"the tables {tables} differ")
        self.done["shards"] += len(keys)
        self.done["rows"] += sum(len(found.read(key)["sample"]) for key in keys)
        shutil.rmtree(self.place / f"undisturbed{seed}")

    def check_tracking(self) -> None:
        from mlflow import MlflowClient

        client = MlflowClient(f"sqlite:///{self.place / 'out' / 'mlflow.db'}")
        experiment: Any = client.get_experiment_by_name("advcore")
        names = Counter(
            run.info.run_name
            for run in client.search_runs([experiment.experiment_id], max_results=1000)
        )
        parents = {name: count for name, count in names.items() if name.startswith("soak")}
        if len(parents) != self.done["studies"] or set(parents.values()) != {1}:
            raise RuntimeError(f"{self.done['studies']} studies have these MLflow runs: {parents}")


def main() -> None:
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 30.0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    prepare_environment(local=True)
    private_token()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        soak = Soak(Path(name), random.Random(seed))
        try:
            while time.monotonic() - begun < 60 * minutes:
                soak.round(soak.done["studies"], begun + 60 * minutes)
                print(f"{(time.monotonic() - begun) / 60:5.1f} min: {dict(soak.done)}", flush=True)
            soak.check_tracking()
        finally:
            soak.cluster.shutdown()
    told = ", ".join(f"{count} {what}" for what, count in soak.done.items())
    print(f"soak of {(time.monotonic() - begun) / 60:.1f} minutes: {told}")
    print(
        "every row is there, once, equal bit for bit to an undisturbed run's, and each study "
        "is one MLflow run"
    )


if __name__ == "__main__":
    main()
