"""The epochs of a training, each saved, so that a killed training continues from its last one."""

import json
from collections.abc import Callable, Collection, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from advcore.randomness import Randomness
from advcore.training import Inputs, TrainingLoop, overfitting
from advcore.training.state import prefixed, with_prefix
from advcore.workers.checkpoints import bare_weights, read_metadata, read_tensors, save_tensors
from advcore.workers.datasets import batch, inputs_of
from advcore.workers.devices import resolve_device, threads_set
from advcore.workers.files import atomic_write
from advcore.workers.redaction import plain_without_secrets
from advcore.workers.shards import Shard
from advcore.workers.training.card import make_card
from advcore.workers.training.description import TrainingSpec
from advcore.workers.training.loading import Loaded, sample_subset
from advcore.workers.training.start import first_images, make_start

STATE, MODEL, ABOUT = "state.safetensors", "model.safetensors", "model.json"
"""Files in the folder of a training: all it needs to continue; the network as it would be handed
out now, and the inputs of its training."""


TESTED, HELD_OUT, READ = 1000, 500, 100
"""Samples that go through a network at a time between epochs: test ones, held-out ones, and either
where they are read from files."""

Look = Callable[[nn.Module], Mapping[str, float]]
"""Function that measures a network after an epoch."""


@dataclass(frozen=True)
class Progress:
    """An epoch that is saved: its number from 1, its numbers, and the folder to continue from."""

    epoch: int
    metrics: dict[str, float]
    folder: Path


def accuracy(network: nn.Module, images: Inputs, labels: Tensor, size: int = TESTED) -> float:
    """Return the share classified correctly, in batches of `size`."""
    with torch.no_grad():
        right = [
            (network(images[rows]).argmax(1) == labels[rows]).sum()
            for rows in torch.arange(len(images), device=images.device).split(size)
        ]
    return torch.stack(right).sum().item() / len(images)


def run_epochs(
    ready: Loaded,
    folder: Path,
    on: str = "auto",
    threads: int | None = None,
    keep: Collection[int] = (),
) -> Generator[Progress]:
    """Train, continuing from the state in `folder` if it is of exactly this training.

    Each epoch is written there before it is told, each file whole or not at all:
    `state.safetensors`, all that the next epoch needs, and of it `model.safetensors` with
    `model.json`, the network that would be handed out now and what it came of. So a training that
    is killed loses the epoch it was in, and ends as an undisturbed one: bit for bit on CPUs with
    the same number of threads. One that was finished yields nothing more. It runs `on` a device,
    with so many CPU threads while an epoch is computed, torch's own number for none. The networks
    after the epochs that it shall `keep` lie beside these, see `epoch_file`. Raises
    FloatingPointError where the objective is no longer finite.
    """
    training, device = ready.training, resolve_device(on)
    start = make_start(training, first_images(ready.data))
    images, labels = inputs_of(ready.data, device)
    fit = TrainingLoop(
        start.network.to(device),
        images,
        labels,
        training.recipe,
        box=ready.data.in_box,
        frozen=training.freeze,
        head=start.head,
    )
    looks = _looks(ready, device)
    count = threads or torch.get_num_threads()
    history = read_history(ready, folder)
    chosen: dict[str, Tensor] = {}
    if history:
        state = read_tensors(folder / STATE)
        fit.resume(with_prefix("fit", state))
        chosen = with_prefix("chosen", state)
        _hand_out(ready, chosen, history, folder, count)
    elif 0 in keep:
        _keep(ready, fit.result, 0, folder)
    while not is_over(training, history):
        with threads_set(count):
            epoch = fit.epoch()
            terms = {f"loss/{name}": value for name, value in epoch.terms.items()}
            metrics = {"loss": epoch.loss, **terms, "learning_rate": epoch.learning_rate}
            for look in looks:
                metrics |= {name: float(value) for name, value in look(fit.result).items()}
        history.append(metrics)
        metrics |= {
            f"overfitting/{name}": float(number) for name, number in overfitting(history).items()
        }
        if chosen_epoch(training, history) == epoch.number:
            chosen = {
                name: value.detach().clone() for name, value in bare_weights(fit.result).items()
            }
        note = json.dumps({"training": ready.identity_after(epoch.number), "history": history})
        save_tensors(
            prefixed(fit=fit.state(), chosen=chosen), folder / STATE, {"advcore.state": note}
        )
        _hand_out(ready, chosen, history, folder, count)
        if epoch.number in keep:
            _keep(ready, fit.result, epoch.number, folder)
        yield Progress(epoch.number, metrics, folder)


