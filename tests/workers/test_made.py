"""Samples that derivations make, measured as any other rows are."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_rounds import run
from tiny_fits import MODEL, Mean, Noised, rounds
from tiny_probes import tasks

from advcore.derived import Inverted
from advcore.learnt import Learnt
from advcore.probes.table import Table
from advcore.randomness import Randomness
from advcore.workers.datasets import batch
from advcore.workers.datasets.batches import batch_for, other_rows
from advcore.workers.datasets.union import Union
from advcore.workers.errors import InputError
from advcore.workers.fit_files import read_finished
from advcore.workers.inline import Inline
from advcore.workers.made import Making
from advcore.workers.models import build
from advcore.workers.pool.ray_runner import RayPool
from advcore.workers.shards import Shard
from advcore.workers.stores.store import open_store
from advcore.workers.tasks import DATA


def made_by(location, todo):
    return open_store(location).read_all([task.key for task in todo])


def test_rows_are_the_samples(dataset, store):
    todo = tasks(dataset, Making(Noised()), size=6)
    assert all(one.ok for one in Inline(store, 1).run(todo, {DATA: dataset}))
    rows = made_by(store, todo)
    whole = batch(dataset, Shard(0, len(dataset)))
    inputs = whole.inputs + 0.1 * Randomness(7, whole.indices).normal((1, 8, 8))
    assert list(rows) == ["sample", "label", "input", "found"]
    assert torch.equal(rows["sample"], whole.indices)
    assert torch.equal(rows["label"], (whole.labels + 1) % 10)
    assert torch.equal(rows["input"], inputs)
    assert (rows["label"].dtype, rows["input"].dtype) == (torch.int64, torch.float32)
    found = build(MODEL)(inputs).argmax(1) != whole.labels
    assert torch.equal(rows["found"], found)
    summary = Making(Noised()).summarise(Table(rows))
    assert summary.scalars == {"samples": 20.0, "found": pytest.approx(found.float().mean().item())}
    assert {summary.meaning(name) for name in summary.scalars} > {
        "number of samples that were made"
    }
    assert Making(Noised()).charts({"m": Table(rows)}) == []


def test_doubles_are_stored_in_float32(dataset, store):
    todo = [replace(task, dtype="float64") for task in tasks(dataset, Making(Noised()))]
    assert all(one.ok for one in Inline(store, 1).run(todo, {DATA: dataset}))
    assert made_by(store, todo)["input"].dtype == torch.float32


def test_labels_alone_need_no_inputs(dataset, store):
    todo = tasks(dataset, Making(Noised(wrong="none")))
    assert all(one.ok for one in Inline(store, 1).run(todo, {DATA: dataset}))
    assert list(made_by(store, todo)) == ["sample", "label", "found"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("labels", r"one label for each of its 4 samples, int64; got \(4,\) torch.float32"),
        ("count", r"one input of each of its 4 samples, .*; got \(3, 1, 8, 8\)"),
        ("finite", "not finite, of the samples 0$"),
        ("columns", "name its columns otherwise than label"),
    ],
)
def test_what_are_no_samples(dataset, wrong, said):
    part = batch(dataset, Shard(0, 4))
    with pytest.raises(ValueError, match=said):
        Making(Noised(wrong=wrong)).measure(build(MODEL), part, Randomness(7, part.indices))


def test_settings_that_can_make_nothing():
    Making(Noised()).validate((1, 8, 8), 10)
    with pytest.raises(ValueError, match="too much noise"):
        Making(Noised(size=2.0)).validate((1, 8, 8), 10)


def test_samples_made_with_a_fit(dataset, store):
    own = rounds(dataset, Mean(), open_store(store))
    run(store, own, dataset)
    todo = tasks(dataset, Making(Noised(along=Learnt("mean", "f00d"))))
    assert all(one.ok for one in Inline(store, 1).run(todo, {DATA: dataset}))
    mean = read_finished(open_store(store), "f00d").tensors["mean"].float()
    whole = batch(dataset, Shard(0, len(dataset)))
    noise = Randomness(7, whole.indices).normal((1, 8, 8)) * mean
    assert torch.equal(made_by(store, todo)["input"], whole.inputs + 0.1 * noise)


def test_another_sample_beside_each_whatever_the_shards(dataset, store):
    def began(size):
        made = Making(Inverted(steps=2))
        todo = tasks(dataset, made, size=size)
        assert all(one.ok for one in Inline(f"{store}{size}", 1).run(todo, {DATA: dataset}))
        return made_by(f"{store}{size}", todo)

    whole, parts = began(20), began(6)
    assert torch.equal(whole["began_at"], parts["began_at"])
    assert torch.allclose(whole["input"], parts["input"], atol=1e-5)
    assert (whole["residual"] < whole["before"]).all()
    assert not (whole["began_at"] == whole["sample"]).any()
    assert set(whole["began_at"].tolist()) <= set(whole["sample"].tolist())
    own = batch_for(Making(Inverted()), dataset, Shard(4, 9), seed=7)
    assert torch.equal(own.others.indices, whole["began_at"][4:9])
    rows = torch.as_tensor(np.searchsorted(dataset.indices, own.others.indices))
    assert torch.equal(own.others.inputs, batch(dataset, Shard(0, 20)).inputs[rows])
    assert torch.equal(own.take(slice(1, 3)).others.indices, own.others.indices[1:3])
    assert batch_for(Making(Inverted("noise")), dataset, Shard(4, 9)).others is None
    with pytest.raises(InputError, match="at least 2 samples; got 1"):
        batch_for(Making(Inverted()), dataset.chosen(np.arange(1)), Shard(0, 1))


def test_every_other_sample_is_as_likely(dataset):
    drawn = [other_rows(dataset, np.array([3]), seed).item() for seed in range(1900)]
    counts = np.bincount(drawn, minlength=20)
    assert counts[3] == 0
    assert ((counts[np.arange(20) != 3] - 100) ** 2 / 100).sum() < 42.3  # .001 of chi^2 with 18


def test_in_a_union_of_a_data_set_with_itself_another_index_may_be_the_same_image(dataset):
    one = dataset.chosen(np.arange(1))
    both = Union(("one", "one")).apply({"one": one})
    own = batch_for(Making(Inverted()), both, Shard(0, 2))
    assert torch.equal(own.others.indices, own.indices.flip(0))
    assert torch.equal(own.others.inputs, own.inputs)


def test_a_killed_worker_and_the_same_samples(ray_running, dataset, store, tmp_path):
    ray = str(tmp_path / "ray")
    todo = tasks(dataset, Making(Noised(bad=33, marker=str(tmp_path / "killed"))))
    results = list(RayPool(ray, 2).run(todo, {DATA: dataset}))
    assert (tmp_path / "killed").exists()
    assert all(one.ok for one in results)
    assert max(one.tries for one in results) == 2
    assert all(one.ok for one in Inline(store, 1).run(todo, {DATA: dataset}))
    here, there = made_by(store, todo), made_by(ray, todo)
    assert all(torch.equal(here[name], there[name]) for name in here)
