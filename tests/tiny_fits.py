"""Fits that take milliseconds, and some that misbehave; importable by a worker by their names."""

import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from advcore.derived import Made
from advcore.fits import FitSamples, FitState, Sums
from advcore.learnt import Learnt
from advcore.probes.probe import Batch
from advcore.randomness import Randomness
from advcore.workers.datasets import Dataset
from advcore.workers.models import ModelSpec, content_hash
from advcore.workers.rounds import Rounds
from advcore.workers.shards import split
from advcore.workers.stores.store import Store
from advcore.workers.tasks import Share

MODEL = ModelSpec("perceptron", arguments={"side": 8})


@dataclass(frozen=True)
class Mean:
    """The mean input in a first round; in a second one the mean square around it, and logits.

    `bad` is the index of a sample at which the shards that hold it misbehave, in the round `at`
    (from 0): `how` says whether they raise, give NaN, or, where the file `marker` is not there yet,
    kill their worker or take long. Each share leaves a file in `folder`, if there is one.
    """

    bad: int = -1
    at: int = 1
    how: str = "raises"
    marker: str = ""
    folder: str = ""
    seconds: float = 0.0
    about: Learnt | None = None

    def validate(self, samples: FitSamples) -> None:
        pass

    def tensors(self, samples: FitSamples) -> Mapping[str, tuple[int, ...]]:
        return {"mean": samples.shape}

    def start(self, samples: FitSamples) -> FitState:
        return FitState({"mean": torch.zeros(samples.shape, dtype=torch.float64)})

    def shards(self, state: FitState, count: int) -> Sequence[int]:
        return range(count)

    def share(self, classifier: Any, batch: Batch, state: FitState, randomness: Randomness) -> Sums:
        time.sleep(self.seconds)
        if self.folder:
            Path(self.folder, f"{state.rounds}-{batch.start}-{time.time_ns()}").touch()
        trouble = self.bad in batch.indices and state.rounds == self.at
        if trouble and self.how == "raises":
            raise ArithmeticError(f"sample {self.bad} has no share")
        if trouble and self.how == "dies" and not Path(self.marker).exists():
            Path(self.marker).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if trouble and self.how == "lasts" and not Path(self.marker).exists():
            Path(self.marker).touch()
            time.sleep(600)
        mean = state.tensors["mean"].to(batch.inputs)
        if self.about is not None:
            mean = mean + self.about["mean"]
        inputs = batch.inputs + 0.1 * randomness.normal((1, 8, 8)).to(batch.inputs)
        if state.rounds == 0:
            return {"sum": inputs.sum(0)}
        squares = ((inputs - mean) ** 2).sum(0)
        if trouble and self.how == "nan":
            squares = squares * torch.nan
        return {"sum": squares, "logits": classifier(inputs).sum(0), "one": torch.tensor(1.0)}

    def after(self, samples: FitSamples, state: FitState, sums: Sums) -> FitState:
        mean = sums["sum"] / samples.count
        history = {"size": (*state.history.get("size", ()), float(mean.norm()))}
        if state.rounds == 0:
            return replace(state, tensors={"mean": mean}, rounds=1, history=history)
        tensors = {**state.tensors, "square": mean.transpose(1, 2), "logits": sums["logits"]}
        return FitState(tensors, 2, True, history)


@dataclass(frozen=True)
class Batches(Mean):
    """Rounds of one shard each, as long as there are shards."""

    rounds: int = 5

    def validate(self, samples: FitSamples) -> None:
        if self.rounds < 1:
            raise ValueError("a fit needs a round")

    def shards(self, state: FitState, count: int) -> Sequence[int]:
        return [state.rounds % count]

    def share(self, classifier: Any, batch: Batch, state: FitState, randomness: Randomness) -> Sums:
        return {"sum": batch.inputs.sum(0) + state.tensors["mean"].to(batch.inputs)}

    def after(self, samples: FitSamples, state: FitState, sums: Sums) -> FitState:
        made = state.rounds + 1
        return FitState({"mean": sums["sum"]}, made, made == self.rounds)


@dataclass(frozen=True)
class Shifted:
    """A probe with a fit in a list of its settings: logits of inputs that are shifted by it."""

    fits: tuple[Learnt, ...] = ()
    by_name: dict[str, Learnt] = field(default_factory=dict)

    def measure(self, classifier: Any, batch: Batch, randomness: Randomness) -> dict[str, Tensor]:
        shift = sum(fit["mean"] for fit in (*self.fits, *self.by_name.values()))
        return {"sample": batch.indices, "logits": classifier(batch.inputs + shift)}


def template(dataset: Dataset, fit: Any, key: str = "f00d", dtype: str = "float32") -> Share:
    """A share of a fit, of which round and shard are to be filled in."""
    samples = FitSamples(dataset.shape, dataset.classes, len(dataset), 7)
    shard = split(1, 1)[0]
    digest = content_hash(MODEL)
    return Share("", "fits.tiny", MODEL, digest, fit, samples, key, 0, shard, 7, dtype)


def rounds(dataset: Dataset, fit: Any, store: Store, key: str = "f00d", size: int = 3) -> Rounds:
    """The rounds of a fit, in shards of three."""
    return Rounds(template(dataset, fit, key), split(len(dataset), size), store)


@dataclass(frozen=True)
class Noised:
    """Samples with noise, labelled as the next class.

    A shard with the sample `bad` kills its worker, where the file `marker` is not there yet.
    """

    size: float = 0.1
    along: Learnt | None = None
    bad: int = -1
    marker: str = ""
    wrong: str = ""

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        if self.size > 1:
            raise ValueError("too much noise")

    def make(self, classifier: Any, batch: Batch, randomness: Randomness) -> Made:
        if self.bad in batch.indices and not Path(self.marker).exists():
            Path(self.marker).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        noise = randomness.normal(batch.inputs.shape[1:]).to(batch.inputs)
        if self.along is not None:
            noise = noise * self.along["mean"]
        inputs = batch.inputs + self.size * noise
        labels = (batch.labels + 1) % 10
        found = classifier(inputs).argmax(1) != batch.labels
        columns = {"found": found}
        if self.wrong == "labels":
            labels = labels.float()
        elif self.wrong == "count":
            inputs = inputs[1:]
        elif self.wrong == "finite":
            inputs = torch.cat([inputs[:1] / 0, inputs[1:]])
        elif self.wrong == "columns":
            columns = {"label": labels}
        return Made(None if self.wrong == "none" else inputs, labels, columns)


@dataclass(frozen=True)
class Crooked(Batches):
    """Raises, or says what cannot be, at its start, its shards, or its step."""

    where: str = "start"

    def start(self, samples: FitSamples) -> FitState:
        if self.where == "start":
            raise ArithmeticError("no start")
        return super().start(samples)

    def shards(self, state: FitState, count: int) -> Sequence[int]:
        return [0, count] if self.where == "shards" else [0]

    def after(self, samples: FitSamples, state: FitState, sums: Sums) -> FitState:
        if self.where == "step":
            raise ArithmeticError("no step")
        return replace(super().after(samples, state, sums), rounds=0)


@dataclass(frozen=True)
class Rude(Batches):
    """Changes the weights of the network."""

    def share(self, classifier: Any, batch: Batch, state: FitState, randomness: Randomness) -> Sums:
        with torch.no_grad():
            next(classifier.parameters()).mul_(2)
        return super().share(classifier, batch, state, randomness)
