"""Orthogonal complements: all that a subspace leaves out."""

from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from advcore.subspaces.members import Members
from advcore.subspaces.subspace import FamilySpec, Subspace, is_shared


@dataclass(frozen=True, eq=False)
class Complement:
    """The orthogonal complement of a subspace of dimension m.

    It is computed by a block reflector (Schreiber and Parlett 1988).

    `H = I - V T V^T` is symmetric and orthogonal, and its first m columns are an orthonormal basis
    of the subspace: the other D - m are one of the complement. `coordinates(x) = (H x)[m:]` and
    `lift(c) = H [0; c]` keep distances exactly, as in any subspace, and no D x D matrix is formed:
    `wide` V `(D, m)` and `core` T `(m, m)` are all that is held, some 2 D m multiplications a row.
    """

    wide: Tensor
    core: Tensor
    image: tuple[int, ...]

    @property
    def dim(self) -> int:
        """D - m."""
        return self.wide.shape[0] - self.wide.shape[1]

    def coordinates(self, images: Tensor) -> Tensor:
        """`(B, C, H, W)` to `(B, dim)`."""
        return self._reflect(images.flatten(1))[:, self.wide.shape[1] :]

    def lift(self, coordinates: Tensor) -> Tensor:
        """`(B, dim)` to `(B, C, H, W)`."""
        return self._reflect(F.pad(coordinates, (self.wide.shape[1], 0))).view(-1, *self.image)

    def rows(self, index: Tensor) -> "Complement":
        """Itself: all samples share it."""
        return self

    def _reflect(self, flat: Tensor) -> Tensor:
        key = flat.dtype, flat.device
        if key not in self._conversions:
            self._conversions[key] = tuple(
                part.to(dtype=flat.dtype, device=flat.device) for part in (self.wide, self.core)
            )
        wide, core = self._conversions[key]
        return flat - flat @ wide @ core @ wide.mT

    @cached_property
    def _conversions(self) -> dict[tuple[torch.dtype, torch.device], tuple[Tensor, ...]]:
        return {}


def complement(subspace: Subspace) -> Complement:
    """The orthogonal complement of a subspace that all samples share.

    With Q its basis and Q_1 the top m rows, `Q_1 = W S Z^T` (singular values S), the basis `B = -Q
    Z W^T` has the top block `-W S W^T`; then `V = B - [I; 0]` and `T = (I + W S W^T)^-1 = W (I +
    S)^-1 W^T`, which is never ill-conditioned.
    """
    if not is_shared(subspace):
        raise ValueError(
            "a complement needs a subspace that all samples share; this one holds a basis per "
            "sample: take it per row"
        )
    dim = subspace.dim
    lifted = subspace.lift(torch.eye(dim, dtype=torch.float64))
    basis = lifted.flatten(1).mT
    if dim >= len(basis):
        raise ValueError(
            f"the subspace is all of image space, dimension {len(basis)}; its complement holds "
            "nothing but 0"
        )
    left, values, right = torch.linalg.svd(basis[:dim])
    wide = -basis @ right.mT @ left.mT
    wide[:dim] -= torch.eye(dim, dtype=torch.float64)
    return Complement(wide, left / (1 + values) @ left.mT, tuple(lifted.shape[1:]))


@dataclass(frozen=True)
class Complements:
    """The complements of the subspaces of another family.

    Holds count x dim x D numbers in float64, `dim` that of the other.

    Attributes:
        family: family of the subspaces that are left out, one at a time.
    """

    family: FamilySpec

    def __call__(self, shape: tuple[int, ...]) -> Members:
        """Return the family for images of `shape` (C, H, W)."""
        family = self.family(shape)
        return Members(tuple(complement(family[position]) for position in range(len(family))))
