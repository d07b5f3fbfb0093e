"""The queue of tasks: which worker gets which, how failures and losses count."""

from dataclasses import replace

from tiny_probes import PLAIN, Look, tasks, training

from advcore.workers.pool.task_queue import TaskQueue
from advcore.workers.tasks import unique


def test_the_queue_keeps_workers_at_their_model(dataset):
    one = tasks(dataset, Look(), size=5)
    other = tasks(dataset, Look(), size=10, model=replace(PLAIN, classes=9))
    queue = TaskQueue(one + other)
    assert len(queue) == 6
    assert queue.take(None) == one[0]
    assert queue.take(other[0].model_hash) == other[0]
    assert queue.take(one[0].model_hash) == one[1]
    queue.put_back(one[:2])
    assert [queue.take(one[0].model_hash) for _ in range(4)] == one
    assert queue.take(one[0].model_hash) == other[1]
    assert queue.take(None) is None


def test_a_higher_rank_waits_for_all_of_a_lower_one(dataset):
    one, other = tasks(dataset, Look(), size=5), tasks(dataset, Look(), size=4)
    train = training(dataset)
    ranks = {task.key: 1 for task in one} | {task.key: 0 for task in other} | {train.key: 2}
    queue = TaskQueue([train, *one, *other], lambda task: ranks[task.key])
    assert [queue.take(None) for _ in range(3)] == other[:3]
    queue.put_back(other[:1])
    assert queue.take_second(None) == other[0]
    assert [queue.take(None) for _ in range(3)] == [other[3], other[4], one[0]]
    assert len(queue) == len(one)
    assert [queue.take(None) for _ in range(len(one) + 1)] == [*one[1:], train, None]


def test_the_queue_counts_failures_of_code_and_losses_apart(dataset):
    todo = tasks(dataset, Look(), size=5)
    queue = TaskQueue(todo)
    running, waiting = queue.take(None), queue.take(None)
    assert [queue.lost(running) for _ in range(4)] == [True, True, True, False]
    assert queue.lost(waiting)
    assert [queue.failed(running) for _ in range(2)] == [True, False]
    queue = TaskQueue(todo)
    queue.put_last(queue.take(None))
    assert [queue.take(None) for _ in range(4)] == [*todo[1:], todo[0]]


def test_the_queue_takes_one_outcome_for_each_work(dataset):
    todo = tasks(dataset, Look(), size=5)
    queue = TaskQueue(todo)
    for _ in range(2):
        queue.tried(todo[1])
    assert queue.open == 4
    assert [queue.finish(todo[1]), queue.finish(todo[1]), queue.finish(todo[0])] == [2, 0, 1]
    assert queue.open == 2
    assert [queue.is_open(task) for task in todo] == [False, False, True, True]


def test_works_of_one_key_are_one(dataset):
    todo = tasks(dataset, Look())
    assert unique(todo + todo) == todo
