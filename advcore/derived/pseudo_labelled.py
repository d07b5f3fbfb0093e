"""Inputs with the labels that a network gives them."""

from dataclasses import dataclass

import torch

from advcore.classifier import Classifier, check_finite, frozen, full_precision, logits_of
from advcore.derived.derivation import Made
from advcore.probes.probe import Batch
from advcore.randomness import Randomness


@dataclass(frozen=True)
class PseudoLabelled:
    """The same inputs, labelled by the class that the network says. Only labels are stored.

    (Carmon et al. 2019, Unlabeled data improves adversarial robustness.) A study says `of` which
    data set, and by which `model`.

    Columns: `true`, the label that the sample had; `confidence`, the network's probability of the
    class that it says.
    """

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        """Raise nothing: any network labels any input."""

    def stays_in_box(self, inside: bool) -> bool:
        """Return whether the inputs lie in it, which stay as they are."""
        return inside

    def make(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Made:
        """Return the labels of one batch."""
        with full_precision(), frozen(classifier), torch.no_grad():
            logits = logits_of(classifier, batch.inputs)
        check_finite(logits)
        chances = logits.softmax(1)
        confidence, labels = chances.max(1)
        return Made(None, labels, {"true": batch.labels, "confidence": confidence})
