"""A pool whose actors cannot start, or whose Ray goes away."""

import os
import signal
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
from deaths import died
from tiny_probes import Look, Slow, tasks

from advcore.workers.errors import InputError, RunInterruptedError
from advcore.workers.pool.actor_pool import ActorPool
from advcore.workers.pool.failures import MOST_FAILED_STARTS, MOST_LOST_ACTORS
from advcore.workers.pool.pool_settings import PoolSettings
from advcore.workers.pool.ray_actor import actor_factory
from advcore.workers.pool.ray_head import head_answers
from advcore.workers.stores.store import open_store
from advcore.workers.tasks import DATA, TaskResult


@pytest.fixture
def sent_by_value():
    """Let Ray send this module's classes as they are: its workers cannot import the module."""
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def _keys(todo):
    return [task.key for task in todo]


class Broken:
    """An actor that cannot start."""

    def __init__(self):
        raise RuntimeError("this machine is no good")

    def ready(self):
        return ""


@pytest.mark.slow
def test_where_others_could_start_one_that_cannot_is_replaced(
    ray_running, sent_by_value, dataset, tmp_path, monkeypatch
):
    """As on a cluster whose new machine does not see the store, or that lost sight of it for a
    moment.
    """
    import ray

    monkeypatch.setattr("advcore.workers.pool.failures.FIRST_PAUSE_SECONDS", 0.1)
    store, todo = str(tmp_path / "store"), tasks(dataset, Slow(seconds=0.2), size=2)
    open_store(store)
    good, bad = actor_factory(ray, store, 1, 0), ray.remote(Broken).remote
    hired = iter([bad, good, bad, bad, *20 * [good]])
    settings = PoolSettings(
        start_actor=lambda: next(hired)(), wanted=lambda: 2, shard_seconds=None, asked="2 workers"
    )
    actor_pool = ActorPool(ray, settings, todo, {DATA: dataset})
    results = []
    for result in actor_pool.results():
        if not results:
            ray.kill(next(actor for actor in actor_pool.actors.all if actor.ready).handle)
        results.append(result)
    actor_pool.end_all()
    assert [result.ok for result in results] == [True] * len(todo)
    assert actor_pool.counts["workers that could not start"] >= 2
    assert open_store(store).missing(_keys(todo)) == []


def _pool(dataset, todo, get=None):
    """A pool without Ray, whose actors give refs "one", "two", ... for their tasks.

    `get` says what comes of them.
    """
    from ray import exceptions

    refs = iter(("one", "two", "three", "four"))
    handle = SimpleNamespace(measure=SimpleNamespace(remote=lambda *asked: next(refs)))
    ray = SimpleNamespace(
        exceptions=exceptions,
        put=lambda data: data,
        get=get,
        kill=lambda handle, no_restart: None,
        cancel=lambda ref: None,
    )
    settings = PoolSettings(
        start_actor=lambda: handle, wanted=lambda: 1, shard_seconds=None, asked="1 worker"
    )
    return ActorPool(ray, settings, todo, {DATA: dataset})


def test_one_that_does_not_answer_gives_its_works_back_and_stays_until_ray_says_that_it_is_dead(
    dataset,
):
    from ray import exceptions

    answers = iter(
        [exceptions.ActorUnavailableError("no answer", None), died("The actor is dead because x.")]
    )

    def fail(ref):
        raise next(answers)

    actor_pool = _pool(dataset, tasks(dataset, Look(), size=4), fail)
    actor = actor_pool.actors.all[0]
    actor.ready = actor.started = True
    actor_pool._scheduler.submit_waiting()
    assert len(actor_pool._queue) == 3
    assert actor_pool._collect("one") is None
    assert len(actor_pool._queue) == 5
    again = actor_pool.actors.all[0]
    assert (again.handle, again.ready, again.started) == (actor.handle, False, True)
    actor_pool.actors._owner["sign"], again.health_check = again, "sign"
    assert actor_pool._collect("sign") is None
    assert (actor_pool.actors.all, actor_pool.actors.refs) == ([], [])
    assert actor_pool.counts == {"workers lost": 1}


