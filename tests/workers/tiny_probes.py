"""Probes that take milliseconds, and some that misbehave; importable by name, as a worker needs
it.
"""

import hashlib
import os
import signal
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from advcore.probes.probe import Batch, Columns
from advcore.randomness import Randomness
from advcore.training import Recipe
from advcore.workers.datasets import Dataset
from advcore.workers.keys import work_key
from advcore.workers.models import ModelSpec, content_hash
from advcore.workers.shards import split
from advcore.workers.tasks import Task, Train
from advcore.workers.training.description import TrainingSpec

PLAIN = ModelSpec("perceptron", arguments={"side": 8})


@dataclass(frozen=True)
class Look:
    """Logits and noise of each sample."""

    scale: float = 1.0

    def measure(self, classifier: Any, batch: Batch, randomness: Randomness) -> Columns:
        noise = randomness.normal((1, 8, 8))
        logits = classifier(batch.inputs + self.scale * noise.to(batch.inputs.dtype))
        words = [str(int(label)) for label in batch.labels]
        found = logits.argmax(1) == batch.labels
        return {
            "sample": batch.indices,
            "logits": logits,
            "noise": noise,
            "word": words,
            "found": found,
        }


@dataclass(frozen=True)
class Slow(Look):
    seconds: float = 0.3

    def measure(self, classifier: Any, batch: Batch, randomness: Randomness) -> Columns:
        time.sleep(self.seconds)
        return super().measure(classifier, batch, randomness)


@dataclass(frozen=True)
class Meeting(Look):
    """Waits until `parties` processes have come to measure, for a minute at most."""

    parties: int = 2
    folder: str = ""

    def measure(self, classifier: Any, batch: Batch, randomness: Randomness) -> Columns:
        Path(self.folder, str(os.getpid())).touch()
        deadline = time.monotonic() + 60
        while len(os.listdir(self.folder)) < self.parties and time.monotonic() < deadline:
            time.sleep(0.01)
        return super().measure(classifier, batch, randomness)


@dataclass(frozen=True)
class Failing(Look):
    """Raises for the shard that holds the sample `bad`, and notes each try in `folder`."""

    bad: int = 0
    folder: str = ""

    def measure(self, classifier: Any, batch: Batch, randomness: Randomness) -> Columns:
        if self.bad in batch.indices:
            Path(self.folder, f"try{time.time_ns()}").touch()
            raise ArithmeticError(f"sample {self.bad} cannot be measured")
        return super().measure(classifier, batch, randomness)


@dataclass(frozen=True)
class Deadly(Look):
    """Kills its own process when it sees the sample `bad`: once, or always."""

    bad: int = 0
    marker: str = ""
    always: bool = False

    def measure(self, classifier: Any, batch: Batch, randomness: Randomness) -> Columns:
        if self.bad in batch.indices and (self.always or not Path(self.marker).exists()):
            Path(self.marker).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().measure(classifier, batch, randomness)


@dataclass(frozen=True)
class Crooked(Look):
    """Columns that differ in length."""

    def measure(self, classifier: Any, batch: Batch, randomness: Randomness) -> Columns:
        return {"sample": batch.indices, "logits": torch.zeros(1)}


class Unreadable(Look):
    """Cannot be unpickled."""

    def __reduce__(self) -> Any:
        return _refuse_to_load, ()


def _refuse_to_load() -> None:
    raise ImportError("this probe is not installed here")


def tasks(
    dataset: Dataset, probe: Any, size: int = 4, model: ModelSpec = PLAIN, seed: int = 7
) -> list[Task]:
    """One work for each shard of `size`."""
    model_hash = content_hash(model)
    settings = {"kind": type(probe).__name__, **asdict(probe)}
    template = Task(
        "",
        f"{model.architecture}/{type(probe).__name__}",
        model,
        model_hash,
        probe,
        split(1, 1)[0],
        seed,
    )
    shards = split(len(dataset), size)
    return [
        replace(
            template,
            key=work_key(model_hash, dataset.digest, settings, shard, seed, "float32"),
            shard=shard,
        )
        for shard in shards
    ]


@dataclass(frozen=True)
class Rude(Look):
    """Changes what it is given in place: its images, the network's weights, its mode; or leaves by
    sys.exit.
    """

    how: str = "images"

    def measure(self, classifier: Any, batch: Batch, randomness: Randomness) -> Columns:
        columns = super().measure(classifier, batch, randomness)
        if self.how == "images":
            batch.inputs.zero_()
            batch.labels.zero_()
            batch.indices.zero_()
            columns = {**columns, "sample": batch.indices}
        elif self.how == "weights":
            with torch.no_grad():
                next(classifier.parameters()).mul_(2)
        elif self.how == "data":
            next(classifier.parameters()).data[0] += 1
        elif self.how == "mode":
            classifier.train()
        elif self.how == "hook":
            classifier.register_forward_hook(lambda *_: None)
        elif self.how == "raises":
            next(classifier.parameters()).data.zero_()
            raise ArithmeticError("halfway")
        else:
            sys.exit(0)
        return columns


@dataclass(frozen=True)
class DeadlyWatch:
    """Kills its own process at a certain look, unless the marker is there.

    It notes each look by an empty file in `folder`, named by the process and the time.
    """

    samples: int = 4
    marker: str = ""
    folder: str = ""
    at: int = 0
    seconds: float = 0.0

    def __call__(
        self, network: Any, images: torch.Tensor, labels: torch.Tensor, randomness: Any
    ) -> dict[str, float]:
        time.sleep(self.seconds)
        looks = Path(self.folder)
        number = len(list(looks.iterdir()))
        Path(looks, f"{os.getpid()}-{time.time_ns()}").touch()
        if number + 1 == self.at and not Path(self.marker).exists():
            Path(self.marker).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return {"mean": network(images).mean().item()}


def training(
    dataset: Dataset,
    name: str = "small",
    watch: Any = None,
    threads: int = 1,
    model: ModelSpec = PLAIN,
    **recipe: Any,
) -> Train:
    """A training of four epochs of five steps."""
    recipe = {"epochs": 4, "batch_size": 4, **recipe}
    settings = {
        "model": asdict(model),
        "data": {"name": "made"},
        "recipe": {**recipe, "changes": []},
        "validation": None,
        "watch": None if watch is None else asdict(watch),
        "on_overfitting": "report",
    }
    spec = TrainingSpec(name, model, Recipe(**recipe), None, watch, "report", settings)
    identity = spec.identity(dataset.digest)
    key = hashlib.sha256(f"{identity} {threads}".encode()).hexdigest()
    return Train(key, name, spec, dataset.digest, identity, threads=threads)
