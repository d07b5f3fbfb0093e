"""The Gauss-Newton matrix of cross-entropy in the input.

It is the exact curvature where the network is piecewise linear.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from advcore.classifier import Classifier, frozen
from advcore.logit_gradients import jacobian


@dataclass(frozen=True, eq=False)
class GaussNewton:
    """`G_b = J_b^T (diag p_b - p_b p_b^T) J_b`, of rank below K.

    J is the Jacobian of the logits `(K, D)`, p the softmax.

    The Hessian of cross-entropy is `G + sum_k (p_k - y_k) d^2 z_k / dx^2`; the sum vanishes
    wherever the logits are piecewise linear in the input (ReLU, max-pooling, batch normalisation in
    evaluation mode), whatever the label.

    `jacobian` `(B, K, D)`; `factor` `(B, K, K)` float64 with `factor factor^T = diag p - p p^T`.
    """

    jacobian: Tensor
    factor: Tensor

    def __matmul__(self, vectors: Tensor) -> Tensor:
        """`(B, D)` to `(B, D)`."""
        tangents = (self.jacobian @ vectors[:, :, None]).double()
        weighted = (self.factor @ (self.factor.mT @ tangents)).to(vectors.dtype)
        return (self.jacobian.mT @ weighted)[:, :, 0]

    def eigenvalues(self) -> Tensor:
        """The K largest, descending, `(B, K)` float64; the other D - K are 0.

        One K x K eigenproblem a sample.
        """
        rows = self.factor.mT @ self.jacobian.double()
        return torch.linalg.eigvalsh(rows @ rows.mT).flip(1).clamp(min=0)


def gauss_newton(classifier: Classifier, images: Tensor) -> GaussNewton:
    """The matrix at images `(B, *shape)`: one forward pass and K backward passes."""
    with frozen(classifier):
        logits, rows = jacobian(classifier, images)
    root = logits.double().softmax(1).sqrt()
    # diag p - p p^T = A A^T with A = diag(root) (I - root root^T), as root is a unit vector
    factor = root[:, :, None] * (
        torch.eye(root.shape[1], dtype=root.dtype, device=root.device)
        - root[:, :, None] * root[:, None, :]
    )
    return GaussNewton(rows.flatten(2), factor)
