"""RayS (Chen and Gu 2020): signs of a ray, block by block."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from advcore import norms
from advcore.attacks.attack import Adversarial
from advcore.attacks.decisions.answers import Decisions, bisect_path, check_queries
from advcore.attacks.decisions.label_search import solve_by_labels
from advcore.classifier import Classifier
from advcore.criteria import Criterion
from advcore.norms import per_sample
from advcore.randomness import Randomness

HALVINGS = 10
"""Number of bisections of a radius; published is a tolerance of 0.001."""


@dataclass(frozen=True)
class RayS:
    """Find the smallest radius `d` and signs `s` with another label at `x + d s`, in the box.

    All signs are 1 at first, and `d` is 1, the box. At level l the coordinates are cut into 2^l
    blocks. The signs of one block are flipped, and `x + d s` is asked: if it is adversarial the
    flip is kept, and `d` falls to the boundary by bisection. After the last level, of single
    coordinates, that level begins again.

    Blocks are runs of pixels with all their channels; published are runs of the flattened image,
    channel after channel. It draws no noise.

    Sees labels alone. Guarantee: an image that it calls found is adversarial and in the box; its
    distance is an upper bound on the margin.

    Attributes:
        queries: hard limit of the images sent forward for a sample, all of them counted.
    """

    norm: ClassVar[str] = "linf"

    queries: int = 1000

    def __post_init__(self) -> None:
        check_queries(self.queries)

    def __call__(
        self,
        classifier: Classifier,
        images: Tensor,
        criterion: Criterion,
        randomness: Randomness | None = None,
    ) -> Adversarial:
        return solve_by_labels(
            self._search, norms.LINF, self.queries, classifier, images, criterion, randomness
        )

    def _search(self, decisions: Decisions, randomness: Randomness) -> None:
        images = decisions.images
        places = _places(tuple(images.shape[1:])).to(images.device)
        signs, radius = torch.ones_like(images), torch.ones_like(decisions.shortest)
        _, radius = _tried(decisions, signs, radius)
        level, block = 0, 0
        while (decisions.left > 0).any():
            size = math.ceil(places.numel() / 2**level)
            flip = torch.where(places // size == block, -1, 1).to(images.dtype)
            kept, radius = _tried(decisions, signs * flip, radius)
            signs = torch.where(per_sample(kept, signs), signs * flip, signs)
            block += 1
            if block * size >= places.numel():
                level, block = min(level + 1, math.ceil(math.log2(places.numel()))), 0


def _places(shape: tuple[int, ...]) -> Tensor:
    """Return the place of each coordinate in the order of blocks: pixel by pixel in pictures."""
    count = math.prod(shape)
    if len(shape) != 3:
        return torch.arange(count).view(shape)
    return torch.arange(count).view(*shape[1:], shape[0]).permute(2, 0, 1)


def _tried(decisions: Decisions, signs: Tensor, radius: Tensor) -> tuple[Tensor, Tensor]:
    """Return where signs `(B, *shape)` are adversarial at the radius, and the radii after it."""
    images = decisions.images

    def ray(lengths: Tensor) -> Tensor:
        return (images + per_sample(lengths, images) * signs).clamp(0, 1)

    holds = decisions.ask(ray(radius), decisions.left > 0)
    none = torch.zeros_like(radius)
    return holds, bisect_path(decisions, ray, radius, none, HALVINGS, holds)
