"""Train one network by one recipe: in epochs that go on where they were left, and as one MLflow run."""

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from advcore.training import Fit
from pipelines import schema
from pipelines.environment import environment_tags
from pipelines.record import Run
from pipelines.tracking import make_tracker
from pipelines.training import Loaded, Training, TrainSettings, loaded
from workers.actor import resolve_device
from workers.checkpoints import check_writable, read_metadata, read_tensors, save_checkpoint, save_tensors, whole
from workers.datasets import Dataset, batch
from workers.models import build, content_hash
from workers.refusal import Refused
from workers.shards import Shard

__all__ = ["Progress", "TrainSettings", "Trained", "Training", "accuracy", "epochs", "train"]

STATE, MODEL, ABOUT = "state.safetensors", "model.safetensors", "model.json"
"""What lies in the folder of a training: all it needs to go on; the network as it would be handed out now, and what it came of."""


@dataclass(frozen=True)
class Progress:
    """An epoch that is written down: its number from 1, its numbers, and the folder where the training can be gone on with."""

    epoch: int
    metrics: dict[str, float]
    folder: Path


@dataclass(frozen=True)
class Trained:
    """The checkpoint, whether it had been there already, and the last epoch's numbers (none when it had)."""

    checkpoint: Path
    already: bool
    metrics: dict[str, float]


def epochs(training: Training, folder: Path) -> Iterator[Progress]:
    """Train, and go on from what lies in `folder` where that is the state of exactly this training.

    Each epoch is written there before it is told, each file whole or not at all: `state.safetensors`, all that the next epoch
    needs, and of it `model.safetensors` with `model.json`, the network that would be handed out now and what it came of. So a
    training that is killed loses the epoch it was in, and ends as an undisturbed one: bit for bit on CPUs with the same number of
    threads. One that was finished yields nothing more. Raises Refused before any work for what cannot work, and FloatingPointError
    where the objective is no longer finite.
    """
    yield from _epochs(loaded(training), folder)


def train(training: Training) -> Trained:
    """Train to the end, or on from where that was left, unless the checkpoint of exactly this training is there.

    Raises Refused before any work for what cannot work.
    """
    ready = loaded(training)
    checkpoint = training.checkpoint
    if read_metadata(checkpoint).get("advcore.training") == ready.identity:
        return Trained(checkpoint, True, {})
    folder = checkpoint.parents[1] / "training" / training.name
    for place in (checkpoint.parent, folder):
        check_writable(place)
    out = checkpoint.parents[1]
    record = make_tracker(training.run.track, training.run.tracking_uri, out).open(
        training.run.experiment, ready.identity, training.name
    )
    status = "FAILED"
    try:
        record.start()
        _describe(record, ready)
        metrics = _watched(ready, folder, record)
        record.artifact(folder / MODEL, "model")
        record.artifact(folder / ABOUT, "model")
        record.tags({"advcore.model": content_hash(replace(training.model, checkpoint=str(folder / MODEL)))})
        for name, place in ((ABOUT, checkpoint.with_suffix(".json")), (MODEL, checkpoint)):
            with whole(place) as unfinished:
                shutil.copyfile(folder / name, unfinished)
        shutil.rmtree(folder)
        status = "FINISHED"
        return Trained(checkpoint, False, metrics)
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    except FloatingPointError as error:
        raise Refused(f"training {training.name} diverged: {error}") from error
    finally:
        record.end(status)


def accuracy(network: nn.Module, images: Tensor, labels: Tensor, size: int = 1000) -> float:
    """The share classified right, in batches of `size`."""
    with torch.no_grad():
        right = [
            (network(part).argmax(1) == truth).sum() for part, truth in zip(images.split(size), labels.split(size), strict=True)
        ]
    return torch.stack(right).sum().item() / len(images)


def _epochs(ready: Loaded, folder: Path) -> Iterator[Progress]:
    training = ready.training
    device = resolve_device(training.run.device)
    network = build(training.model).to(device).requires_grad_()
    samples = batch(ready.data, Shard(0, len(ready.data)), device=device)
    fit = Fit(network, samples.images, samples.labels, training.recipe, box=ready.data.transform is None)
    history = _history(ready, folder)
    if history:
        fit.resume(read_tensors(folder / STATE))
        _hand_out(ready, network, history, folder)
    while fit.done < training.recipe.epochs:
        with _threads(training.run.threads):
            epoch = fit.epoch()
            terms = {f"loss/{name}": value for name, value in epoch.terms.items()}
            metrics = {"loss": epoch.loss, **terms, "learning_rate": epoch.learning_rate}
            if ready.test is not None:
                metrics["test_accuracy"] = _accuracy(network, ready.test, device)
        history.append(metrics)
        note = json.dumps({"training": ready.identity, "history": history})
        save_tensors(fit.state(), folder / STATE, {"advcore.state": note})
        _hand_out(ready, network, history, folder)
        yield Progress(epoch.number, metrics, folder)


def _history(ready: Loaded, folder: Path) -> list[dict[str, float]]:
    """The numbers of the epochs that are done and written in the folder, if they are of this training."""
    note = json.loads(read_metadata(folder / STATE).get("advcore.state", "{}"))
    return note["history"] if note.get("training") == ready.identity else []


def _hand_out(ready: Loaded, network: nn.Module, history: list[dict[str, float]], folder: Path) -> None:
    """The network as it would be handed out now, and beside it what it came of."""
    settings = schema.unstructure(ready.training)
    about = {
        "training": ready.identity,
        "settings": {name: value for name, value in settings.items() if name != "run"},
        "data": ready.data.digest,
        "epoch": len(history),
        "metrics": history,
    }
    with whole(folder / ABOUT) as unfinished:
        unfinished.write_text(json.dumps(about, indent=1))
    save_checkpoint(network, folder / MODEL, {"advcore.training": ready.identity})


def _watched(ready: Loaded, folder: Path, record: Run) -> dict[str, float]:
    """The epochs under a bar and in the record, also those that were done before; gives the last one's numbers."""
    history = _history(ready, folder)
    for number, metrics in enumerate(history, 1):
        record.metrics(metrics, number)
    name, total = ready.training.name, ready.training.recipe.epochs
    with tqdm(total=total, initial=len(history), desc=f"train {name}", unit="epoch", file=sys.stderr) as bar:
        for progress in _epochs(ready, folder):
            history.append(progress.metrics)
            record.metrics(progress.metrics, progress.epoch)
            bar.set_postfix({name: f"{value:.4g}" for name, value in progress.metrics.items() if name != "learning_rate"}, False)
            bar.update()
    return history[-1]


def _describe(record: Run, ready: Loaded) -> None:
    training, data, test = ready.training, ready.data, ready.test
    settings = schema.unstructure(training)
    record.params(schema.flatten({name: settings[name] for name in ("model", "data", "recipe")}))
    record.tags({"advcore.data": data.digest, **environment_tags()})
    record.data(training.data.name, data.digest, len(data), data.shape, training.data.name, "training")
    if training.test is not None and test is not None:
        record.data(training.test.name, test.digest, len(test), test.shape, training.test.name, "testing")


def _accuracy(network: nn.Module, dataset: Dataset, device: torch.device) -> float:
    samples = batch(dataset, Shard(0, len(dataset)), device=device)
    return accuracy(network, samples.images, samples.labels)


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """So many CPU threads inside, as before on exit."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
