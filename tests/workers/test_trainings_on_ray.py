"""Trainings on Ray's actors: the bits of the inline ones, whoever goes away meanwhile."""

import os
import pickle
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from deaths import died
from test_slices import bytes_of
from tiny_probes import DeadlyWatch, Look, Slow, tasks, training

from advcore.workers.inline import Inline
from advcore.workers.pool.actor_pool import ActorPool
from advcore.workers.pool.pool_settings import PoolSettings
from advcore.workers.pool.ray_runner import RayPool
from advcore.workers.pool.task_queue import FAILURES, LOSSES, TaskQueue
from advcore.workers.slices import NETWORK, PROGRESS, trained_model
from advcore.workers.stores.store import open_store
from advcore.workers.tasks import DATA, TaskResult, Train


@pytest.fixture
def watched(dataset, tmp_path):
    """A training that kills its worker at its third look, once, and notes its looks."""
    (tmp_path / "looks").mkdir()
    watch = DeadlyWatch(marker=str(tmp_path / "killed"), folder=str(tmp_path / "looks"), at=3)
    return training(dataset, "watched", watch)


@pytest.mark.parametrize(
    ("workers", "threads"),
    [
        pytest.param(1, 1, marks=pytest.mark.slow),
        pytest.param(1, 2, marks=pytest.mark.slow),
        pytest.param(2, 1, marks=pytest.mark.slow),
        (2, 2),
    ],
)
def test_the_same_bits_as_inline(ray_running, dataset, tmp_path, workers, threads):
    todo = [
        replace(training(dataset, f"seed {seed}", threads=threads, seed=seed), seconds=0.0)
        for seed in range(3)
    ]
    inline, ray = str(tmp_path / "inline"), str(tmp_path / "ray")
    here = list(Inline(inline).run(todo, {DATA: dataset}))
    there = list(RayPool(ray, workers).run(todo, {DATA: dataset}))
    for task in todo:
        assert bytes_of(ray, task) == bytes_of(inline, task)
        own = [[one for one in place if one.key == task.key] for place in (here, there)]
        for results in own:
            assert [one.epoch for one in results] == [1, 2, 3, 4]
        assert [one.metrics for one in own[0]] == [one.metrics for one in own[1]]
    assert len({bytes_of(ray, task) for task in todo}) == 3


def test_a_killed_worker_loses_the_epoch_it_was_in(ray_running, dataset, tmp_path, watched):
    store = str(tmp_path / "store")
    results = list(RayPool(store, 1).run([watched], {DATA: dataset}))
    assert (tmp_path / "killed").exists()
    assert [(one.ok, one.done, one.epoch, one.tries) for one in results] == [(True, True, 4, 2)]
    assert len(results[0].metrics) == 2  # two were made before
    looks = [path.name.partition("-")[0] for path in (tmp_path / "looks").iterdir()]
    assert sorted(looks.count(process) for process in set(looks)) == [2, 3]
    list(Inline(str(tmp_path / "inline")).run([watched], {DATA: dataset}))
    assert bytes_of(store, watched) == bytes_of(str(tmp_path / "inline"), watched)


@pytest.mark.slow
def test_a_driver_that_goes_on_finds_the_epochs_in_the_store(ray_running, dataset, tmp_path):
    todo = [replace(training(dataset, f"{seed}", seed=seed), seconds=0.0) for seed in range(2)]
    store, whole = str(tmp_path / "store"), str(tmp_path / "whole")
    running = RayPool(store, 2).run(todo, {DATA: dataset})
    next(running)
    running.close()  # its actors are killed, whatever they do
    again = list(RayPool(store, 1).run(todo, {DATA: dataset}))
    assert sum(len(one.metrics) for one in again) < 2 * 4
    list(Inline(whole).run(todo, {DATA: dataset}))
    assert [bytes_of(store, task) for task in todo] == [bytes_of(whole, task) for task in todo]


