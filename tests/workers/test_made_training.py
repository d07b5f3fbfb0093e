"""Samples that are made in a store, then learnt and measured like any other data set."""

import numpy as np
import pytest
import torch
from tiny_probes import PLAIN, Look, tasks, training

from advcore.attacks import PGD
from advcore.derived import AdversarialExamples, PseudoLabelled
from advcore.probes.table import Columns
from advcore.workers.datasets import Dataset, made, sources
from advcore.workers.datasets.derived import Relabelled, Union
from advcore.workers.datasets.made import MadeInputs, made_dataset
from advcore.workers.inline import Inline
from advcore.workers.made import Making
from advcore.workers.models import build
from advcore.workers.pool.ray_runner import RayPool
from advcore.workers.slices import trained_model
from advcore.workers.stores.store import open_store
from advcore.workers.tasks import DATA

D_RAND = AdversarialExamples(PGD(1.0, "l2", 5), "random", "target")


def made_in(store: str, dataset: Dataset, derivation) -> Dataset:
    todo = tasks(dataset, Making(derivation), size=6)
    assert all(one.ok for one in Inline(store, 1).run(todo, {DATA: dataset}))
    inside = derivation.stays_in_box(dataset.in_box)
    return made_dataset(store, [task.key for task in todo], dataset, inside)


def weights(store: str, task) -> dict[str, torch.Tensor]:
    return build(trained_model(open_store(store), task)).state_dict()


def same(one: Columns, other: Columns) -> bool:
    """Equal tensors bit for bit; columns of words, the workers' names, aside."""
    return all(torch.equal(one[name], other[name]) for name in one if name not in words(one))


def words(columns: Columns) -> set[str]:
    return {name for name, column in columns.items() if not isinstance(column, torch.Tensor)}


def in_memory(data: Dataset) -> Dataset:
    images = data.take(np.arange(len(data)))
    return Dataset(images, data.labels, data.indices, data.names)


def test_the_control_has_the_same_labels(dataset, store):
    there = made_in(store, dataset, D_RAND)
    control = Relabelled("root", "random", seed=7).apply({"root": dataset})  # the tasks' seed
    assert np.array_equal(there.labels, control.labels)
    moved = there.take(np.arange(20)) - dataset.images / np.float32(255)
    assert np.linalg.norm(moved.reshape(20, -1), axis=1).min() > 0.5
    assert np.linalg.norm(moved.reshape(20, -1), axis=1).max() < 1 + 1e-5


@pytest.mark.parametrize("sent", [sources.SENT, 0])
def test_it_is_learnt_as_the_same_array_is(dataset, store, tmp_path, monkeypatch, sent):
    there = made_in(store, dataset, D_RAND)
    assert isinstance(there.images, MadeInputs)
    task = training(there)
    monkeypatch.setattr(sources, "SENT", sent)
    *_, done = Inline(store, 1).run([task], {DATA: there})
    assert done.ok, done.error
    *_, other = Inline(str(tmp_path / "other"), 1).run([task], {DATA: in_memory(there)})
    assert other.ok, other.error
    assert same(weights(store, task), weights(str(tmp_path / "other"), task))


def test_it_is_measured_as_the_same_array_is(dataset, store, tmp_path):
    there = made_in(store, dataset, D_RAND)
    todo = tasks(there, Look(), size=7)
    assert all(one.ok for one in Inline(store, 1).run(todo, {DATA: there}))
    other = str(tmp_path / "other")
    assert all(one.ok for one in Inline(other, 1).run(todo, {DATA: in_memory(there)}))
    keys = [task.key for task in todo]
    one, two = open_store(store).read_all(keys), open_store(other).read_all(keys)
    assert same(one, two)


def test_pseudo_labels_are_learnt_beside_true_ones(dataset, store):
    some = dataset.chosen(np.arange(8))
    rest = made_in(store, dataset.chosen(np.arange(8, 20)), PseudoLabelled())
    both = Union(("some", "rest")).apply({"some": some, "rest": rest})
    assert both.in_memory
    said = build(PLAIN)(torch.from_numpy(dataset.images) / 255).argmax(1).numpy()
    assert np.array_equal(both.labels, np.r_[dataset.labels[:8], said[8:]])
    assert np.array_equal(both.indices, dataset.indices)


def test_rows_that_went_missing_fail_the_tasks_that_need_them(dataset, store):
    there = made_in(store, dataset, D_RAND)
    made._held.clear()
    open_store(store).path(there.images.keys[1]).unlink()
    first, second, *_ = Inline(store, 1).run(tasks(there, Look(), size=6), {DATA: there})
    assert first.ok
    assert not second.ok
    assert "measure that shard first" in second.error


def test_on_ray_it_is_the_same(ray_running, dataset, store, tmp_path):
    there = made_in(store, dataset, D_RAND)
    todo, here = tasks(there, Look(), size=4), str(tmp_path / "here")
    assert all(one.ok for one in RayPool(store, 2).run(todo, {DATA: there}))
    assert all(one.ok for one in Inline(here, 1).run(todo, {DATA: there}))
    keys = [task.key for task in todo]
    one, two = open_store(store).read_all(keys), open_store(here).read_all(keys)
    assert same(one, two)
