"""Ridge logistic regressions by Newton's method, from sums over samples."""

import torch
from torch import Tensor

PENALTY = 1e-3
"""Weight of the squared coefficients beside the mean loss, at which collinear columns have one
solution and each Newton step stays short."""


def newton_sums(
    features: Tensor, targets: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the loss, gradient and Hessian of T regressions, summed over samples.

    The loss of target t is `sum_b log(1 + exp(-s_bt w_t^T phi_b))`, s = 1 where the target is 1,
    else -1. Features phi are `(B, d)`, targets `(B, T)` of 0 and 1, weights `(T, d)`; all float64.
    The sums are `(T,)`, `(T, d)`, `(T, d, d)`.
    """
    scores = features @ weights.mT
    probability = scores.sigmoid()
    loss = torch.nn.functional.softplus(scores) - targets * scores
    curvature = probability * (1 - probability)
    hessian = torch.stack([features.mT @ (own[:, None] * features) for own in curvature.mT])
    return loss.sum(0), (probability - targets).mT @ features, hessian


def newton_step(gradient: Tensor, hessian: Tensor, weights: Tensor, count: float) -> Tensor:
    """Return the weights `(T, d)` after a step on the mean loss plus half the penalty `||w||^2`."""
    slope = gradient / count + PENALTY * weights
    curved = hessian / count + PENALTY * torch.eye(weights.shape[1], dtype=weights.dtype)
    return weights - torch.linalg.solve(curved, slope[..., None])[..., 0]
