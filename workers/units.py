"""The units that a probe counts: samples, or parts of their measurement."""

from collections.abc import Sequence

import numpy as np

from advcore.probes.probe import Counting, Probe
from advcore.probes.table import Table
from advcore.workers.errors import InputError
from advcore.workers.shards import Shard
from advcore.workers.stores.store import Store


def units_of(probe: Probe, samples: int) -> int:
    """Return how many units, which shards are ranges of, a probe has in so many samples.

    Raises InputError where a `Counting` probe counts none.
    """
    if not isinstance(probe, Counting):
        return samples
    units = probe.units(samples)
    if units < 1:
        raise InputError(
            f"a probe must count at least one unit; {type(probe).__name__}.units({samples}) "
            f"returned {units}"
        )
    return units


def counts_samples(probe: Probe, samples: int) -> bool:
    """Return whether the units of a probe are the samples themselves."""
    return units_of(probe, samples) == samples


def read_rows(store: Store, probe: Probe, keys: Sequence[str]) -> Table:
    """Return the rows of a probe's shards, in their order, those of the units of a sample merged.

    Raises what `merged` of a `Counting` probe raises, and ValueError where a file is damaged.
    """
    table = Table(store.read_all(keys))
    return Table(probe.merged(table)) if isinstance(probe, Counting) else table


def places_in(probe: Probe, shard: Shard, samples: int) -> np.ndarray:
    """Return the place in the data set of the sample of each unit of a shard, `(units,)`.

    Raises ValueError unless a `Counting` probe names one of the samples for each unit.
    """
    if not isinstance(probe, Counting):
        return np.arange(shard.start, shard.stop)
    places = np.asarray(probe.samples_of(shard.start, shard.stop))
    if places.shape != (len(shard),) or places.min() < 0 or places.max() >= samples:
        raise ValueError(
            f"a probe must name the place of one of {samples} samples for each of its "
            f"{len(shard)} units; {type(probe).__name__}.samples_of({shard.start}, {shard.stop}) "
            f"returned {places.tolist()[:6]}"
        )
    return places
