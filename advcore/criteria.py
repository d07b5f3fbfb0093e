"""What counts as adversarial."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Untargeted:
    """Adversarial is any class but `labels` `(B,)`. With the true labels it measures robust accuracy (article, eq. 12), with
    the predicted ones margins (eqs. 8, 13, 18)."""

    labels: Tensor

    def holds(self, logits: Tensor) -> Tensor:
        """Which rows of the logits `(B, K)` are adversarial, `(B,)` bool; a row with NaN is not."""
        top, place = logits.max(1)  # NaN wherever the row has one
        return (place != self.labels) & (top == top)

    def take(self, index: Tensor) -> "Untargeted":
        """The criterion of the samples `index`."""
        return Untargeted(self.labels[index])

    def goals(self, logits: Tensor, count: int) -> Tensor:
        """The `count` most likely classes that would count as adversarial, `(B, count)` at most K - 1 of them."""
        others = logits.scatter(1, self.labels[:, None], -torch.inf)
        return others.topk(min(count, logits.shape[1] - 1), dim=1).indices

    def rival(self, logits: Tensor) -> Tensor:
        """The class that a goal has to overtake, `(B,)`: the label."""
        return self.labels


@dataclass(frozen=True, eq=False)
class Targeted:
    """Adversarial is the class `targets` `(B,)` and no other."""

    targets: Tensor

    def holds(self, logits: Tensor) -> Tensor:
        """Which rows of the logits `(B, K)` are adversarial, `(B,)` bool; a row with NaN is not."""
        top, place = logits.max(1)  # NaN wherever the row has one
        return (place == self.targets) & (top == top)

    def take(self, index: Tensor) -> "Targeted":
        """The criterion of the samples `index`."""
        return Targeted(self.targets[index])

    def goals(self, logits: Tensor, count: int) -> Tensor:
        """The targets, `(B, 1)`."""
        return self.targets[:, None]

    def rival(self, logits: Tensor) -> Tensor:
        """The class that the target has to overtake, `(B,)`: the likeliest other one."""
        return logits.scatter(1, self.targets[:, None], -torch.inf).argmax(1)


Criterion = Untargeted | Targeted


def classes_of(criterion: Criterion) -> Tensor:
    """The labels or the targets, `(B,)`."""
    match criterion:
        case Untargeted(labels):
            return labels
        case Targeted(targets):
            return targets
