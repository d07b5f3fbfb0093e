"""The samples of a failed shard, for people."""

import numpy as np

from advcore.workers.errors import USERS_ERRORS
from advcore.workers.tasks import Share, Task, index_ranges
from advcore.workers.units import places_in


def samples_of_task(task: Task | Share, indices: np.ndarray) -> str:
    """Return the samples of a shard as text, by their indices in the data set `(samples,)`.

    Empty where a `Counting` probe names none that are there.
    """
    if isinstance(task, Share):
        return index_ranges(indices[task.shard.start : task.shard.stop])
    try:
        places = places_in(task.probe, task.shard, len(indices))
    except USERS_ERRORS:  # that of the user's own code, which the task's own error tells
        return ""
    return index_ranges(indices[np.unique(places)])
