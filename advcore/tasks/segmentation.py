"""Segmentation: which pixels of a noisy picture belong to the object."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from advcore.checks import check_pictures
from advcore.randomness import Randomness
from advcore.tasks.output_criteria import Dense


@dataclass(frozen=True)
class Segmentation:
    """Tell the pixels of an object from the background, in a picture with noise.

    The network sees `clip(x + sigma n)`, n normal; the targets `(B, H W)` are the pixels of x, the
    mean of its channels, that are above a `level`. The loss is the mean binary cross-entropy.

    Attributes:
        sigma: standard deviation of the noise, pixel units.
        level: value above which a clean pixel belongs to the object.
        share: share of wrong pixels from which on a picture counts as wrong, see
            `advcore.tasks.Dense`.
    """

    sigma: float = 0.3
    level: float = 0.5
    share: float = 0.1

    def __post_init__(self) -> None:
        Dense(self.share)
        if not self.sigma >= 0:
            raise ValueError(f"sigma must not be negative, in pixel units; got {self.sigma}")
        if not 0 <= self.level < 1:
            raise ValueError(f"level must lie in [0, 1); got {self.level}")

    @property
    def criterion(self) -> Dense:
        return Dense(self.share)

    def check(self, shape: tuple[int, ...]) -> None:
        check_pictures(shape, "segmentation")

    def pose(self, images: Tensor, randomness: Randomness) -> tuple[Tensor, Tensor]:
        noise = randomness.stream("noise").normal(images.shape[1:]).to(images)
        targets = (images.mean(1) > self.level).flatten(1).to(images)
        return (images + self.sigma * noise).clamp(0, 1), targets

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(outputs, targets, reduction="none").mean(1)
