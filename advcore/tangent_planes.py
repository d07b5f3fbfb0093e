"""The shortest step onto the plane that is tangent to the decision boundary at a point."""

from dataclasses import dataclass

import torch
from torch import Tensor

from advcore.attacks.halfspace import step_to_hyperplane
from advcore.checks import check_labels
from advcore.classifier import Classifier, frozen, full_precision
from advcore.logit_gradients import differentiate
from advcore.norms import Norm

REACHED = 1e-4
"""Share of the gap that a step may lack, for rounding."""


@dataclass(frozen=True, eq=False)
class PlaneSteps:
    """The shortest steps onto planes.

    - `steps` `(B, *shape)`: from the images; the corner of the box that comes closest where the box
      does not reach the plane.
    - `length` `(B,)`: their norm, pixel units; inf where the plane is not reached or there is none.
    """

    steps: Tensor
    length: Tensor


def step_to_tangent_plane(
    classifier: Classifier,
    images: Tensor,
    points: Tensor,
    own: Tensor,
    beyond: Tensor,
    norm: Norm,
    box: bool = True,
) -> PlaneSteps:
    """Return the shortest steps from images onto the planes tangent at points.

    The plane is that of the linearised difference `F = z_beyond - z_own` at the point p, `F(p) +
    <grad F(p), x + r - p> = 0`; the step `min ||r||` onto it, inside the box if there is one, is in
    closed form (`halfspace.step_to_hyperplane`). For an affine classifier it is the minimal
    perturbation into class `beyond`, whatever the point. It is what SparseFool walks by (Modas et
    al. 2019), with the l1 norm and a point by DeepFool.

    Args:
        images, points: `(B, *shape)`, images in [0, 1] when there is a box.
        own, beyond: classes `(B,)` of the images, and behind the boundary.
        norm: l1, l2 or linf.
        box: keep `x + r` in [0, 1].
    """

    def difference(logits: Tensor) -> Tensor:
        for classes in (own, beyond):
            check_labels(classes, len(logits), logits.shape[1])
        return (logits.gather(1, beyond[:, None]) - logits.gather(1, own[:, None]))[:, 0]

    with full_precision(), frozen(classifier):
        normal, value, _ = differentiate(classifier, points, difference)
    gap = ((normal * (points - images)).flatten(1).sum(1) - value).clamp(min=0)
    steps = step_to_hyperplane(norm, images, normal, gap, box)
    gained = (normal * steps).flatten(1).sum(1)
    reached = (gained >= gap * (1 - REACHED)) & (norm.dual(normal) > 0)
    return PlaneSteps(steps, norm.size(steps).masked_fill(~reached, torch.inf))
