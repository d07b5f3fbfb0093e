"""Leading eigenvectors of a symmetric matrix that shards multiply, a block of vectors a round.

The locally optimal block method (LOBPCG; Knyazev 2001), with the orthonormal choice of directions
of Hetmaniuk and Lehoucq 2006: the Rayleigh-Ritz step in the span of the iterates X, of the
directions P in which they moved and of their residuals W. Only `A W` is new in a round: `A X` and
`A P` follow from what was multiplied before. So a round costs one block of products and its state
five blocks, whatever the number of rounds, and convergence is that of a Krylov space, where the
power method on a block needs many times the rounds.

Differences at a length are no matrix: their products do not add up, and what follows from earlier
ones drifts away from what a product would be. There the power method on a block (subspace
iteration) is the one to take, `advance_anew`: it multiplies what it goes on with.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from advcore.curvature import random_basis
from advcore.randomness import Randomness

Order = Literal["largest", "magnitude"]
"""The eigenvalues that lead: the largest with their signs, or the largest without."""
ORDERS: Mapping[Order, Callable[[Tensor], Tensor]] = {
    "largest": lambda values: values,
    "magnitude": torch.abs,
}


@dataclass(frozen=True)
class Ritz:
    """Ritz pairs after a round, in their order, and the blocks from which the next one is made.

    Attributes:
        values: Rayleigh quotients `(k,)`, float64.
        residuals: `||A v - value v||_2` `(k,)`, float64.
        vectors: orthonormal rows `(k, D)`, float32.
        blocks: `block` `(m, D)`, orthonormal rows to be multiplied next; `basis` and `images`, the
            rows whose products are known, and these; float32.
    """

    values: Tensor
    residuals: Tensor
    vectors: Tensor
    blocks: dict[str, Tensor]

    @property
    def residual(self) -> float:
        """The largest residual, as a share of the largest Rayleigh quotient in magnitude."""
        largest = self.values.abs().max().item()
        return self.residuals.max().item() / largest if largest else 0.0


def first_block(size: int, dimension: int, seed: int) -> dict[str, Tensor]:
    """Return the blocks before the first round: `size` random orthonormal rows `(size, D)`.

    They are all of the space, the rows of the identity, where three blocks would be.
    """
    if 3 * size > dimension:
        return {"block": torch.eye(dimension)}
    noise = Randomness(seed, torch.zeros(1, dtype=torch.int64)).stream("block")
    return {"block": random_basis(noise, size, dimension, torch.float64).float().contiguous()}


def advance(
    blocks: Mapping[str, Tensor], products: Tensor, count: int, size: int, order: Order
) -> Ritz:
    """Return the leading `count` Ritz pairs after `products` `(m, D)` of the block, float64.

    `size` is the number of rows of a block: `count` and some more, which quicken convergence.
    Raises ValueError for products that are not finite.
    """
    check_products(products)
    known = [blocks[name].double() for name in ("basis", "images") if name in blocks]
    block = blocks["block"].double()
    basis = torch.cat([*known[:1], block])
    images = torch.cat([*known[1:], products.double()])
    matrix = basis @ images.mT
    values, vectors = torch.linalg.eigh((matrix + matrix.mT) / 2)
    leading = ORDERS[order](values).argsort(descending=True, stable=True)[:size]
    values, chosen = values[leading], vectors[:, leading]
    moved = _directions(chosen, size) if known else chosen
    basis, images = moved.mT @ basis, moved.mT @ images
    wide = len(leading)
    rest = images[:wide] - values[:, None] * basis[:wide]
    lengths = torch.linalg.vector_norm(rest, dim=1)
    following = {"block": block.float()}
    if len(basis) + wide <= basis.shape[1]:
        following = {
            "block": _beyond(basis, rest / lengths.clamp(min=1e-300)[:, None]),
            "basis": basis.float(),
            "images": images.float(),
        }
    return Ritz(values[:count], lengths[:count], signed(basis[:count]), following)


def advance_anew(
    blocks: Mapping[str, Tensor], products: Tensor, count: int, size: int, order: Order
) -> Ritz:
    """Return the leading `count` Ritz pairs as `advance` does, of the block alone.

    The next block is what the products span. Where the largest values lead, they are shifted by the
    least one if that is negative, lest it should lead the iteration by its magnitude.
    """
    check_products(products)
    block, products = blocks["block"].double(), products.double()
    matrix = block @ products.mT
    values, vectors = torch.linalg.eigh((matrix + matrix.mT) / 2)
    leading = ORDERS[order](values).argsort(descending=True, stable=True)
    shift = (-values.min()).clamp(min=0) if order == "largest" else 0.0
    values, chosen = values[leading], vectors[:, leading]
    rows, images = chosen.mT @ block, chosen.mT @ products
    residuals = torch.linalg.vector_norm(images - values[:, None] * rows, dim=1)
    onward = (images + shift * rows)[:size]
    following = {"block": torch.linalg.qr(onward.mT).Q.mT.float().contiguous()}
    return Ritz(values[:count], residuals[:count], signed(rows[:count]), following)


def leading_pairs(matrix: Tensor, count: int) -> Ritz:
    """Return the `count` pairs of the largest values of a matrix `(D, D)` that is all there."""
    check_products(matrix)
    values, vectors = torch.linalg.eigh((matrix + matrix.mT) / 2)
    values, rows = values.flip(0)[:count], vectors.mT.flip(0)[:count]
    residuals = torch.linalg.vector_norm(rows @ matrix - values[:, None] * rows, dim=1)
    return Ritz(values, residuals, signed(rows), {})


def measured(vectors: Tensor, products: Tensor, order: Order) -> Ritz:
    """Return pairs of given orthonormal vectors `(k, D)`, from their products alone."""
    check_products(products)
    rows = vectors.double()
    values = (rows * products).sum(1)
    ranks = ORDERS[order](values).argsort(descending=True, stable=True)
    residuals = torch.linalg.vector_norm(products - values[:, None] * rows, dim=1)
    return Ritz(values[ranks], residuals[ranks], vectors[ranks], {})


def signed(rows: Tensor) -> Tensor:
    """Return float32 rows `(k, D)`, each or its opposite: the entry of largest size is positive."""
    signs = rows.gather(1, rows.abs().argmax(1, keepdim=True)).sign()
    return (rows * torch.where(signs == 0, 1, signs)).float()


def check_products(products: Tensor) -> None:
    """Raise ValueError unless all products are finite."""
    if not torch.isfinite(products).all():
        raise ValueError(
            "products with the matrix of all samples are NaN or infinite: some sample's are; leave "
            "it out, or check the classifier's weights and normalisation"
        )


def _directions(chosen: Tensor, size: int) -> Tensor:
    """Return coefficients `(n, 2 size)`: those of the new iterates, then of the ways they moved.

    A way is the part of an iterate that does not lie in the iterates before, the first `size` rows;
    one QR makes the ways orthogonal to the new iterates and to each other, of whatever rank.
    """
    ways = chosen.clone()
    ways[:size] = 0
    together = torch.linalg.qr(torch.cat([chosen, ways], 1)).Q
    return torch.cat([chosen, together[:, chosen.shape[1] :]], 1)


def _beyond(basis: Tensor, rows: Tensor) -> Tensor:
    """Return float32 orthonormal rows `(m, D)`: the part of `rows` that is not in the basis."""
    together = torch.linalg.qr(torch.cat([basis, rows]).mT).Q
    return together.mT[len(basis) :].float().contiguous()
