"""Change of a gradient over a step: flatness at a scale.

Piecewise linear networks have it and lack it as others do.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from advcore.classifier import Classifier, check_finite, check_images, logits_of
from advcore.logit_gradients import differentiate
from advcore.norms import L2, per_sample
from advcore.randomness import Randomness

Value = Callable[[Tensor], Tensor]
"""Function from logits `(B, K)` to one number a sample, `(B,)`."""


def gradient_change(classifier: Classifier, images: Tensor, value: Value, h: float) -> Tensor:
    """Return `||grad v(x + h z) - grad v(x)||_2` at images `(B, C, H, W)`, `(B,)`.

    `z = sign(grad v(x)) / ||sign(grad v(x))||_2`.

    v is a function of the logits. Of the cross-entropy it is the root of what CURE penalises
    (Moosavi-Dezfooli et al. 2019, eq. 6), about `h ||H z||`. In units of v per pixel unit; no box:
    `x + h z` may leave [0, 1]. 0 for an affine v; so where v grows tenfold, it does.
    """
    here = _gradient(classifier, images, value)
    z = L2.steepest(here.sign())
    return L2.size(_gradient(classifier, images + h * z, value) - here)


def turn(
    classifier: Classifier,
    images: Tensor,
    value: Value,
    h: float,
    draws: int = 6,
    randomness: Randomness | None = None,
) -> Tensor:
    """Return the mean relative change of the gradient over random steps, `(B,)`.

    It is that of `||grad v(x + h u) - grad v(x)||_2 / ||grad v(x)||_2` over random unit directions
    u.

    Blind to the scale of v, and so of the logits where v is their difference; 0 for an affine v, 2
    where the gradient turns round. `draws` + 1 gradients; NaN where the gradient at x is 0. No box.
    """
    if draws < 1:
        raise ValueError(f"draws must be at least 1; got {draws}")
    if randomness is None:
        randomness = Randomness(0, torch.arange(len(images), device=images.device))
    here = _gradient(classifier, images, value)
    total = torch.zeros_like(L2.size(here))
    for draw in range(draws):
        u = L2.steepest(
            randomness.stream("turn", draw).normal(tuple(images.shape[1:])).to(images.dtype)
        )
        total += L2.size(_gradient(classifier, images + h * u, value) - here)
    slope = L2.size(here)
    return (total / draws / slope).masked_fill(slope == 0, torch.nan)


def one_step_changes(
    classifier: Classifier, images: Tensor, value: Value, lengths: Tensor
) -> Tensor:
    """Return whether one l2 step up the gradient of v changes the class, `(B,)` bool.

    The step has `lengths` `(B,)`; there is no box. The class is the predicted one.

    The linear view of the boundary, tried: with v the margin of the predicted class and lengths
    somewhat above the distance to the boundary, all of them change where the network is affine.
    False where the length is not finite.
    """
    gradient, _, logits = differentiate(classifier, images, value)
    finite = torch.isfinite(lengths)
    step = torch.where(finite, lengths, 0).to(images.dtype)
    with torch.no_grad():
        there = logits_of(classifier, images + per_sample(step, images) * L2.steepest(gradient))
    return finite & (there.argmax(1) != logits.argmax(1))


def _gradient(classifier: Classifier, images: Tensor, value: Value) -> Tensor:
    """Return the gradient of a function of the logits, `(B, C, H, W)`."""
    check_images(images, -torch.inf, torch.inf)
    gradient, _, logits = differentiate(classifier, images, value)
    check_finite(logits)
    return gradient
