"""The local linearity error (Qin et al. 2019).

It says how far an objective departs from its tangent inside a ball.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from advcore import norms
from advcore.classifier import Classifier, check_finite, check_images, frozen, full_precision
from advcore.logit_gradients import differentiate
from advcore.norms import per_sample
from advcore.randomness import Randomness


@dataclass(frozen=True, eq=False)
class LinearityError:
    """The `error` `(B,)`, in units of the objective, and where it was seen.

    `perturbation` is `(B, *shape)`.
    """

    error: Tensor
    perturbation: Tensor


def linearity_error(
    classifier: Classifier,
    images: Tensor,
    objective: Callable[[Tensor], Tensor],
    norm: norms.NormName = "l2",
    eps: float = 0.5,
    steps: int = 20,
    starts: int = 4,
    randomness: Randomness | None = None,
) -> LinearityError:
    """`max_{||d||_p <= eps} |l(x + d) - l(x) - <d, grad l(x)>|` at images `(B, C, H, W)`, no box.

    Projected ascent from random starts, which climb the error itself and its negative in turn; the
    largest value seen. So a lower bound on the maximum, and 0 up to rounding for an affine
    objective.

    Args:
        objective: from logits `(B, K)` to `l` `(B,)`: cross-entropy with the samples' labels, say.
        eps: radius, pixel units.
        steps: of each ascent, 2 eps long at first and shorter by the same amount each time.
        starts: at least 2, one for each sign.
    """
    images = check_images(images)
    ball = norms.norm_by_name(norm)
    if not eps > 0:
        raise ValueError(f"eps must be positive, in pixel units; got {eps}")
    if steps < 1 or starts < 2:
        raise ValueError(
            f"steps must be at least 1 and starts at least 2; got {steps} and {starts}"
        )
    if randomness is None:
        randomness = Randomness(0, torch.arange(len(images), device=images.device))
    with frozen(classifier), full_precision():
        value, slope = _evaluate(classifier, images, objective)
        largest, farthest = torch.zeros_like(value), torch.zeros_like(images)
        for start in range(starts):
            sign = 1 - 2 * (start % 2)
            way = ball.random(
                randomness.stream("linearity", start), tuple(images.shape[1:]), eps
            ).to(images.dtype)
            for step in range(steps + 1):
                reached, gradient = _evaluate(classifier, images + way, objective)
                error = (reached - value - (way * slope).flatten(1).sum(1)).abs()
                farther = error > largest
                largest = torch.where(farther, error, largest)
                farthest = torch.where(per_sample(farther, images), way, farthest)
                climb = ball.steepest(sign * (gradient - slope))
                way = ball.project(way + 2 * eps * (1 - step / (steps + 1)) * climb, eps)
    return LinearityError(largest, farthest)


def _evaluate(
    classifier: Classifier, images: Tensor, objective: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """The objective `(B,)` and its gradient `(B, *shape)`."""
    gradient, value, logits = differentiate(classifier, images, objective)
    check_finite(logits)
    return value, gradient
