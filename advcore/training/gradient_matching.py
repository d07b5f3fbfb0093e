"""Input gradients like a robust teacher's: input gradient adversarial matching (IGAM).

Source: Chan, Tay and Ong 2020, What it thinks is important is important: robustness transfers
through input gradients.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advcore import objectives
from advcore.classifier import check_pictures, evaluating
from advcore.criteria import Untargeted
from advcore.logit_gradients import differentiate
from advcore.norms import L2
from advcore.randomness import Randomness
from advcore.training.loss_gradient import input_gradient
from advcore.training.opponent import first_weights, opposed
from advcore.training.refused_labels import refuses_labels
from advcore.training.taught import Taught
from advcore.training.term import check_weight


@dataclass(frozen=True)
class GradientMatching:
    """`difference E ||g - g_0||_2^2 + discriminator max_D E [log D(g_0) + log(1 - D(g))]`.

    `g = grad l(x)` is the input gradient of the network, l its cross-entropy, and g_0 that of its
    teacher: the network as it was at the start, which is robust and has learnt the same labels, as
    a new last layer on features of another task has. D is a small network that tells gradients of
    the one from those of the other; it takes a step up with each step down of the network, by the
    same optimiser, with the same weight of the term and inside one clipping norm of the gradient of
    both. It sees them in units of the teacher's mean length in the batch. So gradients
    shall look like those of the teacher where they cannot be equal. It goes with the term
    `cross_entropy`; both networks are in evaluation mode for it. There is no attack in it.

    In the paper the student begins at other weights than the teacher's, and may be another network;
    the weights of the terms are chosen for each task. The discriminator here, of two convolutions
    on each channel, is our own.

    Attributes:
        difference: weight of the squared difference; per pixel unit of the image, squared.
        discriminator: weight of the discriminator's objective, which lies between -2 log 2, where
            it cannot tell them apart, and 0; at 0 it is left out.
        seed: seed of the discriminator's first weights.
        weight: weight of the term.
    """

    difference: float = 1.0
    discriminator: float = 1.0
    seed: int = 0
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_weight(self.weight)
        for name, value in (
            ("difference", self.difference),
            ("discriminator", self.discriminator),
        ):
            if not value >= 0:
                raise ValueError(f"{name} must not be negative; got {value}")

    @refuses_labels
    def __call__(
        self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Tensor:
        """The value; `network` is what `prepare` gave."""
        if not isinstance(network, Matched):
            raise ValueError(
                "gradient_matching is called with a network beside its teacher and a "
                "discriminator: give it what prepare(network) returns"
            )
        check_pictures(tuple(images.shape[1:]), "gradient_matching")
        wanted, _, _ = differentiate(
            network.taught.teacher,
            images,
            lambda logits: objectives.cross_entropy(logits, Untargeted(labels)),
        )
        with evaluating(network.taught.network):
            _, gradient = input_gradient(network.taught.network, images, labels)
        value = self.difference * (gradient - wanted).flatten(1).square().sum(1).mean()
        if not self.discriminator:
            return value
        length = L2.size(wanted).mean().clamp(min=torch.finfo(images.dtype).tiny)
        return value + self.discriminator * network.told_apart(wanted / length, gradient / length)

    def prepare(self, network: nn.Module) -> "Matched":
        """The network beside a copy of itself, its teacher, and a discriminator."""
        return Matched(network, self.seed)


class Matched(nn.Module):
    """A network, its teacher, and what tells their gradients apart."""

    def __init__(self, network: nn.Module, seed: int) -> None:
        super().__init__()
        self.taught = Taught(network)
        with first_weights(seed):
            made = nn.Sequential(
                nn.Conv2d(1, 16, 3, stride=2, padding=1),
                nn.ELU(),
                nn.Conv2d(16, 32, 3, stride=2, padding=1),
                nn.ELU(),
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
                nn.Linear(32, 1),
            )
        self.discriminator = made.to(next(network.parameters()))

    def told_apart(self, wanted: Tensor, gradients: Tensor) -> Tensor:
        """Return `E [log D(wanted) + log(1 - D(gradients))]` of pictures `(B, C, H, W)` both.

        Its derivative in the discriminator's own weights has the other sign: who descends in all
        weights ascends in these.
        """
        logits = [
            opposed(self.discriminator, own.flatten(0, 1)[:, None]) for own in (wanted, gradients)
        ]
        return (F.logsigmoid(logits[0]) + F.logsigmoid(-logits[1])).mean()

    def forward(self, images: Tensor) -> Tensor:
        """Return the network's own logits `(B, K)`."""
        logits: Tensor = self.taught(images)
        return logits
