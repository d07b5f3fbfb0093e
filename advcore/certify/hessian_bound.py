"""Certificates by a bound on the curvature of the logits (Singla and Feizi 2020).

Second-order provable defenses against adversarial attacks, section 4.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from advcore.certify.affine_maps import AffineChain, affine_chain
from advcore.classifier import Classifier, check_batch

SECOND_DERIVATIVES: dict[type[nn.Module], Callable[[Any], tuple[float, float]]] = {
    nn.Softplus: lambda own: (0.0, own.beta / 4),
    nn.Sigmoid: lambda own: (-1 / (6 * 3**0.5), 1 / (6 * 3**0.5)),
    nn.Tanh: lambda own: (-4 / (3 * 3**0.5), 4 / (3 * 3**0.5)),
}
"""Smallest and largest second derivative of each activation.

torch's softplus is the identity above a threshold, where it differs by `exp(-threshold) / beta`,
2e-9 as it comes.
"""

LEAST_THRESHOLD = 20
"""Threshold of torch's softplus as it comes; a lower one lets its values jump."""


@dataclass(frozen=True, eq=False)
class CurvatureCertificates:
    """The proof of each sample, and what it rests on; l2, pixel units, no box.

    - `label` `(B,)`: the class that is predicted.
    - `radius` `(B,)`: no perturbation shorter than this changes it.
    - `rival` `(B,)`: the other class, which is proven the least far.
    - `gap` `(B,)`: the logit of the label over the rival's.
    - `slope` `(B,)`: l2 length of the gap's gradient, per pixel unit.
    - `curvature` `(B,)`: K, which the gap's second derivative is above minus of, in every
      direction and everywhere.
    """

    label: Tensor
    radius: Tensor
    rival: Tensor
    gap: Tensor
    slope: Tensor
    curvature: Tensor


def curvature_certificate(classifier: Classifier, images: Tensor) -> CurvatureCertificates:
    """Certify a network of one hidden layer by a global bound of its Hessian.

    The gap `m = z_y - z_k` of two logits is `sum_j a_j s(w_j . x + b_j)` and a constant, so its
    Hessian is `sum_j a_j s''(u_j) w_j w_j^T`. With `low <= s'' <= high` it is at least `-P`, `P =
    sum_j max(-a_j low, -a_j high) w_j w_j^T`, whose largest eigenvalue is K. So along any way of
    length r the gap is at least `m - ||g|| r - K r^2 / 2`, and positive within

        (sqrt(||g||^2 + 2 K m) - ||g||) / K,

    which is `m / ||g||`, the distance to an affine boundary, where K is 0. The smallest one over
    all other classes counts. Everything is computed in float64.

    Args:
        classifier: module of affine layers around one layer of softplus, sigmoid or tanh; what is
            read of it says `advcore.certify.affine_maps.affine_chain`.
        images: `(B, *shape)`.

    Raises ValueError for another network.
    """
    check_batch(images)
    chain = one_hidden_layer(classifier, images)
    logits, slopes = _linearised(chain, images)
    label = logits.argmax(1)
    own = label[:, None]
    gaps = logits.gather(1, own) - logits
    lengths = (slopes.gather(1, own[:, :, None].expand(-1, 1, slopes.shape[2])) - slopes).norm(
        dim=2
    )
    bounds = hessian_bounds(chain)[label]
    radii = 2 * gaps / (lengths + (lengths**2 + 2 * bounds * gaps).sqrt())
    radii = radii.masked_fill(radii.isnan(), 0).scatter(1, own, torch.inf)
    rival = radii.argmin(1)

    def of_rival(values: Tensor) -> Tensor:
        return values.gather(1, rival[:, None])[:, 0].to(images.device)

    return CurvatureCertificates(
        label.to(images.device),
        of_rival(radii),
        rival.to(images.device),
        of_rival(gaps),
        of_rival(lengths),
        of_rival(bounds),
    )


def one_hidden_layer(classifier: Classifier, images: Tensor) -> AffineChain:
    """Return the affine maps around a network's one hidden layer.

    Raises ValueError for another network.
    """
    chain = affine_chain(classifier, images, tuple(SECOND_DERIVATIVES))
    if len(chain.activations) != 1:
        raise ValueError(
            "curvature is bounded for one hidden layer of softplus, sigmoid or tanh; got "
            f"{len(chain.activations)} such layers"
        )
    own = chain.activations[0]
    if isinstance(own, nn.Softplus) and own.threshold < LEAST_THRESHOLD:
        raise ValueError(
            f"softplus jumps where it becomes the identity, at its threshold {own.threshold:g}, by "
            f"too much below {LEAST_THRESHOLD}: leave the threshold as it comes"
        )
    return chain


def hessian_bounds(chain: AffineChain) -> Tensor:
    """Return K of each pair of classes, `(K, K)`.

    Entry (y, k) is at least minus every eigenvalue of the Hessian of `z_y - z_k`, at all inputs.
    """
    inner, outer = chain.maps
    (activation,) = chain.activations
    low, high = SECOND_DERIVATIVES[type(activation)](activation)
    rises = outer.weight[None] - outer.weight[:, None]
    weights = torch.maximum(rises * low, rises * high)
    return torch.stack(
        [
            torch.stack(
                [torch.linalg.matrix_norm(own.sqrt()[:, None] * inner.weight, 2) for own in row]
            )
            for row in weights
        ]
    ).square()


def _linearised(chain: AffineChain, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the logits `(B, K)` and their gradients `(B, K, D)`."""
    inner, outer = chain.maps
    with torch.enable_grad():
        before = inner(images.detach().cpu().double().flatten(1)).requires_grad_()
        after = chain.activations[0](before)
        (steps,) = torch.autograd.grad(after.sum(), before)
    return outer(after.detach()), (outer.weight * steps[:, None]) @ inner.weight
