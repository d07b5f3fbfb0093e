"""Criteria of outputs that are no logits of classes: many labels a sample, or a real number.

Each makes logits of its own decision out of them, so that every attack on classifiers attacks it:
class 0 is right, the others are adversarial.
"""

from dataclasses import dataclass
from math import ceil
from typing import Protocol

import torch
from torch import Tensor, nn

from advcore.classifier import Classifier, logits_of, take_rows
from advcore.criteria import Untargeted


class OutputCriterion(Protocol):
    """A frozen dataclass that says which outputs are too far from their targets."""

    def logits(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return logits `(B, K)` of the decision, from outputs `(B, M)` and targets `(B, M')`.

        Class 0 is the largest where the outputs count as right. Raises ValueError for outputs that
        do not go with the targets.
        """


@dataclass(frozen=True)
class Dense:
    """Adversarial is that at least a `share` of the labels is wrong: two for each pixel.

    Outputs `(B, M)` are one logit a pixel, above 0 for what belongs to the object; targets `(B, M)`
    are 0 or 1. With the margins `m = (2 y - 1) z`, wrong below 0, and k the smallest number of
    pixels that is such a share, the logit of "right" is the k-th smallest m where that is below 0,
    else the mean of `max(m, 0)` over the k smallest: both are 0 together, at the boundary, and the
    second one's gradient sees every pixel that is still to be turned. The other logit is 0.

    Attributes:
        share: share of the pixels, in (0, 1].
    """

    share: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"share must lie in (0, 1]; got {self.share}")

    def logits(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if outputs.shape != targets.shape:
            raise ValueError(
                f"dense outputs must be one logit a pixel, {tuple(targets.shape)}; got "
                f"{tuple(outputs.shape)}: take a network of dense outputs, such as unet"
            )
        few = ((2 * targets - 1) * outputs).topk(self.count(outputs.shape[1]), 1, largest=False)
        last = few.values.amax(1)
        right = torch.where(last < 0, last, few.values.clamp(min=0).mean(1))
        return torch.stack([right, torch.zeros_like(right)], 1)

    def count(self, pixels: int) -> int:
        """Return the smallest number of pixels that is such a share."""
        return max(1, ceil(self.share * pixels - 1e-9))


@dataclass(frozen=True)
class Regression:
    """Adversarial is a prediction that is off by more than a tolerance: `|f(x) - y| > tolerance`.

    The prediction is the first of the outputs `(B, M)`, M >= 1, and the target `(B, 1)`. The logits
    are 0 for right, `f - y - tolerance` for too much and `y - f - tolerance` for too little: of a
    linear f those of a linear classifier, whose boundary lies at the lp distance
    `|tolerance - |f(x) - y|| / ||w||_q`.

    Attributes:
        tolerance: largest error that counts as right, in the unit of the target.
    """

    tolerance: float

    def __post_init__(self) -> None:
        if not self.tolerance > 0:
            raise ValueError(f"tolerance must be positive; got {self.tolerance}")

    def logits(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if outputs.dim() != 2 or targets.shape != (len(outputs), 1):
            raise ValueError(
                f"regression needs outputs (B, M) and targets (B, 1); got {tuple(outputs.shape)} "
                f"and {tuple(targets.shape)}"
            )
        off = outputs[:, 0] - targets[:, 0]
        within = torch.zeros_like(off)
        return torch.stack([within, off - self.tolerance, -off - self.tolerance], 1)


class Decided(nn.Module):
    """`x -> criterion.logits(network(x), targets)`: the classifier that is wrong where it fails.

    It has one target for each row of its batch. What any attack or probe finds of it with the label
    0 it finds of the network under the criterion: `attack(Decided(...), inputs, decided_right(n))`.
    """

    def __init__(self, network: Classifier, criterion: OutputCriterion, targets: Tensor) -> None:
        super().__init__()
        self.network, self.criterion, self.targets = network, criterion, targets

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits `(B, K)` of the decision."""
        outputs = logits_of(self.network, inputs)
        return self.criterion.logits(outputs, self.targets.to(outputs))

    def rows(self, index: Tensor) -> "Decided":
        """The classifier of the samples `index`."""
        return Decided(take_rows(self.network, index), self.criterion, self.targets[index])


def decided_right(targets: Tensor) -> Untargeted:
    """Return the criterion that the decision on targets `(B, ...)` is no longer "right"."""
    return Untargeted(torch.zeros(len(targets), dtype=torch.int64, device=targets.device))
