"""The seam of the subspaces, and a classifier restricted to one."""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn

from advcore.classifier import Classifier, take_rows
from advcore.tangent import Tangent


class Subspace(Protocol):
    """A linear subspace of image space with an orthonormal basis Q.

    There is one for all samples, or each row of a batch has its own.

    `coordinates(lift(c)) == c`; `lift(coordinates(x))` is the orthogonal projection of `x`.
    """

    @property
    def dim(self) -> int:
        """The number of coordinates."""

    def coordinates(self, images: Tensor) -> Tensor:
        """`Q^T x`, from `(B, C, H, W)` to `(B, dim)`."""

    def lift(self, coordinates: Tensor) -> Tensor:
        """`Q c`, from `(B, dim)` to `(B, C, H, W)`."""

    def rows(self, index: Tensor) -> "Subspace":
        """The subspaces of the samples `index`; itself when all samples share one."""


def is_shared(subspace: Subspace) -> bool:
    """Return whether all samples share the subspace."""
    return subspace.rows(torch.zeros(1, dtype=torch.int64)) is subspace


class Family(Protocol):
    """Subspaces of equal dimension, from which each row of a batch can take its own."""

    @property
    def dim(self) -> int:
        """The dimension of each."""

    def __len__(self) -> int: ...

    def __getitem__(self, position: int) -> Subspace: ...

    def rows(self, which: Tensor) -> Subspace:
        """Row b of a batch gets the subspace at position `which[b]`."""


class FamilySpec(Protocol):
    """A frozen dataclass that a study holds: the recipe of a family.

    It is written before the images are known.
    """

    def __call__(self, shape: tuple[int, ...]) -> Family:
        """The family for images of `shape` (C, H, W); ValueError when they do not go together."""


class Restricted(nn.Module):
    """`coordinates -> classifier(x + Q coordinates)`: the classifier along a subspace through `x`.

    Attacks on it perturb inside the subspace, so any attack measures margins there, and distances
    in coordinates are distances in images, as Q is orthonormal. Holds one `x` per sample, so it
    stands for its batch alone; `rows` takes part of it.

    With a `tangent`, the classifier linearised at the images, logits and gradients at coordinates 0
    cost no pass.
    """

    def __init__(
        self,
        classifier: Classifier,
        images: Tensor,
        subspace: Subspace,
        tangent: Tangent | None = None,
    ) -> None:
        super().__init__()
        self.classifier = classifier
        self.images = images
        self.subspace = subspace
        self.tangent = tangent

    def forward(self, coordinates: Tensor) -> Tensor:
        """Return the logits `(B, K)` at `coordinates` `(B, dim)`."""
        if self.tangent is not None and not coordinates.requires_grad and not coordinates.any():
            return self.tangent.logits[self.tangent.index]
        return self.classifier(self.images + self.subspace.lift(coordinates))

    def known_jacobian(
        self, coordinates: Tensor, values: Callable[[Tensor], Tensor] | None
    ) -> tuple[Tensor, Tensor] | None:
        """The Jacobian at coordinates 0; see `advcore.logit_gradients.jacobian`."""
        if self.tangent is None or coordinates.any():
            return None
        return self.tangent.differentiate(self.subspace.coordinates, values)

    def rows(self, index: Tensor) -> "Restricted":
        """The restriction around the samples `index`."""
        tangent = None if self.tangent is None else self.tangent.take(index)
        return Restricted(
            take_rows(self.classifier, index),
            self.images[index],
            self.subspace.rows(index),
            tangent,
        )
