"""Paths from an image to the decision boundary, along an estimate of its normal."""

import math

import torch
from torch import Tensor

from advcore import norms
from advcore.attacks.decisions import Decisions, bisect_path
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


def along_circle(decisions: Decisions, points: Tensor, normal: Tensor, wanted: Tensor) -> Tensor:
    """Return points of the boundary on circles through the images and `points` `(B, *shape)`.

    The circle lies in the plane of `points - images` and `normal`, with the segment between image
    and point as its diameter: `x + d cos a (cos a u + sin a w)`, a from 0, at the point, to pi / 2,
    at the image. Lengths fall all the way. Clipped to the box.
    """
    images = decisions.images
    length, along = norms.L2.size(points - images), norms.L2.steepest(points - images)
    inner = (normal * along).flatten(1).sum(1)
    across = norms.L2.steepest(normal - per_sample(inner, along) * along)

    def circle(angle: Tensor) -> Tensor:
        direction = per_sample(angle.cos(), along) * along + per_sample(angle.sin(), along) * across
        return (images + per_sample(length * angle.cos(), along) * direction).clamp(0, 1)

    point, image = torch.zeros_like(length), torch.full_like(length, math.pi / 2)
    angle = bisect_path(decisions, circle, point, image, HALVINGS, wanted)
    return torch.where(per_sample(angle > 0, images), circle(angle), points)


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
