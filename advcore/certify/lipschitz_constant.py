"""A Lipschitz constant of a classifier's logits: the product of its layers' spectral norms."""

import torch
from torch import Tensor

from advcore.certify.intervals import InputBall
from advcore.certify.linear_relaxation import propagate
from advcore.certify.tracing import trace
from advcore.classifier import Classifier, check_batch, frozen, full_precision


def lipschitz(classifier: Classifier, images: Tensor) -> float:
    """Return L with `||z(x) - z(x')||_2 <= L ||x - x'||_2` for all inputs, boundless.

    Layers one after the other multiply their constants, two that are summed add them: so a residual
    block has 1 plus that of its branch (Szegedy et al. 2014, section 4.3). The constant of a
    linear layer is its spectral norm, those of convolutions and averages are upper bounds of it, in
    float64; see `advcore.certify.spectral_norms`. ReLU has 1; max pooling the
    root of the number of windows that a unit lies in.

    A label cannot change within `margin / (sqrt(2) L)`, l2. The product over many layers is far
    above any slope that there is.

    Args:
        images: `(B, *shape)`, of which only the shape, the precision and the device count.

    Raises ValueError, which names it, for a function that no bounds are known of.
    """
    check_batch(images)
    with full_precision(), torch.no_grad(), frozen(classifier):
        steps = trace(classifier, images)
        ball = InputBall(images[:1], images.new_zeros(1), "linf", box=False)
        likes = [interval.lower[0] for interval in propagate(steps, ball)]
        constants = [1.0]
        for step in steps:
            before = sum(constants[parent] for parent in step.parents)
            constants.append(step.layer.lipschitz(likes[step.parents[0]]) * before)
    return constants[-1]