@pytest.mark.slow
def test_a_training_beside_measuring_releases_more(ray_running, dataset, tmp_path):
    """Nothing waits behind it; what it releases is measured on its network."""
    (tmp_path / "looks").mkdir()
    watch = DeadlyWatch(folder=str(tmp_path / "looks"), seconds=0.5)
    train = training(dataset, "long", watch)
    beside = tasks(dataset, Slow(seconds=0.05), size=1)
    looks = tasks(dataset, Look(), size=5)
    stores = {"inline": str(tmp_path / "inline"), "ray": str(tmp_path / "ray")}
    for name, store in stores.items():
        place = open_store(store)

        def after(result, place=place):
            if result.key != train.key:
                return []
            model = trained_model(place, train)
            return [replace(look, model=model, model_hash=result.network) for look in looks]

        todo, data = [*beside, train], {DATA: dataset}
        if name == "inline":
            assert all(result.ok for result in Inline(store, 1).run(todo, data, after))
            continue
        import ray

        actor_pool = RayPool(store, 2, shard_seconds=1.5).actor_pool(ray, todo, data, after)
        results, behind = [], set()
        for result in actor_pool.results():
            results.append(result)
            behind |= {len(actor.in_flight) for actor in actor_pool.actors.all if actor.trains}
        actor_pool.end_all()
        assert all(result.ok for result in results)
        assert behind == {1}
        assert len(results) == len(todo) + len(looks)
        assert actor_pool.counts == {}  # no time limit ended it, nothing was measured twice
        trainer = next(one for one in results if one.key == train.key)
        assert sum(one.worker != trainer.worker for one in results[: len(beside)]) >= 15
    for task in looks:
        rows = [open_store(store).read(task.key)["logits"] for store in stores.values()]
        assert rows[0].equal(rows[1])


def test_a_store_on_s3(ray_running, dataset, tmp_path, s3):
    task = replace(training(dataset), seconds=0.0)
    store = s3.url("some/store")
    running = Inline(store, 1).run([task], {DATA: dataset})
    told = [next(running), next(running)]
    assert open_store(store).has(task.key, PROGRESS)
    running.close()
    looks = tasks(dataset, Look(), size=20)

    def after(result):
        if result.key != task.key:
            return []
        model = trained_model(open_store(store), task)
        return [replace(looks[0], model=model, model_hash=result.network)]

    told += Inline(store, 1).run([task], {DATA: dataset}, after)
    assert [one.epoch for one in told] == [1, 2, 3, 4, 0]
    assert told[-1].ok, told[-1].error
    whole = str(tmp_path / "whole")
    list(Inline(whole, 1).run([task], {DATA: dataset}))
    ending = f"{task.key[:2]}/{task.key}"
    own = {name: body for name, body in s3.objects("some/store/").items() if ending in name}
    assert own.keys() == {f"{ending}.safetensors", f"{ending}.json"}
    assert own[f"{ending}{NETWORK}"] == bytes_of(whole, task)


class _Ref:
    def __init__(self, task):
        self.task = task


class _Fake:
    """A Ray without processes: each call's ref is its task, of which `answer` says what comes."""

    def __init__(self, answer):
        from ray import exceptions

        self.exceptions, self.answer, self.asked = exceptions, answer, []

    def start(self):
        return SimpleNamespace(
            ready=SimpleNamespace(remote=lambda: _Ref("sign")),
            measure=SimpleNamespace(remote=self._ask),
            train=SimpleNamespace(remote=self._ask),
        )

    def _ask(self, task, *data):
        self.asked.append(task.key)
        return _Ref(task)

    def get(self, ref):
        return "" if ref.task == "sign" else self.answer(ref.task)

    def wait(self, refs, num_returns, timeout):
        return refs[:num_returns], refs[num_returns:]

    def put(self, data):
        return data

    def kill(self, handle, no_restart):
        pass

    def cancel(self, ref):
        pass

    def pool(self, todo, dataset, workers=1, **settings):
        place = PoolSettings(self.start, lambda: workers, None, "workers", **settings)
        return ActorPool(self, place, todo, {DATA: dataset})


def _slice(task, epoch, done=False, ok=True):
    return TaskResult(task.key, task.name, ok, 0, 0.0, "", "w", done=done, epoch=epoch)


@pytest.mark.parametrize("advance", [True, False])
def test_losses_count_where_no_epoch_was_made(dataset, monkeypatch, advance):
    """Ten workers die over a training: each after one more epoch, or all in the same."""
    monkeypatch.setattr("advcore.workers.pool.failures.FIRST_PAUSE_SECONDS", 0.0)
    deaths = []

    def answer(task):
        if len(deaths) == 10:
            return _slice(task, 11, done=True)
        deaths.append(task.key)
        raise died("The actor is dead because its worker process has died. Some common causes")

    saved = lambda task: len(deaths) if advance else 3  # noqa: E731
    (result,) = _Fake(answer).pool([training(dataset)], dataset, saved_epochs=saved).results()
    if advance:
        assert (result.ok, len(deaths), result.tries) == (True, 10, 11)
    else:
        assert not result.ok
        assert len(deaths) == LOSSES + 1  # the first of them had made three epochs
        assert f"small lost its worker {LOSSES} times" in result.error
        assert "choose a smaller batch_size or more memory" in result.error
        assert result.samples == ""


