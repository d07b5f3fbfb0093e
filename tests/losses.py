"""Networks whose cross-entropy with label 0 has a closed form, and the input gradient of any loss,
sample by sample.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class QuadraticLoss(nn.Module):
    """Two logits whose cross-entropy with label 0 is `1000 + b^T x + x^T A x / 2`, to more digits
    than a float has.
    """

    def __init__(self, matrix: Tensor, vector: Tensor | None = None) -> None:
        super().__init__()
        self.matrix = nn.Parameter(matrix)
        self.vector = nn.Parameter(matrix.new_zeros(len(matrix)) if vector is None else vector)

    def forward(self, images: Tensor) -> Tensor:
        flat = images.flatten(1)
        return torch.stack(
            [
                flat.new_zeros(len(flat)),
                1e3 + flat @ self.vector + (flat @ self.matrix * flat).sum(1) / 2,
            ],
            1,
        )


def affine_loss(dimension: int = 16) -> QuadraticLoss:
    """A loss without curvature, its gradient `(1, ..., dimension)`."""
    vector = torch.arange(1.0, dimension + 1, dtype=torch.float64)
    return QuadraticLoss(torch.zeros(dimension, dimension, dtype=torch.float64), vector)


def slow_gradient(network: nn.Module, image: Tensor, label: Tensor) -> Tensor:
    """The gradient of torch's own cross-entropy at one image `(C, H, W)`, a constant."""
    with torch.enable_grad():
        leaf = image.detach().clone().requires_grad_()
        return torch.autograd.grad(F.cross_entropy(network(leaf[None]), label[None]), leaf)[0]
