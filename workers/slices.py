"""Trainings in slices: each continues from the state in the store, for some seconds.

In the store lie, under the key of a training: after each epoch its state, and in the end, in place
of it, the network as a checkpoint and beside it what it came of.
"""

import json
import time
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from advcore.workers.checkpoints import read_metadata
from advcore.workers.datasets import Dataset
from advcore.workers.learnt import filled
from advcore.workers.models import ModelSpec, content_hash, with_local_checkpoint
from advcore.workers.scratch import scratch_folder
from advcore.workers.stores.retries import with_store_retries
from advcore.workers.stores.store import Store
from advcore.workers.tasks import Train
from advcore.workers.training.epoch_loop import (
    ABOUT,
    MODEL,
    STATE,
    epoch_file,
    is_over,
    read_history,
    run_epochs,
)
from advcore.workers.training.loading import with_samples

NETWORK, ORIGIN, PROGRESS = ".safetensors", ".json", ".state.safetensors"
"""Endings of the files in the store: the finished network, what it came of, the last epoch's
state."""


@dataclass(frozen=True)
class Slice:
    """The end of a slice, or of an epoch.

    Attributes:
        epoch: number of epochs that there are.
        metrics: numbers of those that this slice made.
        network: the finished network's `content_hash`; empty before.
    """

    epoch: int
    metrics: tuple[Mapping[str, float], ...] = ()
    network: str = ""


def train_slice(
    store: Store, task: Train, data: Dataset, test: Dataset | None, device: str
) -> Slice:
    """Train for `task.seconds`, an epoch at least, or to the end, see `train_epochs`."""
    end = time.monotonic() + task.seconds
    made: list[Mapping[str, float]] = []
    with closing(train_epochs(store, task, data, test, device)) as running:
        for part in running:
            made += part.metrics
            if part.network or time.monotonic() >= end:
                break
    return replace(part, metrics=tuple(made))


def train_epochs(
    store: Store, task: Train, data: Dataset, test: Dataset | None, device: str
) -> Generator[Slice]:
    """Train to the end, a slice of each epoch; a finished training has one without epochs.

    Each epoch is in the store before the next one begins. Raises InputError for what cannot work,
    and FloatingPointError where the objective is no longer finite.
    """
    if is_stored(store, task):
        yield _finished(store, task, ())
        return
    ready = with_samples(
        replace(
            task.training,
            model=with_store_retries(lambda: first_model(task)),
            recipe=filled(task.training.recipe, store),
        ),
        data,
        test,
        task.digest,
        task.identity,
    )
    last: tuple[Mapping[str, float], ...] = ()
    with scratch_folder() as folder:
        with_store_retries(lambda: store.fetch(task.key, PROGRESS, folder / STATE))
        history = read_history(ready, folder)
        if any(epoch <= len(history) for epoch in missing_epochs(store, task)):
            (folder / STATE).unlink(missing_ok=True)  # these epochs are over: once more from first
            history = []
        with closing(run_epochs(ready, folder, device, task.threads, task.keep)) as running:
            for progress in running:
                history.append(progress.metrics)
                _put_epochs(store, task, folder)
                if is_over(ready.training, history):
                    last = (progress.metrics,)
                else:
                    with_store_retries(lambda: store.put(task.key, PROGRESS, folder / STATE))
                    yield Slice(progress.epoch, (progress.metrics,))
        with_store_retries(lambda: store.put(task.key, ORIGIN, folder / ABOUT))
        with_store_retries(lambda: store.put(task.key, NETWORK, folder / MODEL))
        with_store_retries(lambda: store.remove(task.key, PROGRESS))
    yield _finished(store, task, last)


def is_stored(store: Store, task: Train) -> bool:
    """Return whether a training's network is in the store, and those of its epochs."""
    there = with_store_retries(lambda: store.has(task.key, NETWORK))
    return there and not missing_epochs(store, task)


def epoch_ending(epoch: int) -> str:
    """Return the ending of the file in the store of the network after an epoch."""
    return f".{epoch_file(epoch)}"


def missing_epochs(store: Store, task: Train) -> list[int]:
    """Return the numbers of the epochs to be kept whose networks the store lacks."""
    return [
        epoch
        for epoch in task.keep
        if not with_store_retries(partial(store.has, task.key, epoch_ending(epoch)))
    ]


def _put_epochs(store: Store, task: Train, folder: Path) -> None:
    """Put the networks of the epochs to be kept into the store, once each."""
    for epoch in task.keep:
        file = folder / epoch_file(epoch)
        if file.is_file():
            with_store_retries(partial(store.put, task.key, epoch_ending(epoch), file))
            file.unlink()


def first_model(task: Train) -> ModelSpec:
    """Return the network with its first weights in a file on this machine."""
    model = task.training.model
    return with_local_checkpoint(
        model if task.start is None else replace(model, checkpoint=task.start)
    )


def trained_model(store: Store, task: Train) -> ModelSpec:
    """Return the network as any machine can build it that sees the store, once it is finished."""
    return replace(task.training.model, checkpoint=store.place_of(task.key, NETWORK))


def read_origin(store: Store, key: str) -> dict[str, Any]:
    """Return what a finished network came of: settings, the epoch handed out, numbers of all.

    Raises FileNotFoundError where there is none of this key.
    """
    with TemporaryDirectory() as name:
        file = Path(name) / ABOUT
        store.fetch(key, ORIGIN, file)
        origin: dict[str, Any] = json.loads(file.read_text())
        return origin


def saved_epochs(store: Store, key: str) -> int:
    """Return the number of epochs in the state of a training that is not finished."""
    return len(saved_history(store, key))


def saved_history(store: Store, key: str) -> list[dict[str, float]]:
    """Return the numbers of the epochs in the state of a training that is not finished."""
    with TemporaryDirectory() as name:
        file = Path(name) / STATE
        if not store.fetch(key, PROGRESS, file):
            return []
        note = json.loads(read_metadata(file).get("advcore.state", "{}"))
        history: list[dict[str, float]] = note.get("history", [])
        return history


def _finished(store: Store, task: Train, made: tuple[Mapping[str, float], ...]) -> Slice:
    digest = with_store_retries(lambda: content_hash(trained_model(store, task)))
    return Slice(len(read_origin(store, task.key)["metrics"]), made, digest)
