"""Flatness around each sample over a length, and the gradients' directions.

These are columns of the probe `curvature`.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from advcore import objectives
from advcore.attacks import Adversarial
from advcore.classifier import Classifier, frozen
from advcore.criteria import Untargeted
from advcore.curvature import (
    Tempered,
    cross_entropy_of,
    gradient_change,
    linearity_error,
    one_step_changes,
    turn,
)
from advcore.logit_gradients import differentiate
from advcore.norms import L2
from advcore.probes.probe import Batch
from advcore.randomness import Randomness

STEP_LENGTH = 1.5
"""The length of the one step that is tried, in distances to the boundary."""


def flatness_columns(
    classifier: Classifier,
    batch: Batch,
    predicted: Tensor,
    temperature: float,
    length: float,
    turns: int,
    distance: Tensor,
    randomness: Randomness,
) -> dict[str, Tensor]:
    """`loss_change`, `turn` and `one_step`, `(B,)` each; see `advcore.probes.Curvature`."""
    around, still = batch.around(classifier)
    value, loss = _margin(predicted), cross_entropy_of(batch.labels)
    with frozen(classifier):
        return {
            "loss_change": gradient_change(Tempered(around, temperature), still, loss, length),
            "turn": turn(around, still, value, length, turns, randomness),
            "one_step": one_step_changes(around, still, value, STEP_LENGTH * distance),
        }


def directions(way: Adversarial, gradient: Tensor, randomness: Randomness) -> dict[str, Tensor]:
    """Return cosines of the loss's gradient `(B, D)`, and the distance.

    The cosines are with the minimal perturbation and with a random direction.
    """
    found = way.images.flatten(1).masked_fill(~way.found[:, None], 0)
    random = randomness.stream("direction").normal((gradient.shape[1],)).to(gradient.dtype)
    return {
        "distance": way.distance,
        "cosine": _cosine(found, gradient),
        "random_cosine": _cosine(random, gradient),
    }


def linearity_errors(
    classifier: Classifier, batch: Batch, predicted: Tensor, radius: float, randomness: Randomness
) -> dict[str, Tensor]:
    """Return `linearity_error`, of the loss, and `relative_linearity_error`, of the margin.

    The latter is over the most that the margin's tangent changes by in the ball, `radius ||grad
    m||`; NaN where that is 0.
    """
    around, still = batch.around(classifier)
    value = _margin(predicted)
    with frozen(classifier):
        loss = linearity_error(
            around, still, cross_entropy_of(batch.labels), "l2", radius, randomness=randomness
        ).error
        error = linearity_error(around, still, value, "l2", radius, randomness=randomness).error
        most = radius * L2.size(differentiate(around, still, value)[0])
    return {
        "linearity_error": loss,
        "relative_linearity_error": (error / most).masked_fill(most == 0, torch.nan),
    }


def _margin(predicted: Tensor) -> Callable[[Tensor], Tensor]:
    """The margin of the predicted class, `max_k z_k - z_predicted` for k any other."""
    criterion = Untargeted(predicted)
    return lambda logits: objectives.logit_margin(logits, criterion)


def _cosine(one: Tensor, other: Tensor) -> Tensor:
    """Return the cosine of the angle between vectors `(B, D)`, `(B,)`; NaN where either is 0."""
    cosine = (L2.steepest(one) * L2.steepest(other)).sum(1)
    return cosine.masked_fill((L2.size(one) == 0) | (L2.size(other) == 0), torch.nan)
