"""What is still to be measured, and how often each work may fail: the pool's book-keeping, without Ray."""

from collections import Counter, deque
from collections.abc import Iterable

from workers.actor import Work

FAILURES = 2
"""So often the code of a work may fail before it is given up."""
LOSSES = 4
"""So often the worker of a work may go away under it (a machine lost, memory run out) before the work is given up."""


class Backlog:
    """Works in the order given, by model: a worker goes on with the model that it holds while there is work for it."""

    def __init__(self, works: Iterable[Work]) -> None:
        self._queues: dict[str, deque[Work]] = {}
        self._failures: Counter[str] = Counter()
        self._losses: Counter[str] = Counter()
        for work in works:
            self._queues.setdefault(work.model_hash, deque()).append(work)

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def take(self, held: str | None) -> Work | None:
        """The next work of the model `held`, else of the model with the most work left; none when nothing is left."""
        queue = self._queues.get(held or "") or max(self._queues.values(), key=len, default=None)
        return queue.popleft() if queue else None

    def put_back(self, works: Iterable[Work]) -> None:
        """Works that were handed out and not measured go to the front, in their order."""
        for work in reversed(list(works)):
            self._queues[work.model_hash].appendleft(work)

    def failed(self, work: Work) -> bool:
        """Note that the code of a work failed; True when it was queued for another try, False when it is given up."""
        self._failures[work.key] += 1
        if self._failures[work.key] >= FAILURES:
            return False
        self._queues[work.model_hash].append(work)
        return True

    def lost(self, works: list[Work]) -> Work | None:
        """Note that the worker of `works` went away; the first was running and alone counts. Gives it back when it is given up."""
        if not works:
            return None
        self._losses[works[0].key] += 1
        given_up = self._losses[works[0].key] >= LOSSES
        self.put_back(works[1:] if given_up else works)
        return works[0] if given_up else None
