"""Gaussian augmentation: training on noisy images.

Randomised smoothing needs it (Cohen et al. 2019).
"""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from advcore.randomness import Randomness
from advcore.training.term import check_weight


@dataclass(frozen=True)
class Gaussian:
    """`E cross_entropy(x + v)`, `v ~ N(0, sigma^2 I)`.

    The mean cross-entropy of noisy images alone.

    Attributes:
        sigma: standard deviation of a pixel, pixel units.
        box: clip the noisy images to [0, 1]; a network that is smoothed afterwards is trained
            without.
        weight: weight of the term.
    """

    sigma: float = 0.25
    box: bool = False
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_weight(self.weight)
        check_sigma(self.sigma)

    def __call__(
        self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Tensor:
        return F.cross_entropy(network(noisy(images, self.sigma, self.box, randomness)), labels)


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
