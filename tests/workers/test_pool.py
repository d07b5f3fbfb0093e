"""The Ray runner: the same rows as the inline one, and nothing lost when code fails or processes
die.
"""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from tiny_probes import PLAIN, Deadly, Failing, Look, Meeting, Slow, Unreadable, tasks

from advcore.workers.errors import InputError
from advcore.workers.inline import Inline
from advcore.workers.pool import ray_runner
from advcore.workers.pool.ray_runner import RayPool
from advcore.workers.pool.scheduler import DEPTH
from advcore.workers.stores.store import open_store
from advcore.workers.tasks import DATA


def _keys(todo):
    return [task.key for task in todo]


@pytest.mark.parametrize("actors", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_rows_equal_the_inline_ones_bit_for_bit(ray_running, dataset, tmp_path, actors):
    todo = tasks(dataset, Look(), size=3)
    todo += tasks(dataset, Look(), size=3, model=replace(PLAIN, arguments={"side": 8, "width": 5}))
    here = list(Inline(str(tmp_path / "inline"), threads=1).run(todo, {DATA: dataset}))
    there = list(RayPool(str(tmp_path / "ray"), workers=actors).run(todo, {DATA: dataset}))
    assert all(result.ok for result in here + there)
    assert sorted(result.key for result in there) == sorted(_keys(todo))
    assert len({result.worker for result in there}) <= actors
    inline, ray = (
        open_store(str(tmp_path / name)).read_all(_keys(todo[:7])) for name in ("inline", "ray")
    )
    assert inline.keys() == ray.keys()
    for name in inline:
        assert inline[name] == ray[name] if name == "word" else torch.equal(inline[name], ray[name])
    assert (tmp_path / "inline" / todo[0].key[:2]).exists()


def test_two_actors_measure_at_once(ray_running, dataset, tmp_path):
    (tmp_path / "met").mkdir()
    todo = tasks(dataset, Meeting(parties=2, folder=str(tmp_path / "met")))
    results = list(RayPool(str(tmp_path / "store"), workers=2).run(todo, {DATA: dataset}))
    assert all(result.ok for result in results)
    assert len({result.worker for result in results}) == 2


def test_killed_workers_lose_nothing(ray_running, dataset, tmp_path):
    """One process dies under its shard and is restarted by Ray; one actor is ended for good and is
    replaced.
    """
    import ray

    store = str(tmp_path / "store")
    open_store(store)
    todo = tasks(dataset, Deadly(bad=12, marker=str(tmp_path / "marker")), size=2)
    actor_pool = RayPool(store, workers=2).actor_pool(ray, todo, {DATA: dataset})
    results = []
    for result in actor_pool.results():
        if not results:
            ended = actor_pool.actors.all[0].handle
            ray.kill(ended)
        results.append(result)
    actor_pool.end_all()
    assert (tmp_path / "marker").exists()
    assert ended not in [actor.handle for actor in actor_pool.actors.all]
    assert sorted(result.key for result in results) == sorted(_keys(todo))
    assert all(result.ok for result in results)
    assert open_store(store).missing(_keys(todo)) == []


def test_a_shard_that_kills_its_workers_is_given_up_alone(
    ray_running, dataset, tmp_path, monkeypatch
):
    monkeypatch.setattr("advcore.workers.pool.task_queue.LOSSES", 1)
    todo = tasks(dataset, Deadly(bad=0, marker=str(tmp_path / "marker"), always=True), size=5)
    results = {
        result.key: result
        for result in RayPool(str(tmp_path / "store"), workers=1).run(todo, {DATA: dataset})
    }
    assert [results[key].ok for key in _keys(todo)] == [False, True, True, True]
    assert "lost its worker" in results[todo[0].key].error
    assert results[todo[0].key].samples == "0, 3, 6, 9, 12"


def test_code_that_fails_is_tried_twice_and_the_rest_go_on(ray_running, dataset, tmp_path):
    """A shard that raises, a probe that cannot even be loaded; never more than two works in
    flight.
    """
    import ray

    store = str(tmp_path / "store")
    open_store(store)
    todo = tasks(dataset, Failing(bad=12, folder=str(tmp_path)))
    unreadable = tasks(dataset, Unreadable(scale=2.0), size=20)
    actor_pool = RayPool(store, workers=1).actor_pool(ray, todo + unreadable, {DATA: dataset})
    results, in_flight = {}, []
    for result in actor_pool.results():
        results[result.key] = result
        in_flight += [len(actor.in_flight) for actor in actor_pool.actors.all]
    actor_pool.end_all()
    assert [results[key].ok for key in _keys(todo + unreadable)] == [
        True,
        False,
        True,
        True,
        True,
        False,
    ]
    failed = results[todo[1].key]
    assert "ArithmeticError: sample 12 cannot be measured" in failed.error
    assert "tiny_probes.py" in failed.error
    assert len(list(tmp_path.glob("try*"))) == 2
    assert (failed.samples, failed.tries) == ("12, 15, 18, 21", 2)
    assert results[unreadable[0].key].samples.startswith("0, 3, 6")
    assert "this probe is not installed here" in results[unreadable[0].key].error
    assert max(in_flight) <= DEPTH


def test_leaving_early_stops_the_actors_and_keeps_what_is_done(ray_running, dataset, tmp_path):
    todo = tasks(dataset, Slow(seconds=0.2), size=1)
    results = RayPool(str(tmp_path / "store"), workers=1).run(todo, {DATA: dataset})
    first = next(results)
    pid = int(first.worker.split(":")[1])
    results.close()
    store = open_store(str(tmp_path / "store"))
    assert store.has(first.key)
    left = len(store.missing(_keys(todo)))
    assert left > len(todo) // 2
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()
    assert len(store.missing(_keys(todo))) >= left - 2


def test_workers_are_at_work_before_anyone_asks_for_an_outcome(
    ray_running, dataset, tmp_path, monkeypatch
):
    monkeypatch.setattr(
        "advcore.workers.pool.actor_pool.FIRST_ACTORS_SECONDS", 60.0
    )  # here no process waits for it: it takes seconds until one is ready
    todo = tasks(dataset, Look(), size=4)
    store = open_store(str(tmp_path / "store"))
    results = RayPool(str(tmp_path / "store"), workers=1).run(todo, {DATA: dataset})
    deadline = time.monotonic() + 60
    while len(store.missing(_keys(todo))) > len(todo) - DEPTH and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(store.missing(_keys(todo))) == len(todo) - DEPTH
    assert [result.ok for result in results] == [True] * len(todo)


def test_a_worker_that_cannot_start_ends_the_run(ray_running, dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(ray_runner, "open_store", lambda location: None)
    with pytest.raises(
        InputError, match=r"no Ray worker can start: .*not there on this worker's machine"
    ):
        list(
            RayPool(str(tmp_path / "elsewhere"), workers=1).run(
                tasks(dataset, Look()), {DATA: dataset}
            )
        )


def test_an_environment_that_ray_cannot_make_ends_the_run(dataset, tmp_path):
    from ray import exceptions

    def fail(ref):
        raise exceptions.RuntimeEnvSetupError("no such package")

    handle = SimpleNamespace(ready=SimpleNamespace(remote=lambda: "sign"))
    actor = SimpleNamespace(remote=lambda *arguments: handle)
    ray = SimpleNamespace(
        exceptions=exceptions,
        put=lambda data: data,
        get=fail,
        remote=lambda **options: lambda kind: actor,
    )
    actor_pool = RayPool(str(tmp_path), workers=1).actor_pool(
        ray, tasks(dataset, Look()), {DATA: dataset}
    )
    actor_pool.actors.check_health(actor_pool.actors.all[0], 0.0)
    with pytest.raises(InputError, match=r"no Ray worker can start: .*no such package"):
        actor_pool._collect("sign")


def test_nothing_to_do_starts_nothing(dataset, tmp_path):
    assert (
        list(RayPool(str(tmp_path), workers=2, address="127.0.0.1:1").run([], {DATA: dataset}))
        == []
    )


@pytest.mark.slow
def test_a_process_of_its_own_starts_and_stops_ray_from_another_folder(dataset, tmp_path):
    """An installed package, a driver that stands elsewhere, a store by a relative path."""
    code = (
        "from tiny_probes import *; from advcore.workers.pool.ray_runner import RayPool; "
        "from advcore.workers.tasks import DATA; "
        "import numpy as np; import json; import sys\n"
        "data = Dataset(np.zeros((4, 1, 8, 8), np.uint8), np.zeros(4, np.int64), np.arange(4), "
        "('a',))\n"
        "todo = tasks(data, Look(), size=2)\n"
        "outcomes = list(RayPool('store', workers=1).run(todo, {DATA: data}))\n"
        "import ray; print(json.dumps([ray.is_initialized(), [o.ok for o in outcomes], "
        "[o.error for o in outcomes]]))"
    )
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": f"{root}{os.pathsep}{Path(__file__).parent}"}
    environment.pop("RAY_ADDRESS", None)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout.splitlines()[-1]) == [False, [True, True], ["", ""]]
    assert len(list((tmp_path / "store").rglob("*.parquet"))) == 2
    assert done.stderr == ""


def test_as_many_workers_as_machines_hold_and_as_many_again_that_wait(tmp_path):
    machines = [
        {"Alive": True, "Resources": {"CPU": 8.0, "GPU": 2.0}},
        {"Alive": True, "Resources": {"CPU": 3.0}},
        {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}},
    ]
    ray = SimpleNamespace(nodes=lambda: machines)
    assert RayPool(str(tmp_path), "auto", threads=2)._wanted(ray) == 2 * (4 + 1)
    assert RayPool(str(tmp_path), "auto", threads=1, gpus_per_worker=0.5)._wanted(ray) == 2 * 4
    assert RayPool(str(tmp_path), "auto", threads=1, gpus_per_worker=1 / 3)._wanted(ray) == 2 * 6
    assert RayPool(str(tmp_path), "auto", threads=4, gpus_per_worker=1)._wanted(ray) == 2 * 2
    machines[0]["Resources"] = {"CPU": 64.0, "GPU": 0.0}
    assert RayPool(str(tmp_path), "auto")._wanted(ray) == 67 + 32
    machines.clear()
    assert RayPool(str(tmp_path), "auto", gpus_per_worker=1)._wanted(ray) == 1
    assert RayPool(str(tmp_path), 3)._wanted(ray) == 3
