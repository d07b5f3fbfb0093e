"""Fits on Ray's actors: the bits of the inline ones, whoever goes away meanwhile."""

import os
import pickle
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_rounds import files, fit_bytes, run
from tiny_fits import Mean, Shifted, rounds
from tiny_probes import PLAIN, Look, tasks, training

from advcore.learnt import Learnt
from advcore.workers.datasets import batch
from advcore.workers.fit_files import SHARE, read_finished
from advcore.workers.models import build
from advcore.workers.pool.ray_runner import RayPool
from advcore.workers.pool.task_queue import TaskQueue
from advcore.workers.shards import Shard
from advcore.workers.stores.store import open_store
from advcore.workers.tasks import DATA


@pytest.fixture(scope="module")
def whole(dataset, tmp_path_factory):
    """The bytes of the fit as one process computes it."""
    location = str(tmp_path_factory.mktemp("whole"))
    run(location, rounds(dataset, Mean(), open_store(location)), dataset)
    return fit_bytes(location)


def run_on_ray(location, own, dataset, workers, **settings):
    """Run a fit to its end on actors."""
    pool = RayPool(location, workers, **settings)
    return list(pool.run(own.released(), {DATA: dataset}, own.took))


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_the_same_bits_as_inline(ray_running, dataset, store, whole, workers):
    own = rounds(dataset, Mean(), open_store(store))
    results = run_on_ray(store, own, dataset, workers)
    assert [one.ok for one in results] == [True] * 14
    assert own.finished.rounds == 2
    assert fit_bytes(store) == whole
    assert files(store) == ["f00d.fit.safetensors"]


@pytest.mark.parametrize(("workers", "at"), [pytest.param(1, 1, marks=pytest.mark.slow), (2, 0)])
def test_a_killed_worker_in_mid_round(ray_running, dataset, store, whole, tmp_path, workers, at):
    fit = Mean(bad=24, at=at, how="dies", marker=str(tmp_path / "killed"))
    own = rounds(dataset, fit, open_store(store))
    results = run_on_ray(store, own, dataset, workers)
    assert (tmp_path / "killed").exists()
    assert all(one.ok for one in results)
    assert sum(one.tries > 1 for one in results) >= 1
    assert fit_bytes(store) == whole
    assert files(store) == ["f00d.fit.safetensors"]


@pytest.mark.slow
def test_a_run_that_is_left_goes_on_on_other_workers(ray_running, dataset, store, whole, tmp_path):
    folder = tmp_path / "shares"
    folder.mkdir()
    fit = Mean(folder=str(folder), seconds=0.1)
    own = rounds(dataset, fit, open_store(store))
    running = RayPool(store, 2).run(own.released(), {DATA: dataset}, own.took)
    for _ in range(9):
        next(running)
    running.close()  # its actors are killed, whatever they do
    there = len([name for name in files(store) if name.endswith(SHARE)])
    assert 2 <= there < 7
    results = run_on_ray(store, rounds(dataset, fit, open_store(store)), dataset, 1)
    assert len(results) == 7 - there
    assert fit_bytes(store) == whole


@pytest.mark.slow
def test_a_killed_driver_goes_on_in_mid_round(ray_running, dataset, store, whole, tmp_path):
    import ray

    folder = tmp_path / "shares"
    folder.mkdir()
    fit = Mean(folder=str(folder), seconds=0.5)
    (tmp_path / "run").write_bytes(pickle.dumps((fit, dataset)))
    code = (
        "import pickle; from advcore.workers.pool.ray_runner import RayPool\n"
        "from advcore.workers.stores.store import open_store; from tiny_fits import rounds\n"
        "fit, dataset = pickle.load(open('run', 'rb'))\n"
        f"address, store = {ray.get_runtime_context().gcs_address!r}, {store!r}\n"
        "own = rounds(dataset, fit, open_store(store))\n"
        "pool = RayPool(store, 2, address=address)\n"
        "list(pool.run(own.released(), {'data': dataset}, own.took))\n"
    )
    own = Path(__file__)
    places = [*map(str, own.parents[:3]), os.environ.get("PYTHONPATH", "")]
    driver = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(places)},
    )
    deadline = time.monotonic() + 120
    while len(os.listdir(folder)) < 10:
        assert driver.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    driver.kill()
    driver.wait()
    results = run_on_ray(store, rounds(dataset, fit, open_store(store)), dataset, 2)
    assert 0 < len(results) < 7
    assert fit_bytes(store) == whole
    assert files(store) == ["f00d.fit.safetensors"]


