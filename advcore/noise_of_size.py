"""Noise of a given size that keeps to the box."""

import math
from typing import Literal

import torch
from torch import Tensor

from advcore.norms import check_norm, per_sample
from advcore.randomness import Randomness

NoiseNorm = Literal["l2", "linf"]


def check_noise(norm: str, size: float) -> None:
    """Raise ValueError for a norm or a size that noise cannot have."""
    check_norm(norm, NoiseNorm)
    if not 0 <= size < math.inf:
        raise ValueError(f"size must be a finite number >= 0 in pixel units; got {size}")


def add_noise(
    inputs: Tensor, norm: NoiseNorm, size: float, randomness: Randomness, box: bool
) -> Tensor:
    """Return inputs `(B, *shape)` with noise of that size, drawn by (seed, index).

    In l2 the direction d is uniform on the sphere. In linf each coordinate moves by `size`, up or
    down: the largest noise that the norm allows.

    In the `box` [0, 1] a coordinate stops at its end. In l2 the others then go further, so that
    `||x' - x||_2 = size` all the same: `r = sign(d) min(t |d|, room)` with the smallest such t. If
    no t reaches that size, all end at the corner towards which d points. In linf a coordinate at
    its end stays short of `size`.
    """
    check_noise(norm, size)
    randomness.check(len(inputs))
    direction = randomness.stream("noise").normal(inputs.shape[1:]).double()
    start = inputs.double()
    room = torch.where(direction > 0, 1 - start, start) if box else torch.full_like(start, math.inf)
    if norm == "linf":
        length = room.clamp(max=size)
    elif box:
        length = _stretched(direction.flatten(1).abs(), room.flatten(1), size).view_as(start)
    else:
        squares = direction.flatten(1).square().cumsum(1)[:, -1]  # in one order whatever the batch
        length = direction.abs() * per_sample(size / squares.sqrt(), start)
    made = (start + direction.sign() * length).to(inputs.dtype)
    return made.clamp(0, 1) if box else made  # but for the rounding it is inside


def _stretched(length: Tensor, room: Tensor, size: float) -> Tensor:
    """Return `min(t length, room)` `(B, D)` of the l2 norm `size`; `room` if none is as long.

    Sorted by the t at which each coordinate ends, the norm's square at such a t is the sum of
    `room^2` of those before it and `t^2 length^2` of the others: it grows with t, and in between
    `t^2` is read off.
    """
    ends, order = (room / length.clamp(min=torch.finfo(length.dtype).tiny)).sort(1)
    squares = room.gather(1, order).square()
    ended = squares.cumsum(1) - squares
    free = length.gather(1, order).square().flip(1).cumsum(1).flip(1)
    short = (ended + ends.square() * free < size**2).sum(1, keepdim=True)
    place = short.clamp(max=length.shape[1] - 1)
    left = (size**2 - ended.gather(1, place)).clamp(min=0)
    step = (left / free.gather(1, place)).sqrt()
    return torch.where(short < length.shape[1], (step * length).minimum(room), room)
