"""Families of given subspaces, and batches whose rows lie in one member each."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from advcore.subspaces.subspace import Family, Subspace, is_shared


@dataclass(frozen=True, eq=False)
class Members:
    """The family of the given subspaces, all of one dimension, each shared by all samples."""

    subspaces: tuple[Subspace, ...]

    def __post_init__(self) -> None:
        dims = sorted({subspace.dim for subspace in self.subspaces})
        if len(dims) != 1:
            raise ValueError(
                "a family needs one or more subspaces of one dimension; got dimensions "
                f"{dims}: make a family of each"
            )
        if not all(map(is_shared, self.subspaces)):
            raise ValueError(
                "a family needs subspaces that all samples share; one holds a basis per "
                "sample: use Restricted for it"
            )

    @property
    def dim(self) -> int:
        """The dimension of each."""
        return self.subspaces[0].dim

    def __len__(self) -> int:
        return len(self.subspaces)

    def __getitem__(self, position: int) -> Subspace:
        return self.subspaces[position]

    def rows(self, which: Tensor) -> "Grouped":
        """Row b of a batch gets the subspace at position `which[b]`."""
        return Grouped(self, which)


@dataclass(frozen=True, eq=False)
class Grouped:
    """Row b of a batch in member `which[b]` of a family.

    There is one product for each member that occurs; no basis is copied per row.
    """

    family: Family
    which: Tensor

    @property
    def dim(self) -> int:
        """The dimension of each member."""
        return self.family.dim

    def coordinates(self, images: Tensor) -> Tensor:
        """`(B, C, H, W)` to `(B, dim)`."""
        return self._by_member(images, lambda member, rows: member.coordinates(rows))

    def lift(self, coordinates: Tensor) -> Tensor:
        """`(B, dim)` to `(B, C, H, W)`."""
        return self._by_member(coordinates, lambda member, rows: member.lift(rows))

    def rows(self, index: Tensor) -> "Grouped":
        """The subspaces of the samples `index`."""
        return Grouped(self.family, self.which[index])

    def _by_member(self, rows: Tensor, product: Callable[[Subspace, Tensor], Tensor]) -> Tensor:
        order = self.which.argsort(stable=True)
        positions, counts = self.which[order].unique_consecutive(return_counts=True)
        parts = zip(positions.tolist(), rows[order].split(counts.tolist()), strict=True)
        return torch.cat([product(self.family[position], part) for position, part in parts])[
            order.argsort()
        ]
