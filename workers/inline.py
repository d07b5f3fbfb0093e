"""The runner without a cluster: one worker, in this process."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from workers.actor import Outcome, Work, Worker, unique
from workers.datasets import Dataset
from workers.store import open_store


@dataclass(frozen=True)
class Inline:
    """Measures one shard after the other in this process.

    `store` is a location for `open_store`; `threads` torch's CPU threads while it runs, none leaves them; `device` as in `Worker`.
    """

    store: str
    threads: int | None = None
    device: str = "auto"

    def run(self, works: Sequence[Work], dataset: Dataset) -> Iterator[Outcome]:
        """One outcome for each key, in order. Shards that are done stay done when the iterator is left early."""
        open_store(self.store)
        before = torch.get_num_threads()
        try:
            worker = Worker(self.store, self.threads, self.device)
            for work in unique(works):
                yield worker.measure(work, dataset)
        finally:
            torch.set_num_threads(before)
