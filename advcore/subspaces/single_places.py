"""The subspaces of single places of a sequence: of the coordinates of one word."""

from dataclasses import dataclass

import torch
from torch import Tensor

from advcore.subspaces.members import Members
from advcore.subspaces.subspace import Subspace


@dataclass(frozen=True)
class SinglePlaces:
    """The coordinates of one place of a sequence `(T, E)`: a subspace for each of the T places.

    A margin in one is how far that word alone must move. At an empty place, a row of 0, networks
    of words have no gradient: no margin is found there, and it is inf.
    """

    def __call__(self, shape: tuple[int, ...]) -> Members:
        """Return the family for inputs of `shape` (T, E); ValueError for others."""
        if len(shape) != 2:
            raise ValueError(
                f"places are those of sequences (T, E); got inputs {shape}: take another family"
            )
        return Members(tuple(SinglePlace(place, *shape) for place in range(shape[0])))


@dataclass(frozen=True, eq=False)
class SinglePlace:
    """The coordinates of the vector at one of `places`, which has `dim` numbers."""

    place: int
    places: int
    dim: int

    def coordinates(self, images: Tensor) -> Tensor:
        """`(B, T, E)` to `(B, E)`."""
        return images[:, self.place]

    def lift(self, coordinates: Tensor) -> Tensor:
        """`(B, E)` to `(B, T, E)`."""
        whole = [torch.zeros_like(coordinates)] * self.places
        whole[self.place] = coordinates
        return torch.stack(whole, 1)

    def rows(self, index: Tensor) -> Subspace:
        """Itself: all samples share it."""
        return self
