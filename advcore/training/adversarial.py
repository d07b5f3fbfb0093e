"""Adversarial training (Madry et al. 2018; article, eq. 14)."""

from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advcore import norms, objectives
from advcore.attacks import Attack
from advcore.attacks.attack import has_budget, norm_of
from advcore.attacks.budget import check_eps
from advcore.attacks.climbing import climbed
from advcore.classifier import frozen
from advcore.criteria import Untargeted
from advcore.norms import per_sample
from advcore.randomness import Randomness
from advcore.training.refused_labels import refuses_labels
from advcore.training.term import check_weight

AdversarialLoss = Literal["cross_entropy", "logit_margin"]


@dataclass(frozen=True)
class AdversarialTraining:
    """`min E max_{||r|| <= eps} cross_entropy(x + r)`: adversarial training.

    The value is the mean loss, as a rule the cross-entropy, of adversarial images alone; or, with a
    minimal-norm attack, that of `x + r`, r the shortest way to another class (article, Fig. 4:
    DeepFool).

    The attack sees the network in evaluation mode and the true labels. What a sample is trained on:

    - PGD and FGSM, in any threat model: where all their steps end, also when it was wrong before or
      broken on the way; `worst_of_k` and `worst_of_threats`: the worst of what they tried;
    - another attack with a budget: the image that it hands back, clean where already wrong, the
      last try where none is found;
    - a minimal-norm attack: its image, clean where already wrong and where the attack fails.

    At eps 0, or cap 0, it is plain training: the images as they are, without a pass for an attack,
    so the same weights bit for bit.

    Mixed batches are two terms: `cross_entropy` with weight 0.5 and `adversarial` with weight 0.5
    pass clean and adversarial images through the network one after the other, so that batch
    normalisation sees either alone; with `share` they are one batch.

    Fast adversarial training (FGSM-RS, Wong et al. 2020) takes `PGD(eps, steps=1,
    relative_step=1.25)`: its start is random, as that of `FGSM` is not.

    Attributes:
        attack: attack of the inner maximisation, with its eps if it has a budget.
        cap: largest `||r||` of a minimal-norm attack, in its norm, pixel units: a longer r is
            shortened to it; None for no limit.
        share: share of the samples that are attacked, each with this probability; the others are
            trained on as they are.
        weight: weight of the term.
        loss: loss of what is trained on: the cross-entropy; or `logit_margin`, the largest other
            logit less the label's, the linear loss `-y <w, x>` of a linear classifier of two
            classes. It has no lower bound: limit the weights (`weight_clip`, weight decay).
    """

    attack: Attack
    cap: float | None = None
    share: float = 1.0
    weight: float = 1.0
    loss: AdversarialLoss = field(default="cross_entropy", metadata={"later": True})

    def __post_init__(self) -> None:
        check_weight(self.weight)
        if self.loss not in get_args(AdversarialLoss):
            raise ValueError(
                f"loss must be one of {', '.join(get_args(AdversarialLoss))}; got {self.loss!r}"
            )
        if not 0 < self.share <= 1:
            raise ValueError(
                f"share must lie in (0, 1], 1 to attack every sample; got {self.share}"
            )
        if has_budget(self.attack):
            check_eps(self.attack.eps, wanted=True)
        if self.cap is None:
            return
        if has_budget(self.attack):
            raise ValueError(
                "cap shortens what a minimal-norm attack finds; this attack has a budget: set "
                "its eps, leave cap out"
            )
        if norm_of(self.attack) not in norms.NORMS:
            raise ValueError(
                f"cap needs a norm in which r can be shortened, {', '.join(norms.NORMS)}; got "
                f"{norm_of(self.attack)}"
            )
        if not self.cap >= 0:
            raise ValueError(
                f"cap must not be negative, in pixel units, or None for no limit; got {self.cap}"
            )

    @refuses_labels
    def __call__(
        self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Tensor:
        logits = network(self.perturbed(network, images, labels, randomness))
        if self.loss == "logit_margin":
            return objectives.logit_margin(logits, Untargeted(labels)).mean()
        return F.cross_entropy(logits, labels)

    def perturbed(
        self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Tensor:
        """The images that are trained on, `(B, C, H, W)`."""
        if self.share == 1:
            return self._attacked(network, images, labels, randomness)
        chosen = (randomness.stream("share").uniform(()) < self.share).nonzero()[:, 0]
        if not len(chosen):
            return images
        return images.index_copy(
            0,
            chosen,
            self._attacked(network, images[chosen], labels[chosen], randomness.take(chosen)),
        )

    def _attacked(
        self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Tensor:
        if (self.attack.eps if has_budget(self.attack) else self.cap) == 0:
            return images
        criterion = Untargeted(labels)
        if has_budget(self.attack):
            with frozen(network, compiled=True):
                return climbed(self.attack, network, images, criterion, randomness)
        result = self.attack(network, images, criterion, randomness)
        way = (
            result.found.to(images.dtype)
            if self.cap is None
            else (self.cap / result.distance).clamp(max=1)
        )  # 0 where it is inf
        return torch.lerp(images, result.images, per_sample(way, images))
