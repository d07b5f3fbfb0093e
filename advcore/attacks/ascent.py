"""The one projected-ascent loop: norm, objective, step and start are values."""

import torch
from torch import Tensor

from advcore.attacks.attack import Tries
from advcore.classifier import Classifier, take_rows
from advcore.criteria import Criterion
from advcore.norms import Norm, Radius
from advcore.objectives import Objective


def project(images: Tensor, center: Tensor, norm: Norm, eps: Radius) -> Tensor:
    """Into the ball around `center`, then into the box [0, 1]. The second keeps the first, as `center` lies in the box."""
    return (center + norm.project(images - center, eps)).clamp(0, 1)


def ascend(
    classifier: Classifier,
    center: Tensor,
    start: Tensor,
    criterion: Criterion,
    objective: Objective,
    norm: Norm,
    eps: float,
    step: float,
    steps: int,
    leave: bool,
) -> Tries:
    """Maximise the objective over the eps-ball and the box, `x <- P(x + step * steepest(gradient))`.

    With `leave`, a sample stops at its first adversarial iterate and leaves the batch. Without, all samples make all steps and
    the last iterate is returned: what adversarial training trains on.

    Args:
        center, start: `(B, *shape)` in [0, 1], `start` inside the ball.
    """
    current, result = start, start.clone()
    active = torch.arange(len(center), device=center.device)
    queries = torch.zeros(len(center), dtype=torch.int64, device=center.device)
    gradients = torch.zeros_like(queries)
    for _ in range(steps):
        gradient, logits = _gradient(classifier, current, criterion, objective)
        queries[active] += 1
        gradients[active] += 1
        if leave:
            broken = criterion.holds(logits)
            if broken.any():
                result[active] = current
                keep = (~broken).nonzero()[:, 0]
                if not len(keep):
                    return Tries(result, queries, gradients)
                active, current, center, gradient = active[keep], current[keep], center[keep], gradient[keep]
                classifier, criterion = take_rows(classifier, keep), criterion.take(keep)
        current = project(current + step * norm.steepest(gradient), center, norm, eps)
    result[active] = current
    return Tries(result, queries, gradients)


def _gradient(classifier: Classifier, images: Tensor, criterion: Criterion, objective: Objective) -> tuple[Tensor, Tensor]:
    with torch.enable_grad():
        images = images.detach().requires_grad_()
        logits = classifier(images)
        value = objective(logits, criterion).sum()
        if not value.requires_grad:  # a classifier that does not look at the image
            return torch.zeros_like(images), logits.detach()
        return torch.autograd.grad(value, images, materialize_grads=True)[0], logits.detach()
