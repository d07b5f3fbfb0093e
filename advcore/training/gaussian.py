"""Gaussian augmentation: training on noisy images.

Randomised smoothing needs it (Cohen et al. 2019).
"""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advcore.norms import per_sample
from advcore.randomness import Randomness
from advcore.training.refused_labels import refuses_labels
from advcore.training.term import check_weight


@dataclass(frozen=True)
class Gaussian:
    """`E cross_entropy(x + v)`, `v ~ N(0, sigma^2 I)`.

    The mean cross-entropy of noisy images; with a `share` below 1, that of a batch in which only
    this share of the images has noise.

    Attributes:
        sigma: standard deviation of a pixel, pixel units.
        box: clip the noisy images to [0, 1]; a network that is smoothed afterwards is trained
            without.
        weight: weight of the term.
        share: share of the samples that get noise, each with this probability; the others are
            trained on as they are.
    """

    sigma: float = 0.25
    box: bool = False
    weight: float = 1.0
    share: float = field(default=1.0, metadata={"later": True})

    def __post_init__(self) -> None:
        check_weight(self.weight)
        check_sigma(self.sigma)
        if not 0 < self.share <= 1:
            raise ValueError(
                f"share must lie in (0, 1], 1 for noise on every sample; got {self.share}"
            )

    @refuses_labels
    def __call__(
        self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Tensor:
        moved = noisy(images, self.sigma, self.box, randomness)
        if self.share < 1:
            chosen = randomness.stream("share").uniform(()) < self.share
            moved = torch.where(per_sample(chosen, images), moved, images)
        return F.cross_entropy(network(moved), labels)


def noisy(images: Tensor, sigma: float, box: bool, randomness: Randomness) -> Tensor:
    """`x + v`, `(B, C, H, W)`, clipped to [0, 1] or not."""
    moved = images + sigma * randomness.stream("gaussian").normal(images.shape[1:]).to(images.dtype)
    return moved.clamp(0, 1) if box else moved


def check_sigma(sigma: float) -> None:
    """Raise ValueError unless `sigma` is positive."""
    if not sigma > 0:
        raise ValueError(
            f"sigma must be positive, the standard deviation of a pixel in pixel units; got {sigma}"
        )
