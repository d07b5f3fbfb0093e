"""Paths from an image to the decision boundary, along an estimate of its normal."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from advcore import norms
from advcore.attacks.decisions.answers import Decisions, bisect_path
from advcore.norms import per_sample

REACH = 1.25
"""Factor from one length that is tried along a ray to the next."""
LENGTHS = 10
"""Number of lengths that are tried along a ray."""
HALVINGS = 10
"""Number of bisections of a path."""


def along_ray(decisions: Decisions, points: Tensor, direction: Tensor, wanted: Tensor) -> Tensor:
    """Return points of the boundary on the rays from the images along `direction` `(B, *shape)`.

    The first length tried is that of `points - images` in the norm, then longer ones. A sample
    keeps its `points` where no length was adversarial. Clipped to the box.
    """
    images = decisions.images
    unit = direction / per_sample(decisions.norm.size(direction).clamp(min=1e-30), direction)

    def ray(lengths: Tensor) -> Tensor:
        return (images + per_sample(lengths, images) * unit).clamp(0, 1)

    low, high = torch.zeros_like(decisions.shortest), decisions.norm.size(points - images)
    found = decisions.ask(ray(high), wanted)
    for _ in range(LENGTHS - 1):
        seeking = wanted & ~found
        if not seeking.any():
            break
        low, high = torch.where(seeking, high, low), torch.where(seeking, REACH * high, high)
        found = found | decisions.ask(ray(high), seeking)
    high = bisect_path(decisions, ray, high, low, HALVINGS, found)
    return torch.where(per_sample(found, images), ray(high), points)


def along_circle(
    decisions: Decisions,
    points: Tensor,
    normal: Tensor,
    wanted: Tensor,
    halvings: int = HALVINGS,
) -> Tensor:
    """Return points of the boundary on the circles of `on_circle`, in the plane of `normal`."""
    images = decisions.images
    along = norms.L2.steepest(points - images)
    inner = (normal * along).flatten(1).sum(1)
    circle = on_circle(images, points, norms.L2.steepest(normal - per_sample(inner, along) * along))
    point = torch.zeros_like(inner)
    image = torch.full_like(inner, math.pi / 2)
    angle = bisect_path(decisions, circle, point, image, halvings, wanted)
    return torch.where(per_sample(angle > 0, images), circle(angle), points)


def on_circle(images: Tensor, points: Tensor, across: Tensor) -> Callable[[Tensor], Tensor]:
    """Return the path of angles `(B,)` on circles through images and `points` `(B, *shape)`.

    The segment between image and point is the diameter, and the unit vector `across` is orthogonal
    to it: `x + d cos a (cos a u + sin a across)`, a from 0, at the point, to pi / 2, at the image.
    Lengths fall all the way. Clipped to the box.
    """
    length, along = norms.L2.size(points - images), norms.L2.steepest(points - images)

    def circle(angle: Tensor) -> Tensor:
        turned = per_sample(angle.cos(), along) * along + per_sample(angle.sin(), along) * across
        return (images + per_sample(length * angle.cos(), along) * turned).clamp(0, 1)

    return circle


def along_saturation(
    decisions: Decisions, points: Tensor, direction: Tensor, wanted: Tensor
) -> Tensor:
    """Return points of the boundary with few coordinates changed, for the l1 norm.

    The coordinates go to the face of the box to which `direction` `(B, *shape)` points, that of the
    largest one first, the last one in part. A sample keeps its `points` where all of them were not
    adversarial.
    """
    images = decisions.images
    ranks = direction.flatten(1).abs().argsort(1, descending=True).argsort(1).view_as(images)
    room = torch.where(direction > 0, 1 - images, -images) * (direction != 0)

    def saturated(count: Tensor) -> Tensor:
        return images + room * (per_sample(count, images) - ranks).clamp(0, 1)

    low, high = torch.zeros_like(decisions.shortest), torch.ones_like(decisions.shortest)
    found = decisions.ask(saturated(high), wanted)
    for _ in range(math.ceil(math.log2(images[0].numel()))):
        seeking = wanted & ~found
        if not seeking.any():
            break
        low, high = torch.where(seeking, high, low), torch.where(seeking, 2 * high, high)
        found = found | decisions.ask(saturated(high), seeking)
    high = bisect_path(decisions, saturated, high, low, HALVINGS, found)
    return torch.where(per_sample(found, images), saturated(high), points)
