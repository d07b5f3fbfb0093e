"""How long the command takes to its first shard on a cluster that is up.

A head with two CPUs, warm as docs/cluster.md says, or plain, and `advcore run` three times: margins
of a LeNet in 21 DCT blocks, digits in shards of 64, recorded in an MLflow store that is there
already. From the start of the command to when a worker begins the first shard, and to when the rows
of that shard are in the store.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import yaml

from advcore.workers.checkpoints import save_checkpoint
from advcore.workers.pool.preconditions import prepare_environment, private_token
from benchmarks.setting import machine, trained_lenet

WARM = {
    "RAY_preload_python_modules": "advcore.workers.pool.preloaded",
    "RAY_enable_worker_prestart": "1",
}
RUNS, PAUSE = 3, 20.0


def study(folder: Path) -> Path:
    """Its file."""
    checkpoint, path = folder / "lenet.safetensors", folder / "study.yaml"
    save_checkpoint(trained_lenet(), checkpoint, {})
    content = {
        "name": "first",
        "models": {"lenet": {"architecture": "lenet", "checkpoint": str(checkpoint)}},
        "data": {"name": "mnist5k", "split": "test", "samples": 256},
        "probes": {
            "margins": {"kind": "margins", "family": {"kind": "dct", "size": 8, "stride": 1}}
        },
        "run": {"runner": "ray", "workers": 2, "out": str(folder)},
    }
    path.write_text(yaml.safe_dump(content))
    return path


def first_rows(store: Path, run: subprocess.Popen[str]) -> Path:
    """The file of the first shard, as soon as it is there."""
    while True:
        for path in store.rglob("*.parquet"):
            return path
        if run.poll() is not None:
            raise RuntimeError(f"the study did not run: {run.communicate()}")
        time.sleep(0.01)


def timed(command: list[str], store: Path) -> str:
    """One run on a store of its own: seconds to both moments."""
    start = time.time()
    with subprocess.Popen(
        [*command, "--store", str(store)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        path = first_rows(store, run)
        told, complaints = run.communicate()
    if run.returncode:
        raise RuntimeError(f"the study did not end well: {told}{complaints}")
    there = path.stat().st_mtime - start
    measuring = float(pq.read_schema(path).metadata[b"seconds"])
    return f"{there - measuring:.2f} ({there:.2f})"


def on_a_cluster(folder: Path) -> Iterator[str]:
    """Runs on a head of this process's environment, left alone for a while before each."""
    prepare_environment(local=True)
    private_token()
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 2, "include_dashboard": False, "object_store_memory": 2**28},
    )
    try:
        command = [
            sys.executable,
            "-m",
            "advcore.pipelines.cli",
            "run",
            str(study(folder)),
            "--address",
            cluster.address,
        ]
        subprocess.run(
            [*command, "--store", str(folder / "before")], check=True, capture_output=True
        )  # makes MLflow's store
        for turn in range(RUNS):
            time.sleep(PAUSE)
            yield timed(command, folder / f"store{turn}")
    finally:
        ray.shutdown()
        cluster.shutdown()


def main() -> None:
    if sys.argv[1:2] == ["here"]:
        with tempfile.TemporaryDirectory() as name:
            print(", ".join(on_a_cluster(Path(name))))
        return
    print(
        (
            f"seconds from the command to its first shard begun (and in the store), {RUNS} "
            f"runs ({machine()})"
        ),
        flush=True,
    )
    for name, settings in (("warm cluster", WARM), ("plain cluster", {})):
        command = [sys.executable, "-m", "benchmarks.first_shard", "here"]
        done = subprocess.run(
            command, env=os.environ | settings, stdout=subprocess.PIPE, text=True, check=True
        )
        print(f"  {name:14} {done.stdout.strip()} (bar for the warm one: 3)", flush=True)


if __name__ == "__main__":
    main()
