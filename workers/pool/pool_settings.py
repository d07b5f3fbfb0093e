"""The settings of an actor pool."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from advcore.workers.tasks import Train


@dataclass(frozen=True)
class PoolSettings:
    """Settings of an actor pool.

    Attributes:
        start_actor: starts an actor and returns its handle.
        wanted: returns the number of actors that there should be.
        shard_seconds: time limit of a shard, in seconds; None for none.
        asked: the resources that were asked for, for messages.
        elastic: says that `wanted` changes with the cluster.
        answers: returns True if Ray's head answers.
        saved_epochs: returns the number of epochs of a training in the store.
    """

    start_actor: Callable[[], Any]
    wanted: Callable[[], int]
    shard_seconds: float | None
    asked: str
    elastic: bool = False
    answers: Callable[[], bool] = lambda: True
    saved_epochs: Callable[[Train], int] = lambda task: 0
