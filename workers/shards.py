"""Shards: contiguous ranges of a selected data set, the units in which work is handed out."""

from dataclasses import dataclass

from advcore.workers.errors import InputError


@dataclass(frozen=True)
class Shard:
    """The positions `start <= position < stop` in the selected data set."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


def split(samples: int, size: int) -> list[Shard]:
    """Cut `samples` positions into shards of `size`, in order; the last one may be smaller.

    Raises InputError unless size >= 1.
    """
    if size < 1:
        raise InputError(
            f"a shard needs at least one sample; got shard size {size}: choose 1 or more, 64 say"
        )
    return [Shard(start, min(start + size, samples)) for start in range(0, samples, size)]
