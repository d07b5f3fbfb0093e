"""Counterfactuals: the nearest inputs of another class that a set allows (article, eq. 19).

Eq. 19 is eq. 8, the minimal perturbation, with a set C of plausible inputs: `min ||r||` with `f(x +
r) = t` and `x + r` in C. So any minimal-norm attack with a target makes counterfactuals, and a
threat model or an attack that keeps to samples says what is plausible. What may not change at all
is a classifier's business: `Movable` around it, and any attack leaves the rest as it is.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from advcore.attacks.attack import Attack
from advcore.classifier import Classifier, predict, take_rows
from advcore.criteria import Targeted
from advcore.pairwise import pair_distances, sample_distances
from advcore.randomness import Randomness

FROZEN = 0.5
"""The share of the squared change whose entries the next of several counterfactuals leaves."""


class Movable(nn.Module):
    """`x' -> classifier(x' where entries may move, and x elsewhere)`.

    `inputs` x `(B, *shape)`, `movable` `(B, *shape)` bool, one of each for a row.
    """

    def __init__(self, classifier: Classifier, inputs: Tensor, movable: Tensor) -> None:
        super().__init__()
        self.classifier, self.inputs, self.movable = classifier, inputs, movable

    def kept(self, changed: Tensor) -> Tensor:
        """Return changed inputs `(B, *shape)` with what may not move as it was."""
        return torch.where(self.movable, changed, self.inputs)

    def forward(self, changed: Tensor) -> Tensor:
        """Return the logits `(B, K)`."""
        return self.classifier(self.kept(changed))

    def rows(self, index: Tensor) -> "Movable":
        """The classifier around the samples `index`."""
        return Movable(take_rows(self.classifier, index), self.inputs[index], self.movable[index])


def diverse(
    attack: Attack,
    classifier: Classifier,
    inputs: Tensor,
    targets: Tensor,
    count: int,
    randomness: Randomness,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield `count` counterfactuals of inputs `(B, *shape)` towards targets `(B,)`, one at a time.

    Each is what was reached, `(B, *shape)`, and whether the classifier says the target of exactly
    that, `(B,)`; where it does not, it is the last try.

    The first is the attack's own. Each further one leaves the entries that made up half of the
    squared change of each one before: so it changes the label elsewhere, at a longer way as a rule,
    and where that cannot be there is none.
    """
    movable = torch.ones_like(inputs, dtype=torch.bool)
    for place in range(count):
        within = Movable(classifier, inputs, movable)
        noise = randomness.stream("counterfactual", place)
        made = within.kept(attack(within, inputs, Targeted(targets), noise).images)
        yield made, predict(classifier, made) == targets
        movable = movable & ~_leading_entries(made - inputs)


def _leading_entries(change: Tensor) -> Tensor:
    """Return which entries of `(B, *shape)` make up a share of its square, the largest first."""
    square = change.flatten(1).double().square()
    ordered = square.sort(1, descending=True)
    before = ordered.values.cumsum(1) - ordered.values
    leading = (before < FROZEN * square.sum(1, keepdim=True)) & (ordered.values > 0)
    return torch.zeros_like(leading).scatter(1, ordered.indices, leading).view_as(change)


def nearest_distances(
    inputs: Tensor, samples: Tensor, labels: Tensor, wanted: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the l2 distance to the nearest sample, and to the nearest of a wanted label, `(B,)`.

    Inputs are `(B, *shape)`, samples `(n, *shape)` with labels `(n,)`, `wanted` `(B,)`; inf where
    no sample has it.
    """
    distances = sample_distances(inputs, samples)
    others = labels.to(wanted.device) != wanted[:, None]
    return distances.amin(1), distances.masked_fill(others, torch.inf).amin(1)


def mean_distance(several: Tensor, valid: Tensor) -> Tensor:
    """Return the mean l2 distance between the pairs of valid inputs, `(B,)`.

    `several` are `(n, B, *shape)`, `valid` `(n, B)`; NaN where fewer than two are.
    """
    flat = several.flatten(2).transpose(0, 1)
    apart = pair_distances(flat, flat)
    both = valid.T[:, :, None] & valid.T[:, None, :]
    both = both & ~torch.eye(len(several), dtype=torch.bool, device=both.device)
    return (apart * both).sum((1, 2)) / both.sum((1, 2))
