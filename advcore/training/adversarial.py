"""Adversarial training (Madry et al. 2018; article, eq. 14)."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from advcore.attacks import FGSM, PGD
from advcore.attacks.budget import check_eps
from advcore.classifier import frozen
from advcore.criteria import Untargeted
from advcore.randomness import Randomness
from advcore.training.term import check_weight


@dataclass(frozen=True)
class Adversarial:
    """`min E max_{||r|| <= eps} cross_entropy(x + r)`: the mean cross-entropy of adversarial images alone.

    The attack sees the network in evaluation mode and makes all its steps on all samples, also on those already wrong.

    Attributes:
        attack: the inner maximisation, with its eps.
        weight: of the term.
    """

    attack: PGD | FGSM
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_weight(self.weight)
        check_eps(self.attack.eps, wanted=True)

    def __call__(self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness) -> Tensor:
        with frozen(network):
            adversarial = self.attack.climb(network, images, Untargeted(labels), randomness).images
        return F.cross_entropy(network(adversarial), labels)
