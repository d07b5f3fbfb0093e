"""Subspaces that a fit learnt: of shared normals, of shared curved directions."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from advcore.directions import check_leading, leading_directions
from advcore.learnt import Learnt, learnt_in
from advcore.randomness import Randomness
from advcore.subspaces.members import Members
from advcore.subspaces.random import random_spans
from advcore.subspaces.spans import Span
from advcore.subspaces.subspace import FamilySpec

Order = Literal["most", "least", "random"]
"""The orders of a fit's directions: from the leading one, from the last one, or random ones of the
fit's span in place of them, uniformly distributed; more of these span the fewer."""

DIRECTIONS = 10
"""The number of leading directions when none is given, unless a fit has fewer."""


@dataclass(frozen=True)
class Fitted:
    """The spans of consecutive directions of a fit, which orders them from the leading one.

    Block i holds the directions `i dim` to `(i + 1) dim - 1` in an order; one block is the span of
    the `dim` first.

    Attributes:
        fit: fit with orthonormal `directions` (k, *shape): `normals`, `shared_curvature`.
        dim: dimension of each block; when not given 10, or as many directions as the fit has for
            each block.
        count: number of blocks; the fit must have `count` x `dim` directions.
        order: order of the directions: from the `most` leading one, from the `least`, or `random`
            ones of the fit's span in place of them, uniformly distributed.
        seed: seed of random directions; the derived data set `projected` takes that of its own
            entry, so give both the same for the same directions.
    """

    fit: Learnt
    dim: int | None = None
    count: int = 1
    order: Order = field(default="most", metadata={"later": True})
    seed: int = field(default=0, metadata={"later": True})

    def __post_init__(self) -> None:
        for name, value in {"dim": self.dim, "count": self.count}.items():
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1; got {value}")

    def __call__(self, shape: tuple[int, ...]) -> Members:
        """Return the family for images of `shape` (C, H, W), in the dtype of the fit."""
        dim = number_of_directions(self.fit, self.dim, self.count)
        first = first_directions(self.fit, shape, self.count * dim, self.order, self.seed)
        return Members(tuple(Span(block, len(shape)) for block in first.split(dim)))

    def settled(self) -> "Fitted":
        """Return the family with the dimension that follows from its fit where none is given."""
        return replace(self, dim=number_of_directions(self.fit, self.dim, self.count))


def number_of_directions(fit: Learnt, wanted: int | None, blocks: int = 1) -> int:
    """Return how many directions of a fit are taken for each of some blocks.

    Those that are wanted; where none are said, 10, or as many as the fit has, once that is known.
    """
    if wanted is not None:
        return wanted
    there = fit.shape_of("directions")
    return DIRECTIONS if there is None else min(DIRECTIONS, max(there[0] // blocks, 1))


def first_directions(
    fit: Learnt, shape: tuple[int, ...], count: int, order: Order, seed: int
) -> Tensor:
    """Return the first `count` directions of a fit in an order, `(count, *shape)`.

    Raises ValueError as `leading_directions` does.
    """
    if order == "most":
        return leading_directions(fit, shape, count)
    check_leading(fit, shape, count)
    known = leading_directions(fit, shape, len(fit["directions"]), "fit fewer")
    if order == "least":
        return known.flip(0)[:count]
    one = Randomness(seed, torch.zeros(1, dtype=torch.int64))
    (basis,) = random_spans(one, (len(known),), count).basis
    turned = basis.to(known.device) @ known.flatten(1).double()
    return turned.view(count, *shape).to(known)


def check_directions(shape: tuple[int, ...], count: int, name: str = "directions") -> None:
    """Raise ValueError where inputs of a shape have no `count` directions, asked for by `name`."""
    if count > math.prod(shape):
        raise ValueError(
            f"{name} must not exceed the inputs' dimension, {math.prod(shape)}; got {count}"
        )


def check_family(family: FamilySpec, shape: tuple[int, ...]) -> None:
    """Raise ValueError where a family does not go with images of `shape` (C, H, W).

    One of a fit whose tensors are not there yet is looked at once it is used, but for the number of
    directions that the fit declares.
    """
    if all(fit.tensors is not None for fit in learnt_in(family)):
        family(shape)
        return
    for own in _fitted_in(family):
        check_leading(own.fit, shape, own.count * number_of_directions(own.fit, own.dim, own.count))


def _fitted_in(family: Any) -> Iterator[Fitted]:
    """Yield the families of fits that a family is, or is made of."""
    if isinstance(family, Fitted):
        yield family
    elif is_dataclass(family):
        for own in fields(family):
            yield from _fitted_in(getattr(family, own.name))