def test_a_share_that_fails_is_tried_twice_and_fails_the_fit(ray_running, dataset, store, tmp_path):
    folder = tmp_path / "shares"
    folder.mkdir()
    own = rounds(dataset, Mean(bad=12, folder=str(folder)), open_store(store))
    results = run_on_ray(store, own, dataset, 2)
    (bad,) = [one for one in results if not one.ok]
    assert own.failed == bad
    assert (bad.name, bad.samples, bad.tries) == ("fits.tiny", "9, 12, 15", 2)
    assert "ArithmeticError: sample 12 has no share" in bad.error
    tries = Counter(name.rpartition("-")[0] for name in os.listdir(folder))
    assert tries["1-3"] == 2
    assert own.finished is None


@pytest.mark.slow
def test_a_share_that_lasts_is_ended_at_the_time_limit(ray_running, dataset, store, tmp_path):
    marker = str(tmp_path / "hung")
    own = rounds(
        dataset, Mean(bad=12, at=0, how="lasts", marker=marker), open_store(store), size=20
    )
    results = run_on_ray(store, own, dataset, 1, shard_seconds=5.0)
    assert [(one.ok, one.tries) for one in results] == [(True, 2), (True, 1)]
    assert own.finished.rounds == 2


@pytest.mark.slow
def test_a_late_share_is_repeated_by_another_worker(ray_running, dataset, store, whole, tmp_path):
    import ray

    fit = Mean(bad=12, how="lasts", marker=str(tmp_path / "late"))
    own = rounds(dataset, fit, open_store(store))
    actor_pool = RayPool(store, 2).actor_pool(ray, own.released(), {DATA: dataset}, own.took)
    results = list(actor_pool.results())
    actor_pool.end_all()
    assert all(one.ok for one in results)
    assert actor_pool.counts["late shards measured twice"] >= 1
    assert fit_bytes(store) == whole


@pytest.mark.slow
def test_what_waits_for_a_fit_is_measured_with_it(ray_running, dataset, store):
    """Beside a training and measuring that wait for nothing."""
    place = open_store(store)
    own, looks = rounds(dataset, Mean(), place), tasks(dataset, Look(), size=5)
    train = training(dataset)
    behind = tasks(dataset, Shifted((Learnt("mean", "f00d"),)), size=20)

    def after(result):
        before = own.finished
        released = own.took(result)
        return behind if own.finished and not before else released

    todo = [*looks, train, *own.released()]
    results = list(RayPool(store, 2).run(todo, {DATA: dataset}, after))
    assert all(one.ok for one in results)
    assert {one.key for one in results} > {task.key for task in (*todo, *behind)}
    mean = read_finished(place, "f00d").tensors["mean"].float()
    logits = build(PLAIN)(batch(dataset, Shard(0, 20)).inputs + mean)
    torch.testing.assert_close(place.read(behind[0].key)["logits"], logits)


def test_shares_come_before_other_work(dataset, store):
    first, second, *_ = rounds(dataset, Mean(), open_store(store)).released()
    apart = replace(second, key="aa", model_hash="another")
    shards, train = tasks(dataset, Look(), size=5), training(dataset)
    queue = TaskQueue([*shards, train, first, apart, second])
    assert len(queue) == queue.open == 8
    taken = [queue.take(None), queue.take_second("another"), queue.take_second(None)]
    assert taken == [first, apart, second]
    assert queue.take_second(None) is None  # the training has the next free worker
    queue.put_back([second])
    assert queue.take(None) == second
    assert queue.take(None) == train
    assert queue.take_second(None) == shards[0]
    queue.put_back([first, second])
    queue.put_last(apart)
    assert queue.drain("fits.tiny") == [first, second, apart]
    assert len(queue) == 3
