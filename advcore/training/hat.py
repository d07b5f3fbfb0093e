"""Helper-based adversarial training, HAT.

Source: Rade and Moosavi-Dezfooli 2022, Reducing excessive margin to achieve a better accuracy vs.
robustness trade-off.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advcore.attacks import Attack
from advcore.randomness import Randomness
from advcore.training.adversarial import AdversarialTraining
from advcore.training.refused_labels import refuses_labels
from advcore.training.taught import Taught
from advcore.training.term import check_weight


@dataclass(frozen=True)
class HAT:
    """`E CE(f(x + r), y) + strength CE(f(x + reach r), c(x + r))`, CE the cross-entropy.

    r is the attack's on f, and c the label that the helper predicts: a network that was trained
    plainly, which x + r fools as a rule. Beyond the ball, at `x + reach r`, f shall say what the
    helper says already at x + r, so that its margin does not grow more than robustness needs.

    The helper is the network that the training starts from (`start:` of a study's model), in
    evaluation mode. The authors start anew, take it from a file, and write TRADES in the place of
    the first part. `x + reach r` is not clipped to the box, as theirs is not. Both parts are passes
    of their own in training mode, so that batch normalisation sees either alone. At strength 0 it
    is `adversarial`, without the passes beyond, so the same weights bit for bit.

    Attributes:
        attack: attack of the inner maximisation, as of `AdversarialTraining`.
        strength: factor of the helper's part; 0.5 in the paper.
        reach: length of what is labelled by the helper, as a multiple of r; 2 in the paper.
        weight: weight of the term.
    """

    attack: Attack
    strength: float = 0.5
    reach: float = 2.0
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_weight(self.weight)
        for name in ("strength", "reach"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(
                    f"{name} must be finite and not negative; got {getattr(self, name)}"
                )
        _ = self.adversarial

    @property
    def adversarial(self) -> AdversarialTraining:
        """The term without the helper."""
        return AdversarialTraining(self.attack)

    def prepare(self, network: nn.Module) -> Taught:
        """The network beside a copy of itself, the helper."""
        return Taught(network)

    @refuses_labels
    def __call__(
        self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Tensor:
        """The value; `network` is what `prepare` gave."""
        if not isinstance(network, Taught):
            raise ValueError(
                "hat is called with a network beside its helper: give it what prepare(network) "
                "returns"
            )
        moved = self.adversarial.perturbed(network.network, images, labels, randomness)
        own = F.cross_entropy(network.network(moved), labels)
        if self.strength == 0:
            return own
        with torch.no_grad():
            told = network.teacher(moved).argmax(1)
        beyond = network.network(images + self.reach * (moved - images))
        return own + self.strength * F.cross_entropy(beyond, told)
