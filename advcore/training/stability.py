"""Stability training (Zheng et al. 2016; in this form Li et al. 2019 and Carmon et al. 2019)."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from advcore.randomness import Randomness
from advcore.training.gaussian import check_sigma, noisy
from advcore.training.term import check_weight


@dataclass(frozen=True)
class Stability:
    """`E KL(p(x) || p(x + v))`, `v ~ N(0, sigma^2 I)`, p the softmax.

    Noise shall not move the prediction, right or wrong. It goes with the term `cross_entropy`;
    TRADES has an adversary where this has noise.

    The gradient goes through both predictions, in training mode. Zheng et al. take the
    cross-entropy `-sum p(x) log p(x + v)` instead, which is larger by the entropy of p(x) and so
    also sharpens it.

    Attributes:
        sigma: standard deviation of a pixel, pixel units.
        box: clip the noisy images to [0, 1].
        weight: weight beta of the term; 6 in Carmon et al. at sigma 0.25 on CIFAR-10.
    """

    sigma: float = 0.25
    box: bool = False
    weight: float = 6.0

    def __post_init__(self) -> None:
        check_weight(self.weight)
        check_sigma(self.sigma)

    def __call__(
        self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Tensor:
        clean = network(images).log_softmax(1)
        moved = network(noisy(images, self.sigma, self.box, randomness)).log_softmax(1)
        return F.kl_div(moved, clean, reduction="batchmean", log_target=True)
