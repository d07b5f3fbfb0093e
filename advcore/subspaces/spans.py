"""Spans of given images.

Such images are gradients, minimal perturbations, principal components, eigenvectors of curvature.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Span:
    """The subspace with an orthonormal basis of images.

    `basis` is `(dim, C, H, W)` for all samples, `(B, dim, C, H, W)` when each row of a batch has
    its own. `rank` is the number of axes of one input: 1 for those of a table, `(dim, F)`.

    Trusts that the basis is orthonormal: `span` makes it so.
    """

    basis: Tensor
    rank: int = 3

    @property
    def dim(self) -> int:
        """The number of basis images."""
        return self.basis.shape[-1 - self.rank]

    def coordinates(self, images: Tensor) -> Tensor:
        """`(B, C, H, W)` to `(B, dim)`."""
        if images.shape[1:] != self.basis.shape[-self.rank :]:
            raise ValueError(
                f"the span is of images {tuple(self.basis.shape[-self.rank :])}; got "
                f"{tuple(images.shape[1:])}: make it from such images"
            )
        basis, flat = self._matrix(images), images.flatten(1)
        return flat @ basis.mT if basis.dim() == 2 else (basis @ flat[:, :, None])[:, :, 0]

    def lift(self, coordinates: Tensor) -> Tensor:
        """`(B, dim)` to `(B, C, H, W)`."""
        basis = self._matrix(coordinates)
        flat = coordinates @ basis if basis.dim() == 2 else (coordinates[:, None] @ basis)[:, 0]
        return flat.view(-1, *self.basis.shape[-self.rank :])

    def rows(self, index: Tensor) -> "Span":
        """The spans of the samples `index`."""
        shared = self.basis.dim() == 1 + self.rank
        return self if shared else Span(self.basis[index], self.rank)

    def _matrix(self, like: Tensor) -> Tensor:
        """Return the basis as `(dim, D)` or `(B, dim, D)`.

        It has the dtype and the device of `like`; each conversion is made once.
        """
        key = like.dtype, like.device
        if key not in self._conversions:
            flat = self.basis.flatten(-self.rank)
            self._conversions[key] = flat.to(dtype=like.dtype, device=like.device)
        return self._conversions[key]

    @cached_property
    def _conversions(self) -> dict[tuple[torch.dtype, torch.device], Tensor]:
        return {}


def span(vectors: Tensor, dim: int | None = None) -> Span:
    """The span of `vectors` `(n, C, H, W)`; of each row's own for `(B, n, C, H, W)`.

    By the singular value decomposition, without subtracting a mean: the basis is ordered by how
    much of the vectors lies along it, in float64. Vectors that depend on each other, to the
    rounding of their dtype, count once: the dimension is their rank.

    Args:
        dim: only so many leading directions (Jetley et al. 2018); all that there are when None.

    Raises ValueError where the rank is smaller than `dim`, or differs between rows: subspaces of a
    batch have one dimension.
    """
    if vectors.dim() not in (4, 5) or 0 in vectors.shape:
        raise ValueError(
            "a span needs vectors (n, C, H, W), or (B, n, C, H, W) for a span per row; got "
            f"{tuple(vectors.shape)}"
        )
    if not torch.isfinite(vectors).all():
        raise ValueError(
            "the vectors of a span hold NaN or infinite values; leave those vectors out"
        )
    flat = vectors.detach().flatten(-3)
    _, values, directions = torch.linalg.svd(flat.double(), full_matrices=False)
    rounding = max(flat.shape[-2:]) * torch.finfo(flat.dtype).eps
    ranks = (values > rounding * values[..., :1]).sum(-1).reshape(-1)
    least, wanted = int(ranks.min()), int(ranks.max()) if dim is None else dim
    if not 1 <= wanted <= least:
        place = (
            f", first in row {int((ranks < wanted).nonzero()[0])}"
            if vectors.dim() == 5 and wanted > least
            else ""
        )
        raise ValueError(
            f"the {flat.shape[-2]} vectors span {least} dimensions{place}, and {wanted} are "
            "wanted; give dim between 1 and that rank, or vectors that do not depend on each other"
        )
    return Span(
        directions[..., :wanted, :]
        .view(*vectors.shape[:-4], wanted, *vectors.shape[-3:])
        .contiguous()
    )


def principal_components(images: Tensor, dim: int) -> Span:
    """Return the `dim` orthogonal directions along which images vary most about their mean.

    The images are `(n, C, H, W)`; the directions are in descending order of the variance.
    """
    return span(images - images.mean(0), dim)