def epoch_file(epoch: int) -> str:
    """Return the name of the file of the network after an epoch, 0 for the one before the first."""
    return f"epoch-{epoch}.safetensors"


def _keep(ready: Loaded, network: nn.Module, epoch: int, folder: Path) -> None:
    words = {"advcore.training": ready.identity, "advcore.epoch": str(epoch)}
    save_tensors(bare_weights(network), folder / epoch_file(epoch), words)


def _looks(ready: Loaded, device: torch.device) -> list[Look]:
    """Return what is measured after each epoch: held-out samples, the watch, test samples."""
    validation, watch = ready.training.validation, ready.training.watch
    looks: list[Look] = []
    if validation is not None and ready.held_out is not None:
        held_out = inputs_of(ready.held_out, device)
        few = HELD_OUT if ready.held_out.in_memory else READ
        looks.append(lambda network: validation.measure(network, *held_out, few))
    if watch is not None:
        watched = sample_subset(ready.held_out or ready.data, watch.samples)
        probe = batch(watched, Shard(0, len(watched)), device=device)
        noise = Randomness(ready.training.recipe.seed, probe.indices).stream("watch")
        looks.append(
            lambda network: _prefixed("watch", watch(network, probe.inputs, probe.labels, noise))
        )
    if ready.test is not None:
        test, size = inputs_of(ready.test, device), TESTED if ready.test.in_memory else READ
        looks.append(lambda network: {"test_accuracy": accuracy(network, *test, size)})
    return looks


def _prefixed(kind: str, numbers: Mapping[str, float]) -> dict[str, float]:
    return {f"{kind}/{name}": value for name, value in numbers.items()}


def is_over(training: TrainingSpec, history: list[dict[str, float]]) -> bool:
    """True after the last epoch, and before it by validation's patience or by overfitting."""
    if len(history) >= training.recipe.epochs:
        return True
    overfitted = bool(history) and any(name.startswith("overfitting/") for name in history[-1])
    patience = training.validation is not None and training.validation.stops(history)
    return patience or (overfitted and training.on_overfitting != "report")


def chosen_epoch(training: TrainingSpec, history: list[dict[str, float]]) -> int:
    """Return the number of the epoch that would be kept now."""
    back = training.on_overfitting == "back"
    if training.validation is not None and (training.validation.keep_best or back):
        return training.validation.best(history)
    if back:
        return max(range(len(history)), key=lambda epoch: history[epoch]["watch/pgd_accuracy"]) + 1
    return len(history)


def read_history(ready: Loaded, folder: Path) -> list[dict[str, float]]:
    """Return the numbers of the epochs saved in the folder, if they are of this training."""
    note = json.loads(read_metadata(folder / STATE).get("advcore.state", "{}"))
    history: list[dict[str, float]] = note.get("history", [])
    return history if note.get("training") == ready.identity_after(len(history)) else []


def _hand_out(
    ready: Loaded,
    weights: dict[str, Tensor],
    history: list[dict[str, float]],
    folder: Path,
    threads: int,
) -> None:
    """Save the network as it would be kept now, with its description beside it."""
    about = {
        "training": ready.identity,
        "settings": plain_without_secrets(ready.training.settings),
        "data": ready.digest,
        "epoch": chosen_epoch(ready.training, history),
        "metrics": history,
        "threads": threads,  # weights depend on their number
    }
    with atomic_write(folder / ABOUT) as unfinished:
        unfinished.write_text(json.dumps(about, indent=1))
    save_tensors(weights, folder / MODEL, make_card(about))
