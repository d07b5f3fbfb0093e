"""Gradients of several logits of every sample at once."""

from collections.abc import Callable

import torch
from torch import Tensor

from advcore.classifier import Classifier


def jacobian(classifier: Classifier, images: Tensor, choose: Callable[[Tensor], Tensor] | None = None) -> tuple[Tensor, Tensor]:
    """Logits and the gradients of some of them.

    Args:
        images: `(B, *shape)`.
        choose: from the logits `(B, K)` to the classes `(B, k)` whose logits are differentiated, per sample; all K when None.

    Returns:
        logits `(B, K)` and gradients `(B, k, *shape)`, `gradients[b, j] = d logits[b, classes[b, j]] / d images[b]`, both detached.

    One forward pass, and one backward pass over the batch per column: the rows of a batch do not mix, so column j of all samples
    comes from one vector-Jacobian product.
    """
    with torch.enable_grad():
        images = images.detach().requires_grad_()
        logits = classifier(images)
        every = torch.arange(logits.shape[1], device=logits.device).expand(len(logits), -1)
        classes = every if choose is None else choose(logits.detach())
        columns = classes.shape[1]
        if not logits.requires_grad:  # a classifier that does not look at the image
            return logits.detach(), images.new_zeros(len(images), columns, *images.shape[1:])
        gradients = [
            torch.autograd.grad(
                logits.gather(1, classes[:, j : j + 1]).sum(), images, retain_graph=j + 1 < columns, materialize_grads=True
            )[0]
            for j in range(columns)
        ]
    return logits.detach(), torch.stack(gradients, 1)
