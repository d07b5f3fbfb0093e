"""Drivers that share a pool: each gets its results, what two of them want is computed once."""

import threading
import time
from contextlib import contextmanager, suppress

import numpy as np
import pytest
from tiny_probes import Look, tasks

from advcore.workers.pool.shared_pool import SharedPool
from advcore.workers.tasks import DATA, TaskResult, Train


class _Here:
    """A pool without processes: it computes nothing, and notes the tasks in their order.

    It waits until `let` is set.
    """

    def __init__(self):
        self.tasks, self.let = [], threading.Event()
        self.let.set()

    def serve(self, datasets, more, take, rank):
        self.datasets = datasets
        waiting = []
        while (new := more()) is not None:
            waiting = sorted([*waiting, *new], key=rank)
            if self.let.is_set():
                for task in waiting:
                    self.tasks.append(task)
                    rows = len(datasets[task.data])
                    take(TaskResult(task.key, task.name, True, rows, 0.0, "", "here"))
                waiting = []
            time.sleep(0.001)


class _Drivers:
    """Threads that take turns on a shared pool; `results` by driver, and errors in their place."""

    def __init__(self, shared):
        self.shared, self.threads, self.results = shared, [], {}
        self.inside, self.most, self.begun = 0, 0, []

    def start(self, name, drive):
        def run():
            with self.shared.turn():
                runner = self.shared.runner(name)
                self.begun.append(name)
                try:
                    self.results[name] = drive(runner)
                except BaseException as error:
                    self.results[name] = error

        self.threads.append(threading.Thread(target=run, daemon=True))
        self.threads[-1].start()

    def done(self):
        return not any(thread.is_alive() for thread in self.threads)

    @contextmanager
    def alone(self):
        self.inside += 1
        self.most = max(self.most, self.inside)
        time.sleep(0.002)
        yield
        self.inside -= 1


@pytest.fixture
def pool():
    return _Here()


@pytest.fixture
def drivers(pool):
    return _Drivers(SharedPool(pool))


def test_each_driver_gets_its_results_and_what_both_want_is_computed_once(pool, drivers, dataset):
    todo = tasks(dataset, Look(), size=5)
    part = {"one": todo[:3], "two": todo[1:]}
    pool.let.clear()
    for name, own in part.items():
        drivers.start(name, lambda runner, own=own: list(runner.run(own, {DATA: dataset})))
    threading.Timer(0.1, pool.let.set).start()
    drivers.shared.serve(drivers.done)
    assert sorted(task.key for task in pool.tasks) == sorted(task.key for task in todo)
    for name, own in part.items():
        assert {one.key for one in drivers.results[name]} == {task.key for task in own}
        assert {one.name for one in drivers.results[name]} == {todo[0].name}  # as it calls them
    assert {task.name.partition(": ")[0] for task in pool.tasks} == {"one", "two"}
    assert not pool.datasets  # nothing is held for drivers that have ended


def test_the_driver_that_began_first_is_served_first(pool, drivers, dataset):
    todo = {"one": tasks(dataset, Look(), size=2), "two": tasks(dataset, Look(), size=5)}
    pool.let.clear()
    for name, own in todo.items():
        drivers.start(name, lambda runner, own=own: list(runner.run(own, {DATA: dataset})))
        while name not in drivers.begun:
            time.sleep(0.001)
    threading.Timer(0.1, pool.let.set).start()
    drivers.shared.serve(drivers.done)
    names = [task.name.partition(": ")[0] for task in pool.tasks]
    assert names == ["one"] * len(todo["one"]) + ["two"] * len(todo["two"])


def test_drivers_compute_one_at_a_time(drivers, dataset):
    todo = tasks(dataset, Look(), size=1)

    def drive(runner):
        found = []
        for result in runner.run(todo, {DATA: dataset}):
            with drivers.alone():
                found.append(result)
        return found

    for name in "abc":
        drivers.start(name, drive)
    drivers.shared.serve(drivers.done)
    assert [len(own) for own in drivers.results.values()] == [len(todo)] * 3
    assert drivers.most == 1


def test_what_a_result_releases_is_computed_and_a_key_may_come_again(pool, drivers, dataset):
    first, *rest = tasks(dataset, Look(), size=5)

    def after(result):
        return rest if result.key == first.key else [first]  # known in this call: left out

    def drive(runner):
        whole = [one.key for one in runner.run([first, first], {DATA: dataset}, after)]
        again = [one.key for one in runner.run([first], {DATA: dataset})]  # damaged meanwhile, say
        return whole, again

    drivers.start("one", drive)
    drivers.shared.serve(drivers.done)
    whole, again = drivers.results["one"]
    assert sorted(whole) == sorted(task.key for task in [first, *rest])
    assert again == [first.key]
    assert len(pool.tasks) == len(whole) + 1


def _training(keep):
    return Train("one key", "net", None, "digest", "identity", keep=keep)


