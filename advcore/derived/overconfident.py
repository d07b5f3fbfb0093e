"""Inputs at which a network is as confident as an attack can make it."""

from dataclasses import dataclass
from typing import Literal, get_args

from advcore.classifier import Classifier
from advcore.confidence_attack import ConfidenceAttack, confidences
from advcore.derived.derivation import Made
from advcore.norms import norm_by_name
from advcore.probes.probe import Batch
from advcore.randomness import Randomness

Classes = Literal["any", "wrong"]


@dataclass(frozen=True)
class Overconfident:
    """The most confident input that an attack finds around each sample; labels stay.

    Of noise and `classes: any` it is the worst noise of ACET (article, eq. 23), from which a
    network should be told that it is sure of nothing; of images and `classes: wrong` it is the
    adversarial example that CCAT is measured by. A study says beside these settings `of` which data
    set and with which `model` they are made.

    Columns: `confidence`, the largest probability at the input that is stored; `before`, that at
    the sample itself; `predicted`, the class that the network says of what is stored; `distance`,
    the length of the change in the attack's norm, in pixel units.

    Attributes:
        attack: attack on the confidence.
        classes: classes whose confidence is raised: `any`, or `wrong`, any but the label.
    """

    attack: ConfidenceAttack
    classes: Classes = "any"

    def __post_init__(self) -> None:
        if self.classes not in get_args(Classes):
            raise ValueError(f"classes must be any or wrong; got {self.classes!r}")

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        """Raise ValueError where there is no other class."""
        if classes < 2:
            raise ValueError(f"a confidence is raised among two classes or more; got {classes}")

    def stays_in_box(self, inside: bool) -> bool:
        """Return whether the attack keeps to the box."""
        return inside and self.attack.box

    def make(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Made:
        """Return the most confident inputs of one batch."""
        labels = batch.labels if self.classes == "wrong" else None
        found = self.attack(classifier, batch.inputs, labels, randomness)
        made = found.float().to(batch.inputs.dtype)  # as it is stored
        confidence, predicted = confidences(classifier, made)
        before, _ = confidences(classifier, batch.inputs)
        distance = norm_by_name(self.attack.norm).size(made - batch.inputs)
        columns = {
            "confidence": confidence,
            "before": before,
            "predicted": predicted,
            "distance": distance,
        }
        return Made(made, batch.labels, columns)
