"""Tasks that a finished result releases, and tasks of one run on several data sets."""

from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch
from tiny_probes import Failing, Look, tasks

from advcore.workers.datasets import Dataset
from advcore.workers.inline import Inline
from advcore.workers.pool.ray_runner import RayPool
from advcore.workers.pool.scheduler import Shipped
from advcore.workers.stores.store import open_store


@pytest.fixture(scope="session")
def datasets(dataset):
    other = Dataset(dataset.images[::-1].copy(), dataset.labels, dataset.indices, dataset.names)
    return {"one": dataset, "other": other}


def _named(datasets, name, probe, size=4):
    return [replace(task, data=name) for task in tasks(datasets[name], probe, size)]


def _rows(store, todo):
    return torch.cat([open_store(store).read(task.key)["logits"] for task in todo])


def _chain(datasets):
    """Three links of one shard each, on the two data sets in turn, and what releases what."""
    links = [
        _named(datasets, name, Look(scale), 20)[0]
        for name, scale in (("one", 1.0), ("other", 2.0), ("one", 3.0))
    ]
    behind = {one.key: [other] for one, other in pairwise(links)}
    return links, lambda result: behind.get(result.key, ())


def test_each_task_is_measured_on_the_data_set_that_it_names(datasets, store):
    todo = [task for name in datasets for task in _named(datasets, name, Look(), 20)]
    assert all(result.ok for result in Inline(store, 1).run(todo, datasets))
    one, other = (_rows(store, [task]) for task in todo)
    assert not torch.equal(one, other)
    alone = str(store) + "-alone"
    list(Inline(alone, 1).run([replace(todo[1], data="data")], {"data": datasets["other"]}))
    assert torch.equal(other, _rows(alone, [todo[1]]))


def test_released_tasks_come_in_the_order_of_their_release(datasets, store):
    first = _named(datasets, "one", Look(), 10)
    links, after = _chain(datasets)
    told = []

    def release(result):
        told.append(("release", result.key))
        return after(result) if result.key in {link.key for link in links} else [links[0], first[0]]

    for result in Inline(store, 1).run(first, datasets, release):
        told.append(("result", result.key))
    keys = [task.key for task in first + links]
    assert told == [(what, key) for key in keys for what in ("result", "release")]


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_the_pool_goes_on_with_released_tasks(ray_running, datasets, tmp_path, workers):
    links, after = _chain(datasets)
    beside = _named(datasets, "other", Look(4.0), 2)
    ends = {}
    for place, runner in {
        "inline": Inline(str(tmp_path / "inline"), 1),
        "ray": RayPool(str(tmp_path / "ray"), workers),
    }.items():
        results = list(runner.run([links[0], *beside], datasets, after))
        assert all(result.ok for result in results)
        ends[place] = [result.key for result in results]
        assert [key for key in ends[place] if key in {link.key for link in links}] == [
            link.key for link in links
        ]
    assert sorted(ends["ray"]) == sorted(ends["inline"])
    inline, ray = (_rows(str(tmp_path / name), links + beside) for name in ("inline", "ray"))
    assert torch.equal(inline, ray)


def test_a_failed_result_releases_what_it_is_asked_for_and_no_key_twice(
    ray_running, datasets, tmp_path
):
    bad = _named(datasets, "one", Failing(bad=0, folder=str(tmp_path)), 20)
    good = _named(datasets, "one", Look(), 20)
    again = [*bad, *good, *good]
    results = list(RayPool(str(tmp_path / "store"), 1).run(bad, datasets, lambda result: again))
    assert [(result.key, result.ok) for result in results] == [
        (bad[0].key, False),
        (good[0].key, True),
    ]


def test_leaving_a_run_releases_nothing_more(datasets, store):
    links, after = _chain(datasets)
    running = Inline(store, 1).run(links[:1], datasets, after)
    next(running)
    running.close()
    assert open_store(store).missing(link.key for link in links) == [link.key for link in links[1:]]


def test_a_data_set_is_shipped_once_and_only_if_a_task_needs_it(datasets):
    put = []
    shipped = Shipped(SimpleNamespace(put=lambda data: put.append(data) or len(put)), datasets)
    todo = _named(datasets, "other", Look())
    assert [shipped.refs(task) for task in todo] == [[1]] * 5
    assert put == [datasets["other"]]