def _start_in_order(drivers, dataset, keeps):
    for name, keep in keeps.items():
        task = _training(keep)
        drivers.start(name, lambda runner, task=task: list(runner.run([task], {DATA: dataset})))
        while name not in drivers.begun:
            time.sleep(0.001)


def test_a_training_keeps_what_all_drivers_want_while_it_is_not_handed_out(drivers, dataset):
    shared = drivers.shared
    _start_in_order(drivers, dataset, {"one": (), "two": (0,), "three": (0, 2), "four": (1,)})
    while len(shared._clients.get("one key", ())) < 4:
        time.sleep(0.001)
    shared.serve(drivers.done)
    assert [task.keep for task in shared._pool.tasks] == [(0, 1, 2)]
    assert all([one.key for one in own] == ["one key"] for own in drivers.results.values())


def test_of_a_training_that_keeps_too_little_another_keeps_all_that_lacks(pool, drivers, dataset):
    keeps = {"one": (), "two": (0,), "three": (0, 2), "four": ()}
    pool.let.clear()  # the first is handed out, and not begun
    serving = threading.Thread(target=drivers.shared.serve, args=(drivers.done,), daemon=True)
    _start_in_order(drivers, dataset, {"one": keeps.pop("one")})
    serving.start()
    while drivers.shared._inbox or not drivers.shared._clients:
        time.sleep(0.001)
    _start_in_order(drivers, dataset, keeps)
    while len(drivers.shared._clients["one key"]) < 4:
        time.sleep(0.001)
    pool.let.set()
    serving.join(20)
    assert [task.keep for task in pool.tasks] == [(), (0, 2)]
    assert all([one.key for one in own] == ["one key"] for own in drivers.results.values())
    assert not pool.datasets


def test_the_data_of_a_task_go_with_it_whoever_leaves_last(pool, drivers, dataset):
    """The one who sent it leaves first, and before it is handed out the one who waits too."""
    shared, (task, *_) = drivers.shared, tasks(dataset, Look(), size=5)
    runs = []
    for name in ("one", "two"):
        with shared.turn():
            runs.append(shared.runner(name).run([task], {DATA: dataset}))
    assert len(shared._datasets) == 1
    for running in runs:
        running.close()
    assert not shared._datasets
    assert not shared._inbox
    assert not shared._given


def test_drivers_whose_data_sets_have_one_name_see_each_its_own(pool, drivers, dataset):
    less = dataset.chosen(np.arange(4))
    mine, theirs = tasks(dataset, Look(), size=5)[:1], tasks(less, Look(), size=2)[:1]
    drivers.start("one", lambda runner: list(runner.run(mine, {DATA: dataset})))
    drivers.start("two", lambda runner: list(runner.run(theirs, {DATA: less})))
    drivers.shared.serve(drivers.done)
    assert [drivers.results[name][0].rows for name in ("one", "two")] == [len(dataset), len(less)]


def test_a_driver_that_leaves_early_takes_nothing_from_the_others(pool, drivers, dataset):
    todo = tasks(dataset, Look(), size=5)
    pool.let.clear()

    def leave(runner):
        running = runner.run(todo, {DATA: dataset})
        threading.Timer(0.1, pool.let.set).start()
        next(running)
        running.close()
        return "left"

    drivers.start("leaves", leave)
    drivers.start("stays", lambda runner: list(runner.run(todo, {DATA: dataset})))
    drivers.shared.serve(drivers.done)
    assert drivers.results["leaves"] == "left"
    assert len(drivers.results["stays"]) == len(todo)
    assert not pool.datasets


def test_what_nobody_waits_for_is_not_computed(pool, drivers, dataset):
    todo = tasks(dataset, Look(), size=5)

    def leave(runner):
        runner.run(todo, {DATA: dataset}).close()  # before its first result
        return "left"

    drivers.start("leaves", leave)
    drivers.threads[0].join(5)
    drivers.shared.serve(drivers.done)
    assert drivers.results["leaves"] == "left"
    assert not pool.tasks
    assert not pool.datasets


@pytest.mark.parametrize("kind", [KeyboardInterrupt, RuntimeError])
def test_what_ends_the_pool_ends_each_driver_that_waits(pool, drivers, dataset, kind):
    todo = tasks(dataset, Look(), size=5)

    def serve(datasets, more, take, rank):
        while not more():
            time.sleep(0.001)
        raise kind("gone")

    pool.serve = serve
    for name in "ab":
        drivers.start(name, lambda runner: list(runner.run(todo, {DATA: dataset})))
    with pytest.raises(kind):
        drivers.shared.serve(drivers.done)
    for thread in drivers.threads:
        thread.join(5)
    assert drivers.done()
    assert {type(own) for own in drivers.results.values()} == {kind}
    with suppress(kind), drivers.shared.turn():  # a driver that begins later is told at once
        list(drivers.shared.runner("late").run(todo, {DATA: dataset}))
        raise AssertionError("it ran")
