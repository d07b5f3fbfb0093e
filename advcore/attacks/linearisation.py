"""The half-spaces that the linearised logits give: how far to each class that would count as adversarial, and which way."""

from collections.abc import Callable

import torch
from torch import Tensor

from advcore.classifier import Classifier
from advcore.criteria import Criterion
from advcore.jacobian import jacobian


def halfspaces(
    classifier: Classifier, images: Tensor, criterion: Criterion, goals: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """The linearisation at images `(B, *shape)` of what each goal class lacks to the class that it has to overtake.

    Args:
        goals: from the logits `(B, K)` to the goal classes `(B, k)`.

    Returns:
        gaps `(B, k)`, `z_rival - z_goal`, and normals `(B, k, *shape)`, the gradients of `z_goal - z_rival`: to first order `x + r`
        reaches the goal when `<normal, r> >= gap`. One forward pass and k + 1 backward passes.
    """
    logits, rows = jacobian(classifier, images, lambda logits: torch.cat([goals(logits), criterion.rival(logits)[:, None]], 1))
    gaps = logits.gather(1, criterion.rival(logits)[:, None]) - logits.gather(1, goals(logits))
    return gaps, rows[:, :-1] - rows[:, -1:]
