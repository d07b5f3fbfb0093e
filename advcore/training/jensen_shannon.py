"""Consistency of predictions under augmentation (Hendrycks et al. 2020, AugMix)."""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from advcore.box import needs_box
from advcore.randomness import Randomness
from advcore.training.augmentation import Augmentation
from advcore.training.augmix import AugMix
from advcore.training.term import check_weight


@dataclass(frozen=True)
class JensenShannon:
    """`mean_v KL(p_v || p)`, `p = mean_v p_v`: the divergence of the predictions of several views.

    The views are the image and `views` augmented ones, the augmentation with noise of its own for
    each; they go through the network as one batch. The term goes with `cross_entropy`, on images
    as the recipe's own `augmentation` leaves them. Where a training passes in a
    lower precision, the views and the divergence keep that of the images.

    Attributes:
        augmentation: augmentation that makes the views.
        views: number of augmented views of an image.
        weight: weight of the term; 12 in AugMix and in PRIME.
    """

    augmentation: Augmentation = field(default_factory=AugMix)
    views: int = 2
    weight: float = 12.0

    def __post_init__(self) -> None:
        check_weight(self.weight)
        if self.views < 1:
            raise ValueError(f"views must be at least 1, beside the image; got {self.views}")

    @property
    def box(self) -> bool:
        """True if the augmentation keeps pixels in [0, 1]."""
        return needs_box(self.augmentation)

    def __call__(
        self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Tensor:
        with torch.autocast(images.device.type, enabled=False):
            augmented = [
                self.augmentation(images, randomness.stream("view", view))
                for view in range(self.views)
            ]
        logits = network(torch.cat([images, *augmented])).to(images.dtype)
        own = logits.log_softmax(1).unflatten(0, (self.views + 1, len(images)))
        return divergence(own).mean()


def divergence(own: Tensor) -> Tensor:
    """The Jensen-Shannon divergence `(B,)`, in nats, of log probabilities `(views, B, K)`."""
    mean = own.logsumexp(0) - math.log(len(own))
    return (own.exp() * (own - mean)).sum(2).mean(0)
