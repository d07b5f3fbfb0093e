"""Extreme eigenvalues by the Lanczos method (Golub and Van Loan, section 10.1), batched over samples."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from advcore.norms import L2
from advcore.randomness import Randomness


class SymmetricOperator(Protocol):
    """One symmetric `(D, D)` matrix per sample, known by its products."""

    def __matmul__(self, vectors: Tensor) -> Tensor: ...


@dataclass(frozen=True, eq=False)
class Eigenpairs:
    """`values` `(B, k)`, largest magnitude first; `vectors` `(B, k, D)`, unit; `residuals` `(B, k)`, `||A v - value v||_2`."""

    values: Tensor
    vectors: Tensor
    residuals: Tensor


def lanczos(
    operator: SymmetricOperator, randomness: Randomness, dimension: int, top: int, dtype: torch.dtype, tolerance: float = 1e-5
) -> Eigenpairs:
    """The `top` eigenvalues of largest magnitude, from either end of the spectrum.

    Each sample has its own Krylov space, reorthogonalised in full, twice. It grows until every wanted residual is below
    `tolerance` times the sample's largest eigenvalue, or to the whole space. When a Krylov space is exhausted, as that of a
    matrix of low rank soon is, it goes on from a fresh random direction: 0 is an eigenvalue like any other. A Krylov space holds
    one direction of an eigenspace, so a multiple eigenvalue is sure to be counted by its multiplicity only once the space is
    exhausted; the residuals do not tell.
    """
    if not 1 <= top <= dimension:
        raise ValueError(f"top must lie in 1..{dimension}, the dimension; got {top}")
    nothing = max(100 * torch.finfo(dtype).eps, 1e-5 * tolerance)  # the share of the scale at which a coupling counts as none
    basis = [_fresh(randomness, 0, dimension, dtype)]
    diagonal: list[Tensor] = []
    couplings: list[Tensor] = []
    was_exhausted = torch.zeros(len(basis[0]), dtype=torch.bool, device=basis[0].device)
    while True:
        image = operator @ basis[-1]
        diagonal.append((image * basis[-1]).sum(1))
        span, size = torch.stack(basis, 1), len(basis)
        rest = _orthogonal(image, span)
        coupling = L2.size(rest)
        exhausted = coupling <= nothing * torch.stack(diagonal + couplings, 1).abs().amax(1)
        coupling = coupling.masked_fill(exhausted, 0)
        if size == dimension or (size >= top and size % 5 == 0):
            values, combinations, residuals = _ritz(diagonal, couplings, coupling, top)
            # a space that has just ended says nothing yet about what is orthogonal to it
            settled = (residuals <= tolerance * values[:, :1].abs()).all(1) & (was_exhausted | ~exhausted)
            if size == dimension or settled.all():
                return _pairs(operator, combinations.mT @ span)
        fresh = _orthogonal(_fresh(randomness, size, dimension, dtype), span)
        following = torch.where(exhausted[:, None], fresh, rest)
        basis.append(following / L2.size(following)[:, None])
        couplings.append(coupling)
        was_exhausted = exhausted


def _fresh(randomness: Randomness, step: int, dimension: int, dtype: torch.dtype) -> Tensor:
    return L2.steepest(randomness.stream("lanczos", step).normal((dimension,)).to(dtype))


def _orthogonal(vectors: Tensor, span: Tensor) -> Tensor:
    """`vectors` `(B, D)` less their part in the orthonormal rows of `span` `(B, n, D)`; done twice, which is enough."""
    for _ in range(2):
        vectors = vectors - (span.mT @ (span @ vectors[:, :, None]))[:, :, 0]
    return vectors


def _ritz(diagonal: list[Tensor], couplings: list[Tensor], last: Tensor, top: int) -> tuple[Tensor, Tensor, Tensor]:
    """Ritz values `(B, top)` by magnitude, their combinations of the basis `(B, n, top)`, and the bounds of their residuals."""
    matrix = torch.diag_embed(torch.stack(diagonal, 1))
    if couplings:
        beside = torch.stack(couplings, 1)
        matrix = matrix + torch.diag_embed(beside, 1) + torch.diag_embed(beside, -1)
    values, combinations = torch.linalg.eigh(matrix)
    order = values.abs().argsort(1, descending=True)[:, :top]
    combinations = combinations.gather(2, order[:, None, :].expand(-1, len(diagonal), -1))
    return values.gather(1, order), combinations, last[:, None] * combinations[:, -1].abs()


def _pairs(operator: SymmetricOperator, vectors: Tensor) -> Eigenpairs:
    """Rayleigh quotients and true residuals of unit vectors `(B, k, D)`."""
    images = torch.stack([operator @ vectors[:, i] for i in range(vectors.shape[1])], 1)
    values = (images * vectors).sum(2)
    return Eigenpairs(values, vectors, torch.linalg.vector_norm(images - values[:, :, None] * vectors, dim=2))
