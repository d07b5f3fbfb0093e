"""What graph studies cost their driver: many small trainings, and many shards of little work.

A study of 20 and one of 200 trainings of a perceptron on digits, each network measured in one
shard: the driver's processor time, threads of Ray included, is that of a whole study, reports and
figures too, so the difference of the two is that of the trainings. Then 100 trainings whose
networks are measured in 10 shards each, and in 200 each: the difference is that of 19,000 shards.
The driver's own memory is looked at all along. With the word `profile` one study says where its
time goes.
"""

import cProfile
import json
import os
import pstats
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from advcore.pipelines import run
from advcore.pipelines.graph.settings import GraphStudy
from advcore.pipelines.settings import schema
from benchmarks.setting import machine
from benchmarks.trainings import own_memory

WORKERS = 2
FEW, MANY = 20, 200
NETWORKS, SAMPLES = 100, 200


@dataclass(frozen=True)
class Spent:
    """Seconds of a driver's processor time and of wall time, and its own memory, in MB."""

    processor: float
    wall: float
    memory: list[float]


def study(out: Path, trainings: int, samples: int, shard_size: int) -> dict[str, Any]:
    """Trainings of a perceptron, each network measured by a cheap probe."""
    learnt = {"recipe": {"base": "plain", "set": {"epochs": 1}}, "data": "train", "seed": "$seed"}
    return {
        "name": "many",
        "axes": {"seed": trainings},
        "data_sets": {
            "train": {"name": "digits", "split": "train", "samples": 200},
            "test": {"name": "digits", "samples": samples},
        },
        "models": {"plain": learnt | {"network": {"architecture": "perceptron", "width": 16}}},
        "probes": {
            "robustness": {
                "kind": "robustness",
                "model": "plain",
                "data": "test",
                "eps": [0.01],
                "attacks": [{"kind": "fgsm", "norm": "linf"}],
                "masking": False,
            }
        },
        "run": {
            "out": str(out),
            "runner": "ray",
            "workers": WORKERS,
            "threads": 1,
            "track": False,
            "shard_size": shard_size,
        },
    }


def spend(settings: dict[str, Any]) -> Spent:
    """Run a study in this process."""
    whole, memory, over = schema.structure(GraphStudy, settings), [own_memory()], threading.Event()

    def look() -> None:
        while not over.wait(0.5):
            memory.append(own_memory())

    watch = threading.Thread(target=look)
    processor, wall = time.process_time(), time.perf_counter()
    watch.start()
    run(whole)
    over.set()
    watch.join()
    return Spent(time.process_time() - processor, time.perf_counter() - wall, memory)


def in_a_process(*numbers: int) -> Spent:
    """Run a study in a process of its own."""
    line = [sys.executable, "-m", "benchmarks.graph_studies", *map(str, numbers)]
    told = subprocess.run(line, check=True, capture_output=True, text=True).stdout
    processor, wall, memory = json.loads(told.splitlines()[-1])
    return Spent(processor, wall, memory)


def lines() -> Iterator[str]:
    few, many = (in_a_process(count, 40, 40) for count in (FEW, MANY))
    yield told(f"{MANY} trainings", few, many, MANY - FEW, 50)
    few, many = (in_a_process(NETWORKS, SAMPLES, size) for size in (20, 1))
    count = NETWORKS * SAMPLES
    yield told(f"{count} shards", few, many, count - NETWORKS * 10, 2)


def told(what: str, few: Spent, many: Spent, more: int, bar: int) -> str:
    each, start = 1000 * (many.processor - few.processor) / more, len(many.memory) // 4
    return (
        f"  {what}: {many.wall:.0f} s, of it {many.processor:.1f} s of the driver's processor "
        f"time, {each:.2f} ms each (bar: {bar}); its own memory {many.memory[start]:.0f} MB after "
        f"a quarter of the time, {many.memory[-1]:.0f} MB at the end, {max(many.memory):.0f} MB "
        "at most"
    )


def profiled(whole: dict[str, Any]) -> None:
    profile = cProfile.Profile(time.process_time)
    profile.runcall(run, schema.structure(GraphStudy, whole))
    for order in ("cumulative", "tottime"):
        pstats.Stats(profile).sort_stats(order).print_stats(60)


def main() -> None:
    words = [word for word in sys.argv[1:] if word != "profile"]
    if not words:
        print(f"graph studies, {machine()}, load {os.getloadavg()[0]:.1f}", flush=True)
        for line in lines():
            print(line, flush=True)
        return
    with tempfile.TemporaryDirectory() as name:
        whole = study(Path(name), *map(int, words))
        if "profile" in sys.argv:
            profiled(whole)
        else:
            print(json.dumps(astuple(spend(whole))))


if __name__ == "__main__":
    main()
