"""The leading directions of a fit: which there are, and whether they are orthonormal."""

import torch
from torch import Tensor

from advcore.learnt import Learnt

ORTHONORMAL = 1e-3
"""Largest error of a product of two directions: float32 leaves 1e-6, float16 does not pass."""


def leading_directions(
    fit: Learnt, shape: tuple[int, ...], count: int, remedy: str = "ask for fewer"
) -> Tensor:
    """Return the first `count` directions of a fit, `(count, *shape)`, as the fit has them.

    Raises ValueError where it has fewer, of another shape, or such as are not orthonormal; then it
    tells a `remedy`.
    """
    directions = fit["directions"]
    check_leading(fit, shape, count)
    flat = directions[:count].flatten(1).double()
    error = (flat @ flat.mT - torch.eye(count, dtype=flat.dtype, device=flat.device)).abs().max()
    if not error <= ORTHONORMAL:
        raise ValueError(
            f"the directions of the fit {fit.name} must be orthonormal; a product of two is off by "
            f"{error.item():.2g}: {remedy} where it found no more"
        )
    return directions[:count]


def check_leading(fit: Learnt, shape: tuple[int, ...], count: int) -> None:
    """Raise ValueError where a fit has not `count` directions of inputs of a shape.

    It is asked for what it declares until it is learnt; of one that says nothing nothing is said.
    """
    there = fit.shape_of("directions")
    if there is None:
        return
    if there[1:] != tuple(shape):
        raise ValueError(
            f"the fit {fit.name} has directions of inputs {there[1:]}; these are {tuple(shape)}: "
            "give a fit of such inputs"
        )
    if there[0] < count:
        raise ValueError(
            f"{count} directions of the fit {fit.name} are wanted, and it has {there[0]}: ask for "
            "fewer, or fit more"
        )
