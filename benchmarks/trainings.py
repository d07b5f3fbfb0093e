"""What trainings side by side gain, and what many of them cost the driver.

Four equal trainings of a LeNet on mnist5k, one thread each: one after the other in this process,
then on two actors. The clock of the actors begins when both have given a result, so start-up is not
in it. Then 200 small trainings in one run: the driver's own memory, and its processor time, threads
of Ray included.
"""

import hashlib
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from advcore.training import Recipe
from advcore.workers.datasets import Dataset, DataSpec, load
from advcore.workers.inline import Inline
from advcore.workers.models import ModelSpec
from advcore.workers.pool.ray_runner import RayPool
from advcore.workers.tasks import DATA, TaskResult, Train, Work
from advcore.workers.training.description import TrainingSpec
from benchmarks.setting import machine

WORKERS, EQUAL, EPOCHS = 2, 4, 12
SMALL = 200


def training(name: str, model: ModelSpec, dataset: Dataset, epochs: int, seed: int) -> Train:
    """A plain training, whose settings are those that count here."""
    settings = {
        "model": asdict(model),
        "data": {"name": "made"},
        "recipe": {"epochs": epochs, "seed": seed, "changes": []},
        "validation": None,
        "watch": None,
        "on_overfitting": "report",
    }
    recipe = Recipe(epochs=epochs, seed=seed)
    spec = TrainingSpec(name, model, recipe, None, None, "report", settings)
    identity = spec.identity(dataset.digest)
    key = hashlib.sha256(f"{identity} 1".encode()).hexdigest()
    return Train(key, name, spec, dataset.digest, identity)


def finished(result: TaskResult) -> TaskResult:
    if not result.ok:
        raise RuntimeError(f"a training failed: {result.error}")
    return result


def one_after_the_other(folder: Path, todo: Sequence[Train], dataset: Dataset) -> float:
    """Seconds in this process, after a first training that is not counted."""
    runner = Inline(str(folder / "inline"), 1)
    first = training("first", todo[0].training.model, dataset, 1, 99)
    for result in runner.run([first], {DATA: dataset}):
        finished(result)
    start = time.perf_counter()
    for result in runner.run(todo, {DATA: dataset}):
        finished(result)
    return time.perf_counter() - start


def side_by_side(folder: Path, todo: Sequence[Train], dataset: Dataset) -> tuple[float, float]:
    """Seconds on the actors, from when each of them has given a result, and the share of them in
    which an actor trains.
    """
    seen: set[str] = set()
    start, busy, keys = 0.0, 0.0, {task.key for task in todo}

    def after(result: TaskResult) -> Sequence[Work]:
        """One training after the other that is not counted, then all that are."""
        nonlocal start
        if start:
            return ()
        seen.add(finished(result).worker)
        if len(seen) == WORKERS:
            start = time.perf_counter()
            return todo
        again = int(result.name) + 1
        return [training(str(again), todo[0].training.model, dataset, 1, again)]

    first = [training(str(seed), todo[0].training.model, dataset, 1, seed) for seed in (100, 200)]
    for result in RayPool(str(folder / "ray"), WORKERS).run(first, {DATA: dataset}, after):
        busy += finished(result).seconds if result.key in keys else 0.0
    wall = time.perf_counter() - start
    return wall, busy / wall / WORKERS


def compare(folder: Path, epochs: int) -> Iterator[str]:
    dataset = load(DataSpec("mnist5k", split="train"))
    lenet = ModelSpec("lenet")
    todo = [training(f"seed {seed}", lenet, dataset, epochs, seed) for seed in range(EQUAL)]
    alone = one_after_the_other(folder, todo, dataset)
    together, busy = side_by_side(folder, todo, dataset)
    yield (
        f"  {EQUAL} trainings of {epochs} epochs: {alone:.1f} s one after the other, "
        f"{together:.1f} s on {WORKERS} workers, which train {busy:.0%} of it: "
        f"{alone / together:.2f} times as fast (bar: 1.8)"
    )


def many(folder: Path) -> Iterator[str]:
    dataset = load(DataSpec("digits", split="train", samples=200))
    model = ModelSpec("perceptron", arguments={"side": 8})
    todo = [training(f"seed {seed}", model, dataset, 2, seed) for seed in range(SMALL)]
    memory, processor, wall = [], time.process_time(), time.perf_counter()
    pool = RayPool(str(folder / "many"), WORKERS)
    for done, result in enumerate(pool.run(todo, {DATA: dataset})):
        finished(result)
        if done == SMALL // 10:  # what connecting costs is not a training's
            processor, wall = time.process_time(), time.perf_counter()
        if done % (SMALL // 10) == 0:
            memory.append(own_memory())
    counted = SMALL - SMALL // 10 - 1
    yield (
        f"  {SMALL} small trainings: {1000 * (time.perf_counter() - wall) / counted:.0f} ms each, "
        f"of it {1000 * (time.process_time() - processor) / counted:.1f} ms of the driver's "
        f"processor time (bar: 50); its own memory {memory[1]:.0f} MB after a tenth, "
        f"{memory[-1]:.0f} MB at the end, {max(memory):.0f} MB at most"
    )


def own_memory() -> float:
    """Megabytes that this process holds and shares with none."""
    status = Path("/proc/self/status").read_text()
    found = re.search(r"RssAnon:\s+(\d+) kB", status)
    return int(found[1]) / 1e3 if found else float("nan")


def main() -> None:
    epochs = int(sys.argv[1]) if len(sys.argv) == 2 else EPOCHS
    print(f"trainings side by side, {machine()}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with RayPool(str(folder / "unused"), WORKERS).session():
            for lines in (compare(folder, epochs), many(folder)):
                for line in lines:
                    print(line, flush=True)


if __name__ == "__main__":
    main()
