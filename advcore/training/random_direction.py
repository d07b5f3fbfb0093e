"""Training on inputs moved in random directions: the control beside adversarial training."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from advcore import norms
from advcore.attacks.budget import check_eps
from advcore.places import filled
from advcore.randomness import Randomness
from advcore.training.refused_labels import refuses_labels
from advcore.training.term import check_weight


@dataclass(frozen=True)
class RandomDirection:
    """`E cross_entropy(x + eps u)`, u uniform on the unit sphere of l2: noise of one length.

    As long as what FGSM or PGD in l2 without a box add, so that only the direction differs. There
    is no box. Empty places of sequences `(B, T, E)`, rows of 0, stay.

    Attributes:
        eps: l2 length of what is added, in units of the inputs.
        weight: weight of the term.
    """

    eps: float
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_weight(self.weight)
        check_eps(self.eps, wanted=True)

    @property
    def box(self) -> bool:
        """False: the inputs may be any."""
        return False

    @refuses_labels
    def __call__(
        self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Tensor:
        noise = randomness.stream("direction").normal(images.shape[1:]).to(images)
        direction = norms.L2.steepest(noise * filled(images))
        return F.cross_entropy(network(images + self.eps * direction), labels)
