"""The curvature across a direction: the Hessian restricted to orthogonal directions.

And the most curved of those.
"""

from torch import Tensor

from advcore.curvature.hessian import Hessian
from advcore.curvature.lanczos_method import lanczos
from advcore.norms import L2
from advcore.randomness import Randomness

ZERO_CURVATURE = 1e-5
"""The curvature across, as a share of `||H n||`, up to which none is told from 0: Lanczos' own
tolerance."""


class Across:
    """`P H P`, `P = I - n n^T`, `n = d / ||d||`, for a Hessian and directions d `(B, D)`.

    It is H itself where d is 0.
    """

    def __init__(self, hessian: Hessian, directions: Tensor) -> None:
        self._hessian, self._normal = hessian, L2.steepest(directions)
        self.along = L2.size(hessian @ self._normal)
        """`||H n||`, `(B,)`."""

    @property
    def shape(self) -> tuple[int, int]:
        """Samples and dimension, (B, D)."""
        return self._hessian.shape

    def __matmul__(self, vectors: Tensor) -> Tensor:
        """`(B, D)` to `(B, D)`."""
        return self._orthogonal(self._hessian @ self._orthogonal(vectors))

    def _orthogonal(self, vectors: Tensor) -> Tensor:
        return vectors - (vectors * self._normal).sum(1, keepdim=True) * self._normal


def most_curved_across(hessian: Hessian, directions: Tensor, randomness: Randomness) -> Tensor:
    """Return the most curved unit vector v orthogonal to each direction `(B, D)`, `(B, D)`.

    It has the largest `|v^T H v|`; D is at least 2.

    Signed so that its entry of largest magnitude is positive. 0 where there is none: where all
    curvature across the direction is within 1e-5 of `||H n||` or not finite, as where H has rank
    one and its eigenvector is the direction.
    """
    operator = Across(hessian, directions)
    pairs = lanczos(operator, randomness, operator.shape[1], 1, directions.dtype)
    vectors = pairs.vectors[:, 0]
    vectors = vectors * vectors.gather(1, vectors.abs().argmax(1, keepdim=True)).sign()
    return vectors.masked_fill(~(pairs.values.abs() > ZERO_CURVATURE * operator.along[:, None]), 0)
