"""What sharding and storing cost on real work.

Margins of a LeNet in 21 DCT blocks: two actors of one thread against the inline runner with two
threads, both writing every shard to a store. Throughput counts from when every worker has given its
first shard, so start-up is not in it, to the last shard.
"""

import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from advcore.probes import Margins
from advcore.subspaces import DCTDiagonal
from advcore.workers.checkpoints import save_checkpoint
from advcore.workers.datasets import Dataset, DataSpec, load
from advcore.workers.inline import Inline
from advcore.workers.keys import work_key
from advcore.workers.models import ModelSpec, content_hash
from advcore.workers.pool.ray_runner import RayPool
from advcore.workers.shards import split
from advcore.workers.tasks import DATA, Runner, Task
from benchmarks.setting import machine, trained_lenet

SHARD, TURNS = 64, 2


def works(folder: Path, dataset: Dataset, size: int = SHARD) -> list[Task]:
    """Margins of a trained LeNet on all samples."""
    checkpoint = folder / "lenet.safetensors"
    if not checkpoint.exists():
        save_checkpoint(trained_lenet(), checkpoint, {})
    model = ModelSpec("lenet", checkpoint=str(checkpoint))
    digest = content_hash(model)
    probe = Margins(family=DCTDiagonal(size=8, stride=1))
    first = Task("", "lenet/margins", model, digest, probe, split(1, 1)[0], 0)
    keyed = [
        (shard, work_key(digest, dataset.digest, {}, shard, 0, "float32"))
        for shard in split(len(dataset), size)
    ]
    return [replace(first, key=key, shard=shard) for shard, key in keyed]


def throughput(runner: Runner, workers: int, todo: Sequence[Task], dataset: Dataset) -> float:
    """Samples a second, from when each of so many workers has given its first shard to the last
    one.
    """
    seen: set[str] = set()
    start, counted = 0.0, 0
    for outcome in runner.run(todo, {DATA: dataset}):
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
        yield (
            f"  {name:22} {best[name]:7.1f} samples/s ({', '.join(f'{rate:.1f}' for rate in own)})"
        )
    yield (
        "  ratio                  "
        f"{best['2 actors of 1 thread'] / best['inline, 2 threads']:7.2f} (bar: 0.95)"
    )


def main() -> None:
    samples = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as name:
        dataset = load(DataSpec("mnist5k", "test", samples))
        print(
            (
                f"sharding and storing: margins, LeNet, {samples} digits in shards of {SHARD} "
                f"({machine()})"
            ),
            flush=True,
        )
        for line in compare(Path(name), dataset):
            print(line, flush=True)


if __name__ == "__main__":
    main()
