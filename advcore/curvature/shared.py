"""Directions along which the loss is curved at many samples at once.

Sources: Moosavi-Dezfooli et al. 2018; Jetley et al. 2018.

They are the leading eigenvectors of the mean Hessian over samples: `lanczos` on a `Mean` of
Hessians at hand, or on `Stacked` eigenpairs that were measured sample by sample, anywhere, and
gathered.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from advcore.curvature.hessian import Hessian
from advcore.curvature.lanczos_method import SymmetricOperator
from advcore.norms import L2
from advcore.randomness import Randomness


class Mean:
    """`mean_b H_b` over all samples of several Hessians (a batch each, say).

    It is one matrix, for `lanczos` a batch of one.
    """

    def __init__(self, parts: Sequence[Hessian]) -> None:
        if not parts:
            raise ValueError("a mean needs at least one Hessian; got none")
        self._parts = parts

    def __matmul__(self, vectors: Tensor) -> Tensor:
        """`(1, D)` to `(1, D)`."""
        _check_one(vectors)
        sums = [(part @ vectors.expand(part.shape)).sum(0, keepdim=True) for part in self._parts]
        return torch.stack(sums).sum(0) / sum(part.shape[0] for part in self._parts)


class Stacked:
    """`1/N sum_b sum_i value_bi vector_bi vector_bi^T`, from k eigenpairs of each of N samples.

    It is one matrix, a batch of one.

    With each sample's k eigenpairs of largest magnitude it is the mean Hessian but for a matrix of
    spectral norm at most `mean_b |value_bk|`, and so is each eigenvalue; exact for k >= K - 1 where
    the network is piecewise linear. N k D numbers: for large images take coordinates in a subspace
    (`subspaces.Restricted`) as the input.
    """

    def __init__(self, values: Tensor, vectors: Tensor) -> None:
        """`values` `(N, k)`, `vectors` `(N, k, D)`, unit."""
        if (
            values.dim() != 2
            or vectors.dim() != 3
            or vectors.shape[:2] != values.shape
            or not len(values)
        ):
            raise ValueError(
                f"values must be (N, k) and vectors (N, k, D); got {tuple(values.shape)} and "
                f"{tuple(vectors.shape)}"
            )
        self._weights = values.flatten() / len(values)
        self._vectors = vectors.flatten(0, 1)

    def __matmul__(self, vectors: Tensor) -> Tensor:
        """`(1, D)` to `(1, D)`."""
        _check_one(vectors)
        return ((vectors @ self._vectors.mT) * self._weights) @ self._vectors


def energy(basis: Tensor, vectors: Tensor) -> Tensor:
    """Return `||P v|| / ||v||`, `(B,)`; NaN where v is 0.

    P is the projection on the orthonormal rows of `basis` `(m, D)`.

    `vectors` `(B, *shape)`. Of a random direction of R^D it is about `sqrt(m / D)`.
    """
    flat = vectors.flatten(1)
    return L2.size(flat @ basis.mT) / L2.size(flat)


def curvature_along(operator: SymmetricOperator, directions: Tensor, samples: int) -> Tensor:
    """Return `v^T H_b v` for each unit vector v of `directions` `(m, D)`, `(B, m)`.

    The vectors are the same for all samples; this costs m products.
    """
    columns = []
    for direction in directions:
        vectors = direction.expand(samples, -1)
        columns.append(((operator @ vectors) * vectors).sum(1))
    return torch.stack(columns, 1)


def random_basis(randomness: Randomness, count: int, dimension: int, dtype: torch.dtype) -> Tensor:
    """Return `count` uniform orthonormal directions of R^dimension, `(count, dimension)`.

    `randomness` is of one sample.
    """
    if not 1 <= count <= dimension:
        raise ValueError(f"count must lie in 1..{dimension}, the dimension; got {count}")
    normal = randomness.stream("basis").normal((dimension, count)).to(dtype)
    _check_one(normal)
    return torch.linalg.qr(normal[0]).Q.mT


def _check_one(vectors: Tensor) -> None:
    if len(vectors) != 1:
        raise ValueError(
            "what all samples share needs the randomness of one sample, an index of length 1; "
            f"got {len(vectors)}"
        )