def test_works_that_kill_every_worker_are_given_up_and_others_go_on(dataset, monkeypatch):
    """Twenty shards of one probe that kill whoever measures them, before four of another."""
    monkeypatch.setattr("advcore.workers.pool.failures.FIRST_PAUSE_SECONDS", 0.0)
    from ray import exceptions

    def get(ref):
        task = ref.value
        if task == "sign":
            return ""
        if task.name.endswith("deadly"):
            raise died(
                "The actor is dead because its worker process has died. Exit: OOM. Some common "
                "causes"
            )
        return TaskResult(task.key, task.name, True, 1, 0.0, "", "w")

    killed = []

    class Ref:
        def __init__(self, value):
            self.value = value

    handle = lambda: SimpleNamespace(  # noqa: E731
        ready=SimpleNamespace(remote=lambda: Ref("sign")),
        measure=SimpleNamespace(remote=lambda task, data: Ref(task)),
    )
    ray = SimpleNamespace(
        exceptions=exceptions,
        put=lambda data: data,
        get=get,
        kill=lambda handle, no_restart: killed.append(handle),
        cancel=lambda ref: None,
        wait=lambda refs, num_returns, timeout: (refs[:num_returns], refs[num_returns:]),
    )
    deadly = [
        replace(task, name="plain/deadly", key=f"d{task.key}")
        for task in tasks(dataset, Look(), size=1)
    ]
    good = tasks(dataset, Look(), size=5)
    settings = PoolSettings(
        start_actor=handle, wanted=lambda: 1, shard_seconds=None, asked="1 worker"
    )
    results = {
        result.key: result
        for result in ActorPool(ray, settings, [*deadly, *good], {DATA: dataset}).results()
    }
    assert [results[key].ok for key in _keys(deadly + good)] == [False] * 20 + [True] * 4
    assert len(killed) == MOST_LOST_ACTORS
    assert (
        "of the last one Ray says: its worker process has died. Exit: OOM."
        in results[deadly[0].key].error
    )
    assert results[deadly[-1].key].error.startswith(
        "not measured, for its workers crashed repeatedly"
    )


class Killed:
    """An actor whose process is killed as it starts, as by a kernel that has no memory left."""

    def __init__(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def ready(self):
        return ""


@pytest.mark.slow
def test_workers_that_are_killed_as_they_start_end_the_run_with_the_reason(
    ray_running, sent_by_value, dataset, monkeypatch
):
    import ray

    monkeypatch.setattr("advcore.workers.pool.failures.FIRST_PAUSE_SECONDS", 0.1)
    hired = []

    def start_actor():
        hired.append(ray.remote(max_restarts=0)(Killed).remote())
        return hired[-1]

    settings = PoolSettings(
        start_actor=start_actor, wanted=lambda: 1, shard_seconds=None, asked="1 worker"
    )
    actor_pool = ActorPool(ray, settings, tasks(dataset, Look()), {DATA: dataset})
    with pytest.raises(
        InputError,
        match=(
            r"^no Ray worker can start: workers are killed during start-up, most often because "
            r"memory runs "
        ),
    ):
        list(actor_pool.results())
    assert len(hired) == MOST_FAILED_STARTS


@pytest.mark.slow
def test_that_none_can_start_any_more_ends_the_run(
    ray_running, sent_by_value, dataset, tmp_path, monkeypatch
):
    import ray

    for name in ("FIRST_PAUSE_SECONDS", "LONGEST_PAUSE_SECONDS", "STRANDED_SECONDS"):
        monkeypatch.setattr(f"advcore.workers.pool.failures.{name}", 0.1)
    settings = PoolSettings(
        start_actor=ray.remote(Broken).remote,
        wanted=lambda: 1,
        shard_seconds=None,
        asked="1 worker",
    )
    actor_pool = ActorPool(ray, settings, tasks(dataset, Look()), {DATA: dataset})
    actor_pool._failure_log.ready()  # as where one was before
    with pytest.raises(
        RunInterruptedError,
        match=r"^no Ray worker could start for \d+ s: .*this machine is no good",
    ):
        list(actor_pool.results())


def test_the_head_is_asked_past_proxies(ray_running, monkeypatch):
    import ray

    for name in ("http_proxy", "grpc_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert head_answers(ray)


def test_a_head_that_is_gone_ends_the_run_in_words(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("advcore.workers.pool.ray_head.HEAD_TIMEOUT_SECONDS", 0.2)
    handle = SimpleNamespace(ready=SimpleNamespace(remote=object))
    ray = SimpleNamespace(wait=lambda refs, **settings: ([], refs))
    settings = PoolSettings(
        start_actor=lambda: handle,
        wanted=lambda: 1,
        shard_seconds=None,
        asked="1 worker",
        answers=lambda: False,
    )
    with pytest.raises(RunInterruptedError, match=r"^Ray's head has not answered for \d+ s$"):
        list(ActorPool(ray, settings, tasks(dataset, Look()), {DATA: dataset}).results())
