"""Data sets without files: samples that are drawn from a law."""

import numpy as np
import torch
from torch import Tensor

from advcore.laws import Law
from advcore.randomness import Randomness
from advcore.workers.datasets.sources import ReadAtOnce, Source
from advcore.workers.errors import InputError

MOST = 2**31
"""Bytes of the samples of one law, at most: they are drawn at once, and travel to the workers."""

NUMBERS = 2**17
"""Numbers that are drawn at a time, which stay in a processor's cache: whole sets take six times as
long."""


def samples_of_law(law: Law | None, split: str, samples: int | None, seed: int) -> Source:
    """Return so many samples of a law, each drawn by (seed, split, its index).

    Those of a smaller number are the first of a larger one. Raises InputError without a law or a
    number.
    """
    if law is None or samples is None:
        raise InputError(
            "synthetic data need a law and a number of samples: "
            "{name: synthetic, law: {kind: spheres}, samples: 1000}"
        )

    def block(indices: Tensor) -> tuple[Tensor, Tensor]:
        return law.draw(Randomness(seed, indices).stream("law", split))

    size = block(torch.zeros(1, dtype=torch.int64))[0].numel()
    if samples * size * 4 > MOST:
        raise InputError(
            f"samples: {samples} of {law!r} are {samples * size * 4 / 2**30:.1f} GiB; expected at "
            f"most {MOST / 2**30:.0f} GiB, for they are drawn at once: take fewer"
        )

    def take(indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows = torch.from_numpy(indices).split(max(1, NUMBERS // size))
        inputs, labels = zip(*map(block, rows), strict=True)
        return torch.cat(inputs).numpy(), torch.cat(labels).numpy()

    return ReadAtOnce(samples, law.classes, take, law.box)
