"""Extreme eigenvalues by the Lanczos method, batched over samples.

Source: Golub and Van Loan, section 10.1.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from advcore.norms import L2
from advcore.randomness import Randomness

STEPS = 300
"""Dimensions of a Krylov space where nothing else is said."""


class SymmetricOperator(Protocol):
    """One symmetric `(D, D)` matrix per sample, known by its products."""

    def __matmul__(self, vectors: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Ends:
    """Both ends of a spectrum: its `top` largest eigenvalues and its `bottom` smallest.

    They are ordered by sign and not by magnitude.
    """

    top: int
    bottom: int

    def __post_init__(self) -> None:
        if min(self.top, self.bottom) < 0:
            raise ValueError(
                f"top and bottom must not be negative; got {self.top} and {self.bottom}"
            )


@dataclass(frozen=True, eq=False)
class Eigenpairs:
    """`values` `(B, k)`; `vectors` `(B, k, D)`, unit; `residuals` `(B, k)`, `||A v - value v||_2`.

    In the order of magnitude, the largest first; of `Ends`, descending: the top ones, then the
    bottom ones, the smallest last.
    """

    values: Tensor
    vectors: Tensor
    residuals: Tensor


def lanczos(
    operator: SymmetricOperator,
    randomness: Randomness,
    dimension: int,
    wanted: int | Ends,
    dtype: torch.dtype,
    tolerance: float = 1e-5,
    steps: int | None = None,
) -> Eigenpairs:
    """Return extreme eigenvalues of symmetric matrices, with their vectors.

    A number asks for so many of the largest magnitude, from either end of the spectrum; `Ends` for
    so many from each end.

    Each sample has its own Krylov space, reorthogonalised in full. It grows until every wanted
    residual is below `tolerance` times the sample's largest eigenvalue in magnitude, or to `steps`
    dimensions; then the residuals tell what is not settled. A sample takes `steps` D numbers of
    memory, so when None it is at most 300, or five times the number wanted if that is more (the
    whole space where D is less): 0.2 GB for 3 x 224 x 224 in float32. A sample whose products are
    not finite has NaN for all. When a Krylov space is exhausted, as that of a matrix of low rank
    soon is, it goes on from a fresh random direction: 0 is an eigenvalue like any other. A Krylov
    space holds one direction of an eigenspace, so a multiple eigenvalue is sure to be counted by
    its multiplicity only once the space is exhausted; the residuals do not tell.
    """
    count = wanted.top + wanted.bottom if isinstance(wanted, Ends) else wanted
    if not 1 <= count <= dimension:
        raise ValueError(
            f"the eigenvalues wanted must number 1..{dimension}, the dimension; got {count}"
        )
    if steps is not None and steps < count:
        raise ValueError(
            f"steps must be at least {count}, as many as the eigenvalues wanted; got {steps}"
        )
    limit = min(dimension, max(STEPS, 5 * count) if steps is None else steps)
    nothing = max(
        100 * torch.finfo(dtype).eps, 1e-5 * tolerance
    )  # the share of the scale at which a coupling counts as none
    following = _fresh(randomness, 0, dimension, dtype)
    basis = following.new_empty(len(following), min(limit, 2 * count + 20), dimension)
    diagonal: list[Tensor] = []
    couplings: list[Tensor] = []
    was_exhausted = torch.zeros(len(following), dtype=torch.bool, device=following.device)
    for size in range(1, limit + 1):
        if size > basis.shape[1]:
            basis = torch.cat([basis, torch.empty_like(basis)], 1)
        basis[:, size - 1] = following
        span = basis[:, :size]
        image = operator @ following
        diagonal.append((image * following).sum(1))
        rest = image - diagonal[-1][:, None] * following
        if couplings:
            rest = rest - couplings[-1][:, None] * basis[:, size - 2]
        rest = _orthogonal(rest, span)
        coupling = L2.size(rest)
        exhausted = coupling <= nothing * torch.stack(diagonal + couplings, 1).abs().amax(1)
        coupling = coupling.masked_fill(exhausted, 0)
        if size == limit or (size >= count and size % 5 == 0):
            combinations, settled = _ritz(diagonal, couplings, coupling, wanted, tolerance)
            # a space that has just ended says nothing yet about what is orthogonal to it
            if size == limit or (settled & (was_exhausted | ~exhausted)).all():
                break
        if exhausted.any():
            fresh = _orthogonal(_fresh(randomness, size, dimension, dtype), span)
            rest = torch.where(exhausted[:, None], fresh, rest)
        following = rest / L2.size(rest)[:, None]
        couplings.append(coupling)
        was_exhausted = exhausted
    return _pairs(operator, combinations.mT @ span)


def _fresh(randomness: Randomness, step: int, dimension: int, dtype: torch.dtype) -> Tensor:
    return L2.steepest(randomness.stream("lanczos", step).normal((dimension,)).to(dtype))


def _orthogonal(vectors: Tensor, span: Tensor) -> Tensor:
    """Return `vectors` `(B, D)` less their part in the orthonormal rows of `span` `(B, n, D)`.

    It is subtracted twice where it is more than half of any, which is enough (Daniel et al. 1976).
    """
    for _ in range(2):
        before, vectors = vectors, vectors - (span.mT @ (span @ vectors[:, :, None]))[:, :, 0]
        if (L2.size(vectors) >= 0.5 * L2.size(before)).all():
            break
    return vectors


def _ritz(
    diagonal: list[Tensor],
    couplings: list[Tensor],
    last: Tensor,
    wanted: int | Ends,
    tolerance: float,
) -> tuple[Tensor, Tensor]:
    """Return the wanted Ritz vectors as combinations of the basis `(B, n, k)`.

    Also return which samples' residuals are all small, `(B,)`.
    """
    matrix = torch.diag_embed(torch.stack(diagonal, 1))
    if couplings:
        beside = torch.stack(couplings, 1)
        matrix = matrix + torch.diag_embed(beside, 1) + torch.diag_embed(beside, -1)
    broken = ~torch.isfinite(matrix).flatten(1).all(
        1
    )  # eigh refuses the whole batch for one of them
    values, combinations = torch.linalg.eigh(matrix.masked_fill(broken[:, None, None], 0))
    combinations = combinations.gather(
        2, _choose(values, wanted)[:, None, :].expand(-1, len(diagonal), -1)
    )
    residuals = last[:, None] * combinations[:, -1].abs()
    return combinations, broken | (residuals <= tolerance * values.abs().amax(1, keepdim=True)).all(
        1
    )


def _choose(values: Tensor, wanted: int | Ends) -> Tensor:
    """The places `(B, k)` of the wanted among ascending values `(B, n)`."""
    match wanted:
        case Ends(top, bottom):
            places = torch.arange(values.shape[1], device=values.device).flip(0)
            return torch.cat([places[:top], places[len(places) - bottom :]]).expand(len(values), -1)
        case count:
            return values.abs().argsort(1, descending=True)[:, :count]


def _pairs(operator: SymmetricOperator, vectors: Tensor) -> Eigenpairs:
    """Rayleigh quotients and true residuals of unit vectors `(B, k, D)`."""
    images = torch.stack([operator @ vectors[:, i] for i in range(vectors.shape[1])], 1)
    values = (images * vectors).sum(2)
    return Eigenpairs(
        values, vectors, torch.linalg.vector_norm(images - values[:, :, None] * vectors, dim=2)
    )
