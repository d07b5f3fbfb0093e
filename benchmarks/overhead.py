"""What sharding and storing cost on real work, and how long a warm cluster takes to its first shard.

Margins of a LeNet in 21 DCT blocks: two actors of one thread against the inline runner with two threads, both writing every shard
to a store. Throughput counts from when every worker has given its first shard, so start-up is not in it, to the last shard.

The cluster of the second part is a head with two CPUs that has been up for a while, warm as docs/cluster.md says, or plain. The
time is from the call of the runner, connecting included, to its first outcome, in a process that has imported advcore and Ray;
beside it how long that shard itself took.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from advcore.probes import Margins
from advcore.subspaces import DCTDiagonal
from benchmarks.setting import machine, trained_lenet
from workers.actor import work_key
from workers.checkpoints import save_checkpoint
from workers.cluster import prepare_environment, private_token
from workers.datasets import Dataset, DataSpec, load
from workers.inline import Inline
from workers.models import ModelSpec, content_hash
from workers.pool import RayPool
from workers.shards import split
from workers.work import Outcome, Runner, Work

SHARD, TURNS = 64, 2


def works(folder: Path, dataset: Dataset, size: int = SHARD) -> list[Work]:
    """Margins of a trained LeNet on all samples."""
    checkpoint = folder / "lenet.safetensors"
    if not checkpoint.exists():
        save_checkpoint(trained_lenet(), checkpoint, {})
    model = ModelSpec("lenet", checkpoint=str(checkpoint))
    digest = content_hash(model)
    probe = Margins(family=DCTDiagonal(size=8, stride=1))
    first = Work("", "lenet/margins", model, digest, probe, split(1, 1)[0], 0)
    keyed = [(shard, work_key(digest, dataset.digest, {}, shard, 0, "float32")) for shard in split(len(dataset), size)]
    return [replace(first, key=key, shard=shard) for shard, key in keyed]


def throughput(runner: Runner, workers: int, todo: Sequence[Work], dataset: Dataset) -> float:
    """Samples a second, from when each of so many workers has given its first shard to the last one."""
    seen: set[str] = set()
    start, counted = 0.0, 0
    for outcome in runner.run(todo, dataset):
        if not outcome.ok:
            raise RuntimeError(f"a shard failed: {outcome.error}")
        if len(seen) == workers:
            counted += outcome.rows // 21
        seen.add(outcome.worker)
        if len(seen) == workers and not start:
            start = time.perf_counter()
    return counted / (time.perf_counter() - start)


def compare(folder: Path, dataset: Dataset) -> Iterator[str]:
    todo = works(folder, dataset)
    rates: dict[str, list[float]] = {"inline, 2 threads": [], "2 actors of 1 thread": []}
    with RayPool(str(folder / "unused"), workers=2).session(dataset.images.nbytes):
        for turn in range(TURNS):
            inline = Inline(str(folder / f"inline{turn}"), threads=2)
            rates["inline, 2 threads"].append(throughput(inline, 1, todo, dataset))
            pool = RayPool(str(folder / f"ray{turn}"), workers=2)
            rates["2 actors of 1 thread"].append(throughput(pool, 2, todo, dataset))
    best = {name: max(own) for name, own in rates.items()}
    for name, own in rates.items():
        yield f"  {name:22} {best[name]:7.1f} samples/s ({', '.join(f'{rate:.1f}' for rate in own)})"
    yield f"  ratio                  {best['2 actors of 1 thread'] / best['inline, 2 threads']:7.2f} (bar: 0.95)"


def first_shard(folder: Path) -> Iterator[str]:
    """Seconds to the first outcome, three times on one cluster, with and without torch in its waiting workers."""
    warm = {"RAY_preload_python_modules": "workers.preloaded", "RAY_enable_worker_prestart": "1"}
    for name, settings in (("warm cluster", warm), ("plain cluster", {})):
        times = in_own_process(folder, settings)
        yield f"  to the first shard, {name:14} {', '.join(times)} s (bar: 3 s)"


def in_own_process(folder: Path, settings: dict[str, str]) -> list[str]:
    environment = os.environ | settings
    command = [sys.executable, "-m", "benchmarks.overhead", "first", str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the cluster did not run: {done.stderr}")
    return done.stdout.strip().splitlines()[-3:]


def on_warm_cluster(folder: Path) -> list[str]:
    """A head in this process, left alone for a while, then three runs."""
    dataset = load(DataSpec("mnist5k", "test", 256))
    todo = works(folder, dataset)[:4]
    prepare_environment(local=True)
    private_token()
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False, "object_store_memory": 2**28}
    )
    try:
        times = []
        for turn in range(3):
            time.sleep(20)  # it has been up for a while
            start = time.perf_counter()
            outcomes = RayPool(str(folder / f"first{turn}-{os.getpid()}"), workers=2, address=cluster.address).run(todo, dataset)
            outcome: Outcome = next(outcomes)
            times.append(f"{time.perf_counter() - start:.1f} (its measuring {outcome.seconds:.1f})")
            if not outcome.ok:
                raise RuntimeError(f"a shard failed: {outcome.error}")
            outcomes.close()  # type: ignore[attr-defined]
        return times
    finally:
        ray.shutdown()
        cluster.shutdown()


def main() -> None:
    if sys.argv[1:2] == ["first"]:
        print(*on_warm_cluster(Path(sys.argv[2])), sep="\n")
        return
    samples = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as name:
        dataset = load(DataSpec("mnist5k", "test", samples))
        print(f"sharding and storing: margins, LeNet, {samples} digits in shards of {SHARD} ({machine()})", flush=True)
        for line in compare(Path(name), dataset):
            print(line, flush=True)
        for line in first_shard(Path(name)):
            print(line, flush=True)


if __name__ == "__main__":
    main()
