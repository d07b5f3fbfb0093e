"""The seam of derivations: maps whose rows are samples that are made of others."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from torch import Tensor

from advcore.classifier import Classifier
from advcore.learnt import Learnt
from advcore.probes.probe import Batch
from advcore.randomness import Randomness


@dataclass(frozen=True)
class Made:
    """The samples that were made of a batch, one of each, in its order.

    Attributes:
        inputs: `(B, *shape)`, in the box if the batch is; None where they are the batch's own, of
            which only the labels are made: they are not stored again.
        labels: `(B,)` int64.
        columns: further columns `(B,)` by name: whether the attack found one, its distance.
    """

    inputs: Tensor | None
    labels: Tensor
    columns: Mapping[str, Tensor] = field(default_factory=dict)


@runtime_checkable
class OfFits(Protocol):
    """A derivation that looks at no network: what it makes comes of its fits alone.

    A study names no model for it, and none counts for what is made.
    """

    def fits(self) -> tuple[Learnt, ...]:
        """Return the fits of which it makes samples, at least one."""


@runtime_checkable
class Misleading(Protocol):
    """A kind of derived data set on which a good network may have any accuracy."""

    @property
    def misleads(self) -> bool:
        """True where labels are targets, or where a network was made to err."""


class Derivation(Protocol):
    """A frozen dataclass of settings with these methods."""

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        """Raise ValueError for inputs or logits of which these settings can make nothing."""

    def stays_in_box(self, inside: bool) -> bool:
        """Return whether what is made lies in [0, 1], of inputs that do (`inside`) or do not."""

    def make(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Made:
        """Return the samples made of one batch. Each depends on its own sample alone."""
