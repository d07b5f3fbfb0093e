"""Feature painting: images in which one feature of a network is made strong."""

from dataclasses import dataclass

import torch

from advcore.attacks.attack import Attack, has_budget
from advcore.attacks.climbing import climbed
from advcore.box import keeps_box
from advcore.classifier import Classifier, check_images, frozen, full_precision
from advcore.criteria import Targeted
from advcore.derived.derivation import Made
from advcore.penultimate import last_features
from advcore.probes.probe import Batch
from advcore.randomness import Randomness


@dataclass(frozen=True)
class Painted:
    """Each image moved until one feature of the network is strong: what that feature stands for.

    Features are what the last layer of the network reads; the attack sees them in the place of
    logits, so that with the objective `logit` it maximises the feature, and with a threat model
    `window` it paints it into a part of the image (Santurkar et al. 2019, Image synthesis with a
    single (robust) classifier). Labels stay. A feature that is 0 behind a ReLU on an image has no
    gradient there: the image stays nearly as it is.

    Columns: `before` and `feature`, the feature in the sample and in what is made of it, and
    `distance`, the l2 length of what was added, in pixel units.

    Attributes:
        feature: number of the feature, from 0.
        attack: attack with a budget `eps`.
    """

    feature: int
    attack: Attack

    def __post_init__(self) -> None:
        if self.feature < 0:
            raise ValueError(f"feature must be 0 or more; got {self.feature}")

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        """Raise ValueError for an attack without its eps."""
        if not has_budget(self.attack) or self.attack.eps is None:
            raise ValueError("painting needs an attack with eps, a radius in pixel units: pgd, say")

    def check_layers(self, classifier: Classifier, inputs: torch.Tensor) -> None:
        """Raise ValueError for a classifier without a last layer, or without so many features."""
        with last_features(classifier, inputs) as features, torch.no_grad():
            count = features(inputs[:1]).shape[1]
        if self.feature >= count:
            raise ValueError(
                f"feature must be below {count}, the number that the last layer reads; got "
                f"{self.feature}"
            )

    def stays_in_box(self, inside: bool) -> bool:
        """Return whether the attack keeps to the box."""
        return inside and keeps_box(self.attack)

    def make(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Made:
        """Return the painted images of one batch; labels stay."""
        inputs = check_images(batch.inputs) if keeps_box(self.attack) else batch.inputs
        towards = Targeted(torch.full_like(batch.labels, self.feature))
        with (
            full_precision(),
            frozen(classifier),
            last_features(classifier, inputs) as features,
        ):
            made = climbed(self.attack, features, inputs, towards, randomness).detach()
            made = made.float().to(inputs.dtype)  # as it is stored
            with torch.no_grad():
                before, after = (features(own)[:, self.feature] for own in (inputs, made))
        distance = (made - inputs).flatten(1).norm(dim=1)
        return Made(made, batch.labels, {"before": before, "feature": after, "distance": distance})
