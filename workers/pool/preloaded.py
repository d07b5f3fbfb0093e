"""Imports that a worker needs before its first shard.

A process that imports this while it waits measures at once when it becomes one.

`RAY_preload_python_modules=advcore.workers.pool.preloaded RAY_enable_worker_prestart=1 ray start
...` makes the processes do so that Ray keeps waiting, one for each CPU of the machine;
docs/cluster.md says what that costs.
"""

from contextlib import suppress

import torch

import advcore.workers.actor  # noqa: F401
from advcore.margins import margins
from advcore.networks import lenet
from advcore.subspaces import dct_blocks


def warm() -> None:
    """One small measurement: what torch makes ready at its first use takes half a second.

    No GPU is touched.
    """
    with torch.random.fork_rng(devices=[]):
        margins(lenet(), torch.zeros(2, 1, 28, 28), dct_blocks(28, size=8, stride=10))


with suppress(Exception):  # Ray ends a process whose import fails, and starts another one, for ever
    warm()
