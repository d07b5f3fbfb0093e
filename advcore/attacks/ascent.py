"""The one projected-ascent loop: norm, objective, step and start are values."""

import torch
from torch import Tensor

from advcore import norms
from advcore.attacks.attack import Tries
from advcore.classifier import Classifier, take_rows
from advcore.criteria import Criterion
from advcore.norms import Norm, Radius
from advcore.objectives import Objective

L1_SHARE = 0.01
"""The share of all coordinates that a step in l1 moves."""


def project(center: Tensor, r: Tensor, norm: Norm, eps: Radius) -> Tensor:
    """`center + r` with `r` drawn into the eps-ball and the image into the box [0, 1], for `center` in the box.

    The closest such image in linf and l1; in l2 first into the ball, then into the box, which keeps the ball.
    """
    inside = norms.project_l1_box(r, -center, 1 - center, eps) if norm is norms.L1 else norm.project(r, eps)
    return (center + inside).clamp_(0, 1)


def evaluate(classifier: Classifier, images: Tensor, criterion: Criterion, objective: Objective) -> tuple[Tensor, Tensor, Tensor]:
    """The gradient `(B, *shape)` of the objective, its value `(B,)`, and the logits `(B, K)`."""
    with torch.enable_grad():
        images = images.detach().requires_grad_()
        logits = classifier(images)
        value = objective(logits, criterion)
        if not value.requires_grad:  # a classifier that does not look at the image
            return torch.zeros_like(images), value, logits
        return torch.autograd.grad(value.sum(), images, materialize_grads=True)[0], value.detach(), logits.detach()


def movable(gradient: Tensor, images: Tensor) -> Tensor:
    """The gradient without the coordinates that it would push out of the box."""
    return gradient * torch.where(gradient > 0, images < 1, images > 0)


def better(value: Tensor, best: Tensor) -> Tensor:
    """Whether a value is larger than the best so far. NaN is: so the image that gave it is handed back, verified, refused."""
    return ~(value <= best)


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

    With `leave`, a sample stops at its first adversarial iterate and leaves the batch; one that has none ends at its iterate of
    the largest objective. Without, all samples make all steps and the last iterate is returned: what adversarial training trains
    on.

    Args:
        center, start: `(B, *shape)` in [0, 1], `start` inside the ball.
    """
    current, best, result = start, start, start.clone()
    highest = torch.full((len(center),), -torch.inf, dtype=center.dtype, device=center.device)
    active = torch.arange(len(center), device=center.device)
    queries = torch.zeros(len(center), dtype=torch.int64, device=center.device)
    gradients = torch.zeros_like(queries)
    for _ in range(steps):
        gradient, value, logits = evaluate(classifier, current, criterion, objective)
        queries[active] += 1
        gradients[active] += 1
        if leave:
            broken = criterion.holds(logits)
            wins = better(value, highest)
            best, highest = torch.where(norms.per_sample(wins, current), current, best), torch.where(wins, value, highest)
            if broken.any():
                result[active[broken]] = current[broken]
                keep = (~broken).nonzero()[:, 0]
                if not len(keep):
                    return Tries(result, queries, gradients)
                active, current, center, gradient = active[keep], current[keep], center[keep], gradient[keep]
                best, highest = best[keep], highest[keep]
                classifier, criterion = take_rows(classifier, keep), criterion.take(keep)
        way = _direction(norm, gradient, current).mul_(step).add_(current).sub_(center)  # in place: this loop is the bar of speed
        current = project(center, way, norm, eps)
    if leave:
        with torch.no_grad():
            logits = classifier(current)
        queries[active] += 1
        wins = criterion.holds(logits) | better(objective(logits, criterion), highest)
        current = torch.where(norms.per_sample(wins, current), current, best)
    result[active] = current
    return Tries(result, queries, gradients)


def _direction(norm: Norm, gradient: Tensor, images: Tensor) -> Tensor:
    if norm is norms.L1:
        return norms.sparse_steepest(movable(gradient, images), max(1, int(L1_SHARE * gradient[0].numel())))
    return norm.steepest(gradient)
