"""Fits in rounds: in one process, gone on with, spoilt, and beside other work."""

import os
from pathlib import Path

import torch
from tiny_fits import MODEL, Mean, rounds

from advcore.randomness import Randomness
from advcore.workers.datasets import batch
from advcore.workers.fit_files import (
    FINISHED,
    read_finished,
)
from advcore.workers.inline import Inline
from advcore.workers.models import build
from advcore.workers.shards import split
from advcore.workers.stores.store import open_store
from advcore.workers.tasks import DATA


def run(location, own, dataset):
    """Run a fit to its end in this process."""
    runner = Inline(location, 1)
    return list(runner.run(own.released(), {DATA: dataset}, own.took))


def fit_bytes(location, key="f00d"):
    return Path(open_store(location).place_of(key, FINISHED)).read_bytes()


def files(location):
    """All files of fits in a store, by name."""
    return sorted(path.name for path in Path(location).rglob("*.safetensors"))


def test_a_fit_is_what_its_rounds_say(dataset, store):
    own = rounds(dataset, Mean(), open_store(store))
    results = run(store, own, dataset)
    assert [(one.ok, one.done) for one in results] == [(True, True)] * 14  # two rounds of seven
    sums = [torch.zeros(1, 8, 8, dtype=torch.float64) for _ in range(2)]
    logits = torch.zeros(10, dtype=torch.float64)
    parts = [batch(dataset, shard) for shard in split(len(dataset), 3)]
    noisy = [part.inputs + 0.1 * Randomness(7, part.indices).normal((1, 8, 8)) for part in parts]
    for inputs in noisy:
        sums[0] += inputs.sum(0)
    mean = sums[0] / len(dataset)
    for inputs in noisy:
        sums[1] += ((inputs - mean.float()) ** 2).sum(0)
        logits += build(MODEL)(inputs).sum(0)
    state = read_finished(open_store(store), "f00d")
    assert (state.rounds, state.done, own.failed) == (2, True, None)
    assert torch.equal(state.tensors["mean"], mean)
    assert torch.equal(state.tensors["square"], (sums[1] / len(dataset)).transpose(1, 2))
    assert torch.equal(state.tensors["logits"], logits)
    size = (float(mean.norm()), float((sums[1] / len(dataset)).norm()))
    assert state.history == own.finished.history == {"size": size}
    assert files(store) == ["f00d.fit.safetensors"]


def test_a_finished_fit_is_taken_as_it_is(dataset, store, tmp_path):
    fit = Mean(folder=str(tmp_path))
    run(store, rounds(dataset, fit, open_store(store)), dataset)
    before = set(os.listdir(tmp_path))
    own = rounds(dataset, fit, open_store(store))
    assert own.released() == []
    assert own.finished.rounds == 2
    assert set(os.listdir(tmp_path)) == before
