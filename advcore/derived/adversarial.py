"""Adversarial examples as a data set, after which classes are learnt or accuracy is measured."""

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from advcore.attacks.attack import Attack, Climber, OverThreat, has_budget, norm_of, wrapped
from advcore.attacks.l0 import SIZES, size_by_name
from advcore.box import keeps_box
from advcore.classifier import (
    Classifier,
    check_finite,
    check_images,
    frozen,
    full_precision,
    logits_of,
)
from advcore.criteria import Criterion, Targeted, Untargeted
from advcore.derived.derivation import Made
from advcore.derived.targets import no_targets, target_classes
from advcore.norms import L2, NORMS, Norm, per_sample
from advcore.probes.probe import Batch
from advcore.randomness import Randomness
from advcore.threats import ThreatModel

ReachedName = Literal["none", "random", "next", "own"]
"""The kinds of the classes that an attack is to reach: `own` is the sample's label."""


@dataclass(frozen=True)
class AdversarialExamples:
    """One adversarial example of each sample: what an attack hands back, found or not.

    With targets and `labels: target` these are D_rand and D_det of Ilyas et al. 2019 (Adversarial
    examples are not bugs, they are features); with a minimal-norm attack and `labels: predicted`
    the variant with the closest other class. With `targets: own` a network paints the class that
    the sample has, into an image that has little of it (Santurkar et al. 2019, Image synthesis with
    a single (robust) classifier). A study says beside these settings `of` which data set
    and with which `model` they are made.

    Columns: `found`, whether the network says the target (untargeted: another class than the one
    that is left) of exactly the input that is stored, in float32; `distance`, the length of the
    change in the attack's norm, of a threat model that is none in l2, inf where not found;
    `target`, -1 where there is none; `predicted`, the class that the network says of the input that
    is stored.

    Attributes:
        attack: attack with a budget `eps`, or for the shortest way.
        targets: kind of the classes to be reached: none, `random`, uniform over the others than
            the true one, by (seed, root index), `next`, the class after it, `(y + 1) mod K`, or
            `own`, the true one. Without targets the true class is left, or with `labels: predicted`
            the one that the network says of the clean input, so that every sample is moved.
        labels: labels of what is made: `true`, `target`, or `predicted`, what the network says of
            it.
        all_steps: make all steps also once an example is found, where the attack can (pgd, fgsm),
            and take the last one, as Ilyas et al. do; else the first that is found.
        change: change that is made: the `found` one, or as a control a `random` one that is as long
            in l2 for each sample, without a box: towards a random point of the attack's threat
            model, where it has one (of `along` inside the span), else in any direction.
    """

    attack: Attack
    targets: ReachedName = "none"
    labels: Literal["true", "target", "predicted"] = "true"
    all_steps: bool = True
    change: Literal["found", "random"] = field(default="found", metadata={"later": True})

    def __post_init__(self) -> None:
        if self.labels == "target" and self.targets == "none":
            raise ValueError(
                "labels: target needs targets; got targets: none: write targets: random, next or "
                "own"
            )

    @property
    def misleads(self) -> bool:
        """True but where the attack goes to the true class."""
        return self.targets != "own"

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        """Raise ValueError for an attack without its eps, or where there is no other class."""
        if has_budget(self.attack) and self.attack.eps is None:
            raise ValueError("the attack needs eps, a radius in pixel units")
        if classes < 2:
            raise ValueError(f"an adversarial example needs another class; got {classes} logits")

    def stays_in_box(self, inside: bool) -> bool:
        """Return whether the attack keeps to the box, which random changes do not."""
        return inside and keeps_box(self.attack) and self.change == "found"

    def make(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Made:
        """Return the adversarial examples of one batch."""
        before = _logits(classifier, batch.inputs)
        if self.targets == "none":
            targets = no_targets(batch.labels)
            left = before.argmax(1) if self.labels == "predicted" else batch.labels
            criterion: Criterion = Untargeted(left)
        else:
            targets = self._targets(batch.labels, before.shape[1], randomness)
            criterion = Targeted(targets)
        made = self._attacked(classifier, batch.inputs, criterion, randomness)
        if self.change == "random":
            made = self._as_long(classifier, batch.inputs, made, randomness)
        made = made.float().to(batch.inputs.dtype)  # as it is stored
        logits = _logits(classifier, made)
        found, predicted = criterion.holds(logits), logits.argmax(1)
        length = _norm_of_change(self.attack).size(made - batch.inputs)
        labels = {"true": batch.labels, "target": targets, "predicted": predicted}[self.labels]
        columns = {
            "found": found,
            "distance": length.masked_fill(~found, torch.inf),
            "target": targets,
            "predicted": predicted,
        }
        return Made(made, labels, columns)

    def _targets(self, labels: Tensor, classes: int, randomness: Randomness) -> Tensor:
        """Return the classes to be reached."""
        if self.targets == "own":
            return labels
        return target_classes(self.targets, labels, classes, randomness)

    def _attacked(
        self, classifier: Classifier, inputs: Tensor, criterion: Criterion, randomness: Randomness
    ) -> Tensor:
        """Return what the attack hands back, after all its steps if it is asked for them."""
        if not (self.all_steps and isinstance(self.attack, Climber)):
            return self.attack(classifier, inputs, criterion, randomness).images
        if keeps_box(self.attack):
            inputs = check_images(inputs)
        with full_precision(), frozen(classifier):
            return self.attack.climb(classifier, inputs, criterion, randomness).images.detach()

    def _as_long(
        self, classifier: Classifier, inputs: Tensor, made: Tensor, randomness: Randomness
    ) -> Tensor:
        """Return the inputs with random changes, each as long as that of `made`, in l2."""
        drawn, threat = randomness.stream("change"), _threat_of(self.attack)
        if threat is None:
            way = drawn.normal(tuple(inputs.shape[1:])).to(inputs)
        else:
            region = threat.around(inputs, inputs.new_ones(len(inputs)), classifier)
            way = region.apply(region.random(drawn)).detach() - inputs
        length, own = L2.size(made - inputs), L2.size(way).clamp(min=torch.finfo(way.dtype).tiny)
        return inputs + per_sample(length / own, way) * way


def _threat_of(attack: Attack) -> ThreatModel | None:
    """Return the first threat model of an attack and those that it wraps."""
    if isinstance(attack, OverThreat) and attack.threat is not None:
        return attack.threat
    return next(filter(None, map(_threat_of, wrapped(attack))), None)


def _norm_of_change(attack: Attack) -> Norm:
    """Return the attack's norm; l2 for a threat model, which measures something else."""
    name = norm_of(attack)
    return size_by_name(name) if name in (*SIZES, *NORMS) else L2


def _logits(classifier: Classifier, inputs: Tensor) -> Tensor:
    """Return finite logits, with the classifier held still. Raises ValueError for others."""
    with full_precision(), frozen(classifier), torch.no_grad():
        logits = logits_of(classifier, inputs)
    check_finite(logits)
    return logits
