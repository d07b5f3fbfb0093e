"""The numbers of a training that is made again are told once."""

from contextlib import ExitStack
from types import SimpleNamespace

from advcore.pipelines.graph.running.side_by_side import Trainings
from advcore.pipelines.machine.lock import Locks
from advcore.workers.tasks import TaskResult


def slice_of(first: int, count: int, seconds: float) -> TaskResult:
    metrics = tuple({"loss": 1 / epoch} for epoch in range(first, first + count))
    last = first + count - 1
    return TaskResult(
        "key", "net", True, 0, seconds, "", "here", done=False, epoch=last, metrics=metrics
    )


def test_epochs_that_are_made_again_are_logged_once_and_count_their_own_time() -> None:
    """Another driver's training of the same network came first, which kept too few epochs."""
    logged: list[tuple[int, int]] = []
    run = SimpleNamespace(epochs=lambda history, first: logged.append((first, len(history))))
    trainings = Trainings(None, None, ExitStack(), Locks(), {}, lambda *_: None)
    job = trainings._jobs["key"] = SimpleNamespace(history=[], opened=True, run=run)
    for part in (slice_of(1, 2, 1.0), slice_of(3, 2, 1.0)):
        trainings.progressed(part)
    assert trainings._seconds["key"] == 2.0
    for part in (slice_of(1, 3, 4.0), slice_of(4, 2, 4.0)):
        trainings.progressed(part)
    assert logged == [(1, 2), (3, 2), (5, 1)]
    assert [round(1 / own["loss"]) for own in job.history] == [1, 2, 3, 4, 5]
    assert trainings._seconds["key"] == 8.0
