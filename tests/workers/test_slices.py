"""Trainings in slices: in one process, gone on with, started from others, beside measuring."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_probes import PLAIN, Look, tasks, training

from advcore.training import Validation
from advcore.workers.actor import Worker
from advcore.workers.checkpoints import read_metadata, read_weights
from advcore.workers.datasets import batch
from advcore.workers.inline import Inline
from advcore.workers.models import build, content_hash
from advcore.workers.shards import Shard
from advcore.workers.slices import (
    NETWORK,
    PROGRESS,
    read_origin,
    saved_epochs,
    trained_model,
)
from advcore.workers.stores.store import open_store
from advcore.workers.tasks import DATA
from advcore.workers.training.epoch_loop import accuracy, run_epochs
from advcore.workers.training.loading import with_samples


def bytes_of(store, task):
    with open(open_store(store).place_of(task.key, NETWORK), "rb") as file:
        return file.read()


def in_slices(location, task, dataset):
    """The results of slices by a worker, as on Ray."""
    open_store(location)
    worker = Worker(location, 1, "cpu")
    while True:
        result = worker.train(task, dataset, None)
        yield result
        if result.done:
            return


def test_a_training_gives_a_result_a_slice_and_ends_as_in_one_go(dataset, tmp_path):
    whole, sliced = training(dataset), replace(training(dataset), seconds=0.0)
    (once,) = in_slices(str(tmp_path / "once"), whole, dataset)
    slices = list(in_slices(str(tmp_path / "slices"), sliced, dataset))
    assert [(one.epoch, one.done, one.ok) for one in slices] == [
        (1, False, True),
        (2, False, True),
        (3, False, True),
        (4, True, True),
    ]
    assert [metrics for one in slices for metrics in one.metrics] == list(once.metrics)
    assert len({metrics["loss"] for metrics in once.metrics}) == 4
    assert bytes_of(str(tmp_path / "slices"), sliced) == bytes_of(str(tmp_path / "once"), whole)
    assert slices[-1].network == once.network != ""
    assert {one.network for one in slices[:-1]} == {""}


def test_in_this_process_a_training_gives_a_result_an_epoch_and_the_same_bits(dataset, tmp_path):
    task, sliced = training(dataset), str(tmp_path / "slices")
    results = list(Inline(str(tmp_path / "epochs"), 1).run([task], {DATA: dataset}))
    assert [(one.epoch, one.done) for one in results] == [
        (1, False),
        (2, False),
        (3, False),
        (4, True),
    ]
    slices = list(in_slices(sliced, replace(task, seconds=0.0), dataset))
    assert [one.metrics for one in results] == [one.metrics for one in slices]
    assert bytes_of(str(tmp_path / "epochs"), task) == bytes_of(sliced, task)


def test_it_is_the_same_training_as_in_a_folder(dataset, store, tmp_path):
    task = training(dataset)
    list(Inline(store, 1).run([task], {DATA: dataset}))
    ready = with_samples(task.training, dataset, None, task.digest, task.identity)
    *_, last = run_epochs(ready, tmp_path / "folder", "cpu", 1)
    assert bytes_of(store, task) == (tmp_path / "folder/model.safetensors").read_bytes()
    origin = json.loads((tmp_path / "folder/model.json").read_text())
    assert read_origin(open_store(store), task.key) == origin
    assert origin["metrics"][-1] == last.metrics


def test_the_store_holds_a_state_until_the_network_is_there(dataset, store):
    task, place = replace(training(dataset), seconds=0.0), open_store(store)
    running = in_slices(store, task, dataset)
    for epoch in (1, 2, 3):
        next(running)
        assert place.has(task.key, PROGRESS)
        assert saved_epochs(place, task.key) == epoch
        assert not place.has(task.key, NETWORK)
    last = next(running)
    assert (place.has(task.key, NETWORK), place.has(task.key, PROGRESS)) == (True, False)
    assert saved_epochs(place, task.key) == 0
    model = trained_model(place, task)
    assert last.network == content_hash(model)
    learnt = batch(dataset, Shard(0, len(dataset)))
    assert accuracy(build(model), learnt.inputs, learnt.labels) > accuracy(
        build(PLAIN), learnt.inputs, learnt.labels
    )


def test_a_finished_one_answers_at_once_and_of_a_key_there_is_one(dataset, store):
    task = training(dataset)
    *_, first = Inline(store, 1).run([task, task], {DATA: dataset})
    (again,) = Inline(store, 1).run([task], {DATA: dataset})
    assert first.epoch == 4
    assert (again.ok, again.done, again.epoch, again.metrics) == (True, True, 4, ())
    assert again.network == first.network


def test_another_runner_goes_on_from_the_last_epoch(dataset, tmp_path):
    task = replace(training(dataset), seconds=0.0)
    left = str(tmp_path / "left")
    running = in_slices(left, task, dataset)
    told = [next(running), next(running)]
    running.close()
    told += in_slices(left, task, dataset)
    assert [one.epoch for one in told] == [1, 2, 3, 4]
    list(Inline(str(tmp_path / "whole"), 1).run([task], {DATA: dataset}))
    assert bytes_of(left, task) == bytes_of(str(tmp_path / "whole"), task)


def test_threads_are_of_the_training_and_restored(dataset, store):
    before = torch.get_num_threads()
    task = replace(training(dataset, threads=2), seconds=0.0)
    running = Inline(store, 1).run([task], {DATA: dataset})
    next(running)
    assert torch.get_num_threads() == 1
    list(running)
    assert torch.get_num_threads() == before
    assert read_origin(open_store(store), task.key)["threads"] == 2


def test_each_epoch_is_tested_on_the_data_set_that_is_named(dataset, store):
    task = replace(training(dataset), data="learn", test="test")
    *_, result = Inline(store, 1).run([task], {"learn": dataset, "test": dataset})
    learnt = batch(dataset, Shard(0, len(dataset)))
    network = build(trained_model(open_store(store), task))
    assert result.metrics[-1]["test_accuracy"] == accuracy(network, learnt.inputs, learnt.labels)


def test_a_training_starts_from_the_network_of_another_and_releases_measuring(dataset, store):
    first, place = training(dataset, "first"), open_store(store)
    tuned = replace(
        training(dataset, "tuned", learning_rate=1e-6), start=place.place_of(first.key, NETWORK)
    )
    looks = tasks(dataset, Look(), size=20)

    def after(result):
        if result.key == first.key:
            return [tuned]
        if result.key == tuned.key:
            model = trained_model(place, tuned)
            return [replace(looks[0], model=model, model_hash=result.network)]
        return []

    results = list(Inline(store, 1).run([first], {DATA: dataset}, after))
    assert [(result.key, result.ok) for result in results if result.done] == [
        (first.key, True),
        (tuned.key, True),
        (looks[0].key, True),
    ]
    one, other = (read_weights(place.place_of(task.key, NETWORK)) for task in (first, tuned))
    for name, value in one.items():
        torch.testing.assert_close(value, other[name], rtol=1e-2, atol=1e-4)
    assert read_metadata(place.place_of(tuned.key, NETWORK))["advcore.epoch"] == "4"
    assert place.has(looks[0].key)


def test_a_training_that_diverges_fails_and_keeps_what_was_made(dataset, store):
    task = training(dataset, learning_rate=1e30, gradient_clip=None)
    (result,) = Inline(store, 1).run([task], {DATA: dataset})
    assert (result.ok, result.done) == (False, True)
    assert "FloatingPointError: the objective is" in result.error
    assert not open_store(store).has(task.key, NETWORK)


def test_a_state_of_another_training_under_its_key_is_none(dataset, store):
    one = replace(training(dataset), seconds=0.0)
    running = in_slices(store, one, dataset)
    next(running)
    running.close()
    other = replace(training(dataset, seed=1), key=one.key, seconds=0.0)
    assert [result.epoch for result in in_slices(store, other, dataset)] == [1, 2, 3, 4]


@pytest.mark.parametrize("ending", [NETWORK, PROGRESS])
def test_files_beside_the_rows(store, tmp_path, ending):
    place, key, file = open_store(store), "ab" * 32, tmp_path / "file"
    assert not place.fetch(key, ending, file)
    for content in (b"one", b"other"):
        file.write_bytes(content)
        place.put(key, ending, file)
    assert place.has(key, ending)
    assert not place.has(key)
    assert place.missing([key, "cd" * 32], ending) == ["cd" * 32]
    file.unlink()
    assert place.fetch(key, ending, file)
    assert file.read_bytes() == b"other"
    place.remove(key, ending)
    place.remove(key, ending)
    assert not place.has(key, ending)
    with pytest.raises(ValueError, match="a key of rows is made of"):
        place.put("../ab", ending, file)


def test_patience_ends_a_training_and_the_best_epoch_is_handed_out(dataset, store, tmp_path):
    """A learning rate that wrecks the network: no epoch is better than the first."""
    task = replace(training(dataset, learning_rate=50.0, gradient_clip=None), seconds=0.0)
    validation = Validation(samples=8, patience=2)
    settings = {**task.training.settings, "validation": {"samples": 8, "patience": 2}}
    spec = replace(task.training, validation=validation, settings=settings)
    task = replace(task, training=spec)
    slices = list(in_slices(store, task, dataset))
    ready = with_samples(spec, dataset, None, task.digest, task.identity)
    epochs = list(run_epochs(ready, tmp_path / "folder", "cpu", 1))
    assert [one.epoch for one in slices] == [one.epoch for one in epochs]
    assert [one.done for one in slices] == [False] * (len(epochs) - 1) + [True]
    assert bytes_of(store, task) == (tmp_path / "folder/model.safetensors").read_bytes()
    origin = read_origin(open_store(store), task.key)
    history = [one.metrics for one in epochs]
    assert origin["epoch"] == validation.best(history)
    assert validation.stops(history)
    assert len(epochs) == origin["epoch"] + 2


def test_a_new_last_layer_on_frozen_ones_in_slices(dataset, store, tmp_path):
    """A start of other classes; what is frozen stays, and slices end as one go."""
    nine, place = replace(PLAIN, classes=9), open_store(store)
    few = dataset.chosen(np.flatnonzero(dataset.labels < 9))
    first = training(few, "nine", model=nine)
    tuned = replace(training(dataset, "ten"), start=place.place_of(first.key, NETWORK))
    spec = replace(tuned.training, freeze=("*",), head="new")
    tuned = replace(tuned, training=spec, key=f"aa{tuned.key}", seconds=0.0)
    data = {"few": few, "all": dataset}
    list(Inline(store, 1).run([replace(first, data="few")], data))
    results = list(in_slices(store, tuned, dataset))
    assert all(result.ok for result in results), results[-1].error
    assert [one.epoch for one in results] == [1, 2, 3, 4]
    start, end = (read_weights(place.place_of(task.key, NETWORK)) for task in (first, tuned))
    *kept, weight, bias = start
    assert kept
    assert all(start[name].equal(end[name]) for name in kept)
    assert (len(start[weight]), len(end[weight]), len(end[bias])) == (9, 10, 10)
    whole = str(tmp_path / "whole")
    list(Inline(whole, 1).run([replace(tuned, data="all")], data))
    assert bytes_of(whole, tuned) == bytes_of(store, tuned)
