"""What the graph adds to the rounds of a fit, and the memory of driver and workers along them.

Directions of shared curvature of a small convolutional network on images 3 x 224 x 224 from an
archive. Alone: the same shares, read and computed one after the other in a process without a store.
In a study, inline, and on two workers of Ray: a run of few rounds is taken off one of many, so that
start, training and report are not in the difference. Processor time is that of the driver and of
all processes below it, so other work on the machine spoils it less than the clock's.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from advcore.fits import CurvedDirections, FitSamples
from advcore.fits.rounds import next_round
from advcore.probes.probe import Batch
from advcore.workers.datasets import Dataset, DataSpec, batch, load
from advcore.workers.models import ModelSpec, build
from advcore.workers.shards import split
from benchmarks.big_data import anonymous, processor_times
from benchmarks.setting import machine

IMAGES, SHAPE, SHARD = 2000, (3, 224, 224), 50
FEW, MANY = 1, 5
TURN_SECONDS = 0.5
PARTS = 5
"""Parts of a run, of each of which the most memory is told."""
NETWORK = """
from torch import nn


def conv(num_classes=2):
    return nn.Sequential(
        nn.Conv2d(3, 8, 7, 4), nn.Softplus(), nn.Conv2d(8, 16, 3, 2), nn.Softplus(),
        nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(256, num_classes),
    )
"""


@dataclass(frozen=True)
class Batches(Sequence[Batch]):
    """Shards that are read when they are asked for."""

    dataset: Dataset

    def __len__(self) -> int:
        return len(split(len(self.dataset), SHARD))

    def __getitem__(self, place: Any) -> Any:
        return batch(self.dataset, split(len(self.dataset), SHARD)[place])


def settings(rounds: int) -> dict[str, Any]:
    return {"directions": 2, "extra": 2, "rounds": rounds, "tolerance": 1e-30}


def write(folder: Path, images: int) -> None:
    """Write images of random pixels, labelled at random, and the module of the network."""
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (images, *SHAPE), np.uint8)
    np.savez(folder / "made.npz", images=pixels, labels=generator.integers(0, 2, images))
    (folder / "small_conv.py").write_text(NETWORK)


def study(folder: Path, runner: str, rounds: int) -> Path:
    """Write the study's file."""
    place = {"runner": runner} | ({"workers": 2} if runner == "ray" else {})
    whole = {
        "name": "rounds",
        "data_sets": {
            "learn": {"name": f"npz:{folder / 'made.npz'}"},
            "few": {"kind": "subset", "of": "learn", "samples": 2},
        },
        "models": {"small": {"architecture": "small_conv:conv", "classes": 2}},
        "fits": {
            "curved": {
                "kind": "shared_curvature",
                "model": "small",
                "data": "learn",
                "shard_size": SHARD,
                **settings(rounds),
            }
        },
        "probes": {
            "robustness": {
                "kind": "robustness",
                "model": "small",
                "data": "few",
                "eps": [0.01],
                "attacks": [{"kind": "fgsm", "norm": "linf"}],
                "masking": False,
            }
        },
        "run": {"out": str(folder / f"{runner}-{rounds}"), "track": False, "threads": 1, **place},
    }
    file = folder / f"{runner}-{rounds}.yaml"
    file.write_text(json.dumps(whole))
    return file


@dataclass(frozen=True)
class Spent:
    """Seconds of wall time and of processor time, and bytes of anonymous memory of each kind of
    process along the way, of those of one kind the most.
    """

    wall: float
    processor: float
    memory: list[dict[str, int]]


def spend(folder: Path, runner: str, rounds: int) -> Spent:
    file, start = study(folder, runner, rounds), time.perf_counter()
    command, memory = [sys.executable, "-m", "advcore.pipelines.cli", "run", str(file)], []
    used: dict[int, float] = {}
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL) as driver:
        while driver.poll() is None:
            memory.append(anonymous(driver.pid))
            used |= processor_times(driver.pid)
            time.sleep(TURN_SECONDS)
    if driver.returncode:
        raise SystemExit(f"the study failed with status {driver.returncode}")
    return Spent(time.perf_counter() - start, sum(used.values()), memory)


def told(memory: list[dict[str, int]]) -> None:
    """Print the anonymous memory of each large kind of process, part by part of its life."""
    kinds: dict[str, list[float]] = {}
    for one in memory:
        here: dict[str, float] = {}
        for process, value in one.items():  # a worker of Ray is called after what it does
            kind = process.partition(".")[0]
            here[kind] = max(here.get(kind, 0), value / 1e6)
        for kind, most in here.items():
            kinds.setdefault(kind, []).append(most)
    for kind, values in sorted(kinds.items()):
        if max(values) > 200:
            parts = ", ".join(f"{part.max():.0f}" for part in np.array_split(values, PARTS))
            print(f"    {kind}: {parts} MB, the most in each of {PARTS} parts of its life")


def alone(folder: Path) -> tuple[float, float]:
    """Wall and processor seconds of the rounds between `FEW` and `MANY`, without a store."""
    torch.set_num_threads(1)
    sys.path.insert(0, str(folder))
    network = build(ModelSpec("small_conv:conv", classes=2))
    dataset = load(DataSpec(f"npz:{folder / 'made.npz'}"))
    fit, samples = CurvedDirections(**settings(MANY)), FitSamples(SHAPE, 2, len(dataset))
    state, batches = fit.start(samples), Batches(dataset)
    while state.rounds < FEW:
        state = next_round(fit, network, batches, samples, state)
    wall, processor = time.perf_counter(), time.process_time()
    while not state.done:
        state = next_round(fit, network, batches, samples, state)
    return time.perf_counter() - wall, time.process_time() - processor


def main() -> None:
    images = int(sys.argv[1]) if len(sys.argv) == 2 else IMAGES
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, images)
        print(f"rounds of a fit, {images} images {SHAPE}, {machine()}", flush=True)
        wall, processor = alone(folder)
        print(f"  alone: {MANY - FEW} rounds, {wall:.1f} s, {processor:.1f} s of processor time")
        for runner in ("inline", "ray"):
            few, many = (spend(folder, runner, rounds) for rounds in (FEW, MANY))
            more, used = many.wall - few.wall, many.processor - few.processor
            print(
                f"  {runner}: {more:.1f} s, {more / wall:.2f} times; {used:.1f} s of processor "
                f"time, {used / processor:.2f} times (bar: 1.3)",
                flush=True,
            )
            told(many.memory)


if __name__ == "__main__":
    main()
