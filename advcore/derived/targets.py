"""Target classes: another class for each sample, at random or the next one."""

from typing import Literal

import torch
from torch import Tensor

from advcore.randomness import Randomness

TargetsName = Literal["none", "random", "next"]


def target_classes(
    name: TargetsName, labels: Tensor, classes: int, randomness: Randomness
) -> Tensor:
    """Return a class `(B,)` int64 for each sample that is not its label `(B,)`.

    `random`: uniform over the `classes` - 1 others, drawn by (seed, index), the same for equal
    seeds whatever is made of them. `next`: `(y + 1) mod K`. (Ilyas et al. 2019, Adversarial
    examples are not bugs, they are features: D_rand and D_det.)

    Raises ValueError for `none`, and where there is no other class.
    """
    if name not in ("random", "next") or classes < 2:
        raise ValueError(
            f"targets must be random or next, of at least 2 classes; got {name!r} and {classes}"
        )
    if name == "next":
        return (labels + 1) % classes
    drawn = randomness.stream("targets").uniform(()).double()
    away = 1 + (drawn * (classes - 1)).long().clamp(max=classes - 2)
    return (labels + away) % classes


def no_targets(labels: Tensor) -> Tensor:
    """Return what stands in a column of targets where there is none: -1, `(B,)`."""
    return torch.full_like(labels, -1)
