"""Shares of fits: what a worker computes of one shard in one round, and puts into the store."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from advcore.classifier import Classifier, full_precision
from advcore.fits import FitState, Sums
from advcore.randomness import Randomness
from advcore.workers.datasets import Dataset, batch
from advcore.workers.errors import InputError
from advcore.workers.fit_files import ROUND, SHARE, read_round, write_share
from advcore.workers.learnt import LearntTensors
from advcore.workers.stores.retries import with_store_retries
from advcore.workers.stores.store import Store
from advcore.workers.tasks import Share


class StateReader:
    """The states of fits in a store, on a device; the last one read stays in memory."""

    def __init__(self, store: Store, device: str | torch.device = "cpu") -> None:
        self._store = store
        self._device = device
        self._held: tuple[str, FitState] | None = None

    def read(self, task: Share) -> FitState:
        """Return the state before the round of a share, with its tensors on the device.

        Raises InputError where the store has that of another round, or none.
        """
        if self._held is None or (self._held[0], self._held[1].rounds) != (task.state, task.round):
            self._held = None
            self._held = task.state, self._read(task)
        return self._held[1]

    def _read(self, task: Share) -> FitState:
        state = with_store_retries(lambda: read_round(self._store, task.state))
        if state is None or state.rounds != task.round:
            there = "none" if state is None else f"one after {state.rounds} rounds"
            raise InputError(
                f"{task.title} needs the state of its fit after {task.round} rounds, and the store "
                f"has {there}: another run has gone on with it; run again"
            )
        tensors = {name: value.to(self._device) for name, value in state.tensors.items()}
        return replace(state, tensors=tensors)


def compute_share(
    store: Store,
    task: Share,
    dataset: Dataset,
    model: Classifier,
    device: str | torch.device,
    states: StateReader,
    learnt: LearntTensors,
) -> None:
    """Compute the sums of a shard in a round, and put them into the store.

    Where the fit has ended meanwhile, they are removed again: nobody else would.

    Raises InputError where the state of that round is not there, ValueError for what are no sums.
    """
    state = states.read(task)
    samples = batch(dataset, task.shard, task.dtype, device, task.transform)
    fit = learnt.filled(task.fit, samples.inputs.dtype)
    with full_precision():
        sums = fit.share(model, samples, state, Randomness(task.seed, samples.indices))
    check_sums(sums)
    with_store_retries(lambda: write_share(store, task.key, sums))
    if with_store_retries(lambda: store.missing([task.state], ROUND)):
        with_store_retries(lambda: store.remove(task.key, SHARE))


def check_sums(sums: Sums) -> None:
    """Raise ValueError unless sums are tensors of numbers by name, none of them NaN."""
    if not isinstance(sums, Mapping) or not sums:
        raise ValueError(
            f"a fit must give a mapping of tensors for each shard; got {type(sums).__name__}"
        )
    for name, value in sums.items():
        if not isinstance(value, Tensor):
            raise ValueError(f"sum {name!r} must be a tensor; got a {type(value).__name__}")
        if value.isnan().any():
            raise ValueError(
                f"sum {name!r} holds NaN, which would spoil those of all shards: the model gives "
                "it for a sample of this one, or the fit divides by zero"
            )
