"""Subspaces of one colour: perturbations of a single channel, or of all channels alike."""

from dataclasses import dataclass

import torch
from torch import Tensor

from advcore.classifier import check_pictures
from advcore.subspaces.members import Members
from advcore.subspaces.subspace import FamilySpec, Subspace


@dataclass(frozen=True, eq=False)
class Coloured:
    """A subspace of images of one channel, spread over the channels.

    `colour` `(C,)` is the unit vector along which it is spread.
    """

    subspace: Subspace
    colour: Tensor

    @property
    def dim(self) -> int:
        """Return the dimension of the subspace."""
        return self.subspace.dim

    def coordinates(self, images: Tensor) -> Tensor:
        """`(B, C, H, W)` to `(B, dim)`."""
        if images.shape[1] != len(self.colour):
            raise ValueError(
                f"the colour has {len(self.colour)} channels; images have {images.shape[1]}: "
                "make it from their shape"
            )
        return self.subspace.coordinates((images * self._weights(images)).sum(1, keepdim=True))

    def lift(self, coordinates: Tensor) -> Tensor:
        """`(B, dim)` to `(B, C, H, W)`."""
        return self.subspace.lift(coordinates) * self._weights(coordinates)

    def rows(self, index: Tensor) -> "Coloured":
        """The subspaces of the samples `index`."""
        subspace = self.subspace.rows(index)
        return self if subspace is self.subspace else Coloured(subspace, self.colour)

    def _weights(self, like: Tensor) -> Tensor:
        return self.colour.to(dtype=like.dtype, device=like.device)[:, None, None]


@dataclass(frozen=True)
class OneColour:
    """Another family, in one channel only. A family by itself perturbs each channel as it likes.

    Attributes:
        family: family of subspaces, as for images of one channel.
        channel: number of the channel, from 0; none for grey: all channels move alike, by 1/sqrt(C)
            of the perturbation each.
    """

    family: FamilySpec
    channel: int | None = None

    def __call__(self, shape: tuple[int, ...]) -> Members:
        """Return the family for images of `shape` (C, H, W)."""
        channels, height, width = check_pictures(shape, "a subspace of one colour")
        if self.channel is not None and not 0 <= self.channel < channels:
            raise ValueError(
                f"channel must lie in 0..{channels - 1} for images of {channels} channels; got "
                f"{self.channel}"
            )
        grey = torch.full((channels,), channels**-0.5, dtype=torch.float64)
        colour = (
            grey if self.channel is None else torch.eye(channels, dtype=torch.float64)[self.channel]
        )
        family = self.family((1, height, width))
        return Members(tuple(Coloured(family[position], colour) for position in range(len(family))))