def test_failures_count_where_no_epoch_was_made(dataset):
    """Its code fails after each epoch, and in the end for good."""
    answers = iter(
        [(1, True), (1, False), (2, True), (2, False), (3, True), (3, False), (3, False)]
    )

    def answer(task):
        epoch, ok = next(answers)
        return _slice(task, epoch, done=not ok, ok=ok)

    results = list(_Fake(answer).pool([training(dataset)], dataset).results())
    assert [(one.epoch, one.ok) for one in results] == [
        (1, True),
        (2, True),
        (3, True),
        (3, False),
    ]
    assert FAILURES == 2


def test_trainings_come_first_and_nothing_waits_behind_them(dataset):
    one, other = training(dataset, "one"), training(dataset, "other", seed=1)
    shards = tasks(dataset, Look(), size=5)
    queue = TaskQueue([*shards, one, other])
    assert len(queue) == 6
    assert [queue.take(None) for _ in range(3)] == [one, other, shards[0]]
    queue.put_back([one])
    assert queue.take(shards[0].model_hash) == one
    queue.put_last(other)
    assert queue.drain("other") == [other]
    assert queue.take_second(None) == shards[1]
    fake = _Fake(lambda task: TaskResult(task.key, task.name, True, 1, 0.0, "", "w"))
    actor_pool = fake.pool([*shards, one], dataset, workers=2)
    for actor in actor_pool.actors.all:
        actor.ready = actor.started = True
    actor_pool._scheduler.submit_waiting()
    assert [
        [isinstance(task, Train) for task in actor.in_flight.values()]
        for actor in actor_pool.actors.all
    ] == [[True], [False, False]]


def test_a_training_is_never_late(dataset):
    """Where a shard of the same age is given to another worker."""
    for task, times in ((training(dataset), 1), (tasks(dataset, Look(), size=20)[0], 2)):
        fake = _Fake(None)
        actor_pool = fake.pool([task], dataset)
        actor_pool.actors.join()
        for actor in actor_pool.actors.all:
            actor.ready = actor.started = True
        scheduler = actor_pool._scheduler
        scheduler.pace.took(task.name, 1.0)
        scheduler.submit_waiting()
        scheduler.repeat_late(actor_pool.actors.all[0].since + 1000)
        assert len(fake.asked) == times


@pytest.mark.slow
def test_a_killed_driver_loses_the_epochs_that_its_workers_were_in(ray_running, dataset, tmp_path):
    import ray

    (tmp_path / "looks").mkdir()
    watch = DeadlyWatch(folder=str(tmp_path / "looks"), seconds=1.0)
    todo = [training(dataset, f"{seed}", watch, seed=seed) for seed in range(2)]
    store, whole = str(tmp_path / "store"), str(tmp_path / "whole")
    (tmp_path / "run").write_bytes(pickle.dumps((todo, dataset)))
    code = (
        "import pickle, sys; from advcore.workers.pool.ray_runner import RayPool\n"
        "todo, dataset = pickle.load(open('run', 'rb'))\n"
        f"address = {ray.get_runtime_context().gcs_address!r}\n"
        f"list(RayPool({store!r}, 2, address=address).run(todo, {{'data': dataset}}))\n"
    )
    own = Path(__file__)
    path = os.pathsep.join([str(own.parents[2]), str(own.parent), os.environ.get("PYTHONPATH", "")])
    driver = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, env=os.environ | {"PYTHONPATH": path}
    )
    deadline = time.monotonic() + 120
    while len(list((tmp_path / "looks").iterdir())) < 5:
        assert driver.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    driver.kill()
    driver.wait()
    results = list(RayPool(store, 1).run(todo, {DATA: dataset}))
    assert all(result.ok and result.epoch == 4 for result in results)
    assert 0 < sum(len(result.metrics) for result in results) < 2 * 4
    list(Inline(whole, 1).run(todo, {DATA: dataset}))
    assert [bytes_of(store, task) for task in todo] == [bytes_of(whole, task) for task in todo]
