"""Measure a shard in parts if memory runs out.

The size that fits is remembered for the next shards.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from advcore.probes.probe import Batch, Columns

_SIGNS = ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed")
"""Words by which torch, CUDA's libraries and the allocator of the CPU say it, in small letters."""


def ran_out(error: Exception) -> bool:
    """Return whether an error says that memory ran out, the GPU's or this machine's."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in _SIGNS)


@dataclass
class BatchSizes:
    """The number of samples that fit into memory at once, by what is measured.

    It is found by halving, and kept.

    A part is measured as a smaller shard would be: its samples keep their indices, and so their
    noise, and their place among all. So the rows are those of the whole shard up to the rounding
    (1e-5), for all that a row's own sample and models decide, as of every probe here; but for
    attacks whose decisions hang on rounding, such as `MinimalNorm`, which says by how much. Other
    libraries' attacks may look at the whole batch; the metadata of a shard says in how many parts
    it was measured.
    """

    fits: dict[tuple[str, ...], int] = field(default_factory=dict)

    def measure(
        self, measure: Callable[[Batch], Columns], samples: Batch, what: tuple[str, ...]
    ) -> tuple[Columns, int]:
        """The columns of all samples, on the CPU, and in how many parts they were measured.

        What `measure` raises goes through, lack of memory only where one sample alone is too much.
        """
        measured: list[Columns] = []
        start, count = 0, len(samples.inputs)
        size = min(self.fits.get(what, count), count)
        while start < count:
            columns = _attempt(measure, _cut(samples, start, start + size), last=size == 1)
            if columns is None:
                size //= 2
                self.fits[what] = size
                if torch.cuda.is_initialized():
                    torch.cuda.empty_cache()
            else:
                measured.append(columns)
                start += size
        return _joined(measured, samples), len(measured)


def _attempt(measure: Callable[[Batch], Columns], part: Batch, last: bool) -> Columns | None:
    """The columns of a part; none where memory ran out.

    The exception, whose frames hold tensors, is gone when it returns.
    """
    try:
        return {
            name: column.detach().cpu() if isinstance(column, Tensor) else column
            for name, column in measure(part).items()
        }
    except Exception as error:
        if last or not ran_out(error):
            raise
        return None


def _cut(samples: Batch, start: int, stop: int) -> Batch:
    if start == 0 and stop >= len(samples.inputs):
        return samples
    return replace(samples.take(slice(start, stop)), start=samples.start + start)


def _joined(measured: Sequence[Columns], samples: Batch) -> Columns:
    """The rows of all parts in the order in which the whole shard gives them."""
    first = measured[0]
    if len(measured) == 1:
        return first
    for other in measured[1:]:
        if list(other) != list(first):
            raise ValueError(
                "a probe must give the same columns for every part of a shard; got "
                f"{', '.join(first)} and {', '.join(other)}"
            )
    rounds = 1  # rows of a unit stand together
    if samples.units is None:
        sizes = [len(torch.unique(torch.as_tensor(part["sample"]))) for part in measured]
        rounds = _rounds(measured, sizes, samples.indices.cpu())
    joined: dict[str, Tensor | list[str]] = {}
    for name, column in first.items():
        values = [
            part[name][turn * len(part[name]) // rounds : (turn + 1) * len(part[name]) // rounds]
            for turn in range(rounds)
            for part in measured
        ]
        if isinstance(column, Tensor):
            joined[name] = torch.cat([torch.as_tensor(value) for value in values])
        else:
            joined[name] = [word for value in values for word in value]
    return joined


def _rounds(measured: Sequence[Columns], sizes: Sequence[int], indices: Tensor) -> int:
    """Return how often the rows go through the samples.

    It is once, or, for rows of margins, once for each subspace.

    Rows of one sample alone tell nothing of it; those of several do, and where there are none, it
    is once for each.
    """
    start, rounds = 0, 1
    for part, size in zip(measured, sizes, strict=True):
        own, sample = indices[start : start + size], torch.as_tensor(part["sample"])
        rounds = len(sample) // size if size else 1
        if not torch.equal(sample, own.repeat(rounds)):
            return 1
        start += size
    return rounds
