"""The samples that DeepFool moves, and what it knows of each."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from advcore.attacks.linearisation import Closest, update_closest
from advcore.classifier import Classifier, logits_of, take_rows
from advcore.criteria import Criterion
from advcore.norms import Norm


@dataclass(frozen=True, eq=False)
class LinearisedWalk:
    """The state of the samples that still walk.

    Also, for the whole batch, what was last tried and spent.

    - `active` `(n,)`: their places in the batch; `classifier`, `criterion`, `origin`, `boundary`
      are theirs.
    - `current` `(n, *shape)`: `x + r`; `shrinkage` `(n,)`: the gap there, as a share of the one
      before, 1 at first.
    - `asked` `(n,)` bool: whether the question at `x + (1 + overshoot) r` has been asked.
    - `result` `(B, *shape)`, `logits` `(B, K)`, `queries`, `gradients` `(B,)`: of the whole batch.
    """

    active: Tensor
    classifier: Classifier
    criterion: Criterion
    origin: Tensor
    current: Tensor
    boundary: Closest
    shrinkage: Tensor
    asked: Tensor
    result: Tensor
    logits: Tensor
    queries: Tensor
    gradients: Tensor

    @classmethod
    def at(
        cls, classifier: Classifier, images: Tensor, criterion: Criterion, boundary: Closest
    ) -> "LinearisedWalk":
        """Return the walk of all samples, linearised where they are."""
        active, same = (
            torch.arange(len(images), device=images.device),
            torch.ones_like(boundary.gap),
        )
        standing = (
            classifier,
            criterion,
            images,
            images,
            boundary,
            same,
            torch.zeros_like(active, dtype=torch.bool),
        )
        return cls(
            active,
            *standing,
            images.clone(),
            boundary.logits.clone(),
            torch.ones_like(active),
            boundary.looks.clone(),
        )

    def take(self, stay: Tensor) -> "LinearisedWalk":
        """Keep the samples that stay, `(n,)` bool."""
        if stay.all():
            return self
        index = stay.nonzero()[:, 0]
        own, criterion, boundary = (
            take_rows(self.classifier, index),
            self.criterion.take(index),
            self.boundary.take(index),
        )
        rows = {
            name: getattr(self, name)[index]
            for name in ("active", "origin", "current", "shrinkage", "asked")
        }
        return replace(self, classifier=own, criterion=criterion, boundary=boundary, **rows)

    def linearised(self, norm: Norm) -> "LinearisedWalk":
        """Return the walk linearised at the current images."""
        boundary = update_closest(
            norm, self.classifier, self.current, self.criterion, self.boundary
        )
        self.queries[self.active] += boundary.looks
        self.gradients[self.active] += boundary.looks
        return replace(self, boundary=boundary, shrinkage=boundary.gap / self.boundary.gap)

    def ask(self, rows: Tensor, tried: Tensor) -> Tensor:
        """Return whether images tried by the samples `rows` are adversarial.

        Those become their results.
        """
        with torch.no_grad():
            logits = logits_of(take_rows(self.classifier, rows), tried)
        places = self.active[rows]
        self.queries[places] += 1
        self.result[places], self.logits[places] = tried, logits
        return self.criterion.take(rows).holds(logits)
