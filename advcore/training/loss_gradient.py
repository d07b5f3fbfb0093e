"""The gradient of the loss at x, itself differentiable in the weights.

This is double backpropagation (Drucker and Le Cun 1992).
"""

import torch
from torch import Tensor, nn

from advcore import objectives
from advcore.classifier import logits_of
from advcore.criteria import Untargeted
from advcore.logit_gradients import leaf
from advcore.modules import twice_differentiable


def surprise(network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy `l(x) = -log p_label` of each image, `(B,)`.

    Its derivatives keep their digits where p_label is near 1.
    """
    return objectives.cross_entropy(logits_of(network, images), Untargeted(labels))


def input_gradient(network: nn.Module, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return `l(x)` `(B,)` and `grad l(x)` `(B, C, H, W)`, l the cross-entropy.

    Both are each sample's own, not a share of the batch's mean.

    Both are differentiable in the network's parameters, the images being constants. Call it under
    `evaluating`: the gradient is a sample's own only where batch normalisation does not mix the
    batch. `advcore.logit_gradients.differentiate` gives the same gradient as a constant, for less.
    """
    images = leaf(images)
    with twice_differentiable():
        loss = surprise(network, images, labels)
    return loss, torch.autograd.grad(loss.sum(), images, create_graph=True, materialize_grads=True)[
        0
    ]
