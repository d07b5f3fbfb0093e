"""Shards: contiguous ranges of what is counted, samples as a rule, in which work is handed out."""

from dataclasses import dataclass

from advcore.workers.errors import InputError


@dataclass(frozen=True)
class Shard:
    """The units `start <= unit < stop`: positions in the selected data set, or parts of samples.

    A `Counting` probe says which sample a unit belongs to.
    """

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


def split(units: int, size: int) -> list[Shard]:
    """Cut `units` units into shards of `size`, in order; the last one may be smaller.

    Raises InputError unless size >= 1.
    """
    if size < 1:
        raise InputError(
            f"a shard needs at least one sample; got shard size {size}: choose 1 or more, 64 say"
        )
    return [Shard(start, min(start + size, units)) for start in range(0, units, size)]
