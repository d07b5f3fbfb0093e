"""Threat models that count: binary features that are flipped, tokens that are replaced."""

from dataclasses import dataclass, replace
from math import prod
from typing import Self

import torch
from torch import Tensor

from advcore.classifier import Classifier
from advcore.pairwise import pair_distances
from advcore.randomness import Randomness
from advcore.threats.region import Region

SURE = 1e3
"""The length of a step, which is one change however long it is: any step size makes it."""


@dataclass(frozen=True)
class Flips:
    """Flip binary features: inputs of any shape whose entries are all 0 or 1.

    The size is the number of entries that were flipped.
    """

    @property
    def name(self) -> str:
        return "flips"

    @property
    def box(self) -> bool:
        """False: it says itself what inputs may hold."""
        return False

    def most(self, shape: tuple[int, ...]) -> int:
        """Return the number of entries."""
        return prod(shape)

    def around(self, inputs: Tensor, radius: Tensor, classifier: Classifier) -> "DiscreteRegion":
        """The inputs `(B, *shape)` that may be reached; ValueError for entries between 0 and 1."""
        if not ((inputs == 0) | (inputs == 1)).all():
            raise ValueError(
                "flips needs binary features: each entry 0 or 1; inputs have others: take binary "
                "data (binary_digits, say), or another threat model"
            )
        values = inputs.new_tensor([[0.0], [1.0]])
        held = inputs.flatten(1).long()
        return DiscreteRegion(inputs, radius, values, held, torch.ones_like(held, dtype=torch.bool))


@dataclass(frozen=True)
class Tokens:
    """Replace tokens of sequences `(B, T, E)` by others of a vocabulary.

    A token is a row of E numbers: a unit vector (one-hot: letters, words, categories with one
    number of values), or a row of an embedding. The size is the number of tokens that were
    replaced.

    Attributes:
        vocabulary: rows of the vocabulary, E numbers each, among which all tokens must be; the unit
            vectors when None.
    """

    vocabulary: tuple[tuple[float, ...], ...] | None = None

    def __post_init__(self) -> None:
        if self.vocabulary is not None and len({len(row) for row in self.vocabulary}) != 1:
            raise ValueError("a vocabulary must hold rows of one length, at least one")

    @property
    def name(self) -> str:
        return "tokens"

    @property
    def box(self) -> bool:
        """False: it says itself what inputs may hold."""
        return False

    def most(self, shape: tuple[int, ...]) -> int:
        """Return the number of tokens."""
        return shape[0]

    def around(self, inputs: Tensor, radius: Tensor, classifier: Classifier) -> "DiscreteRegion":
        """The sequences `(B, T, E)` that may be reached; ValueError for others."""
        if inputs.dim() != 3:
            raise ValueError(
                f"tokens needs sequences (B, T, E); got {tuple(inputs.shape)}: take data of T "
                "tokens of E numbers each, or another threat model"
            )
        width = inputs.shape[2]
        values = (
            torch.eye(width).to(inputs)
            if self.vocabulary is None
            else torch.tensor(self.vocabulary).to(inputs)
        )
        if values.shape[1] != width:
            raise ValueError(
                f"tokens have {width} numbers each, but rows of the vocabulary {values.shape[1]}"
            )
        distance, held = pair_distances(inputs.flatten(0, 1), values).min(1)
        if (distance > 1e-3 * values.abs().max()).any():
            raise ValueError(
                "tokens must be rows of the vocabulary; inputs have others: give the vocabulary "
                "that they come of"
            )
        held = held.view(inputs.shape[:2])
        return DiscreteRegion(inputs, radius, values, held, torch.ones_like(held, dtype=torch.bool))


def counting(region: Region, name: str) -> "DiscreteRegion":
    """Return a region as one that counts changes; ValueError for that of another threat model."""
    if not isinstance(region, DiscreteRegion):
        raise ValueError(f"{name} does not count changes: take flips, tokens or neighbours")
    return region


@dataclass(frozen=True, eq=False)
class DiscreteRegion(Region):
    """Inputs with other values at some of their T places.

    Parameters: the value that each place holds, as a unit vector, `(B, T, V)`; so their gradient
    tells to first order what each of the values would change.

    `inputs` `(B, *shape)`, `radius` `(B,)`, `values` `(V, E)` with T E numbers in an input, or
    `(B, T, V, E)` where each place has its own, `held` `(B, T)`, which of the values each place
    holds at rest, and `free` `(B, T)`, which places may hold others.
    """

    inputs: Tensor
    radius: Tensor
    values: Tensor
    held: Tensor
    free: Tensor

    @property
    def choices(self) -> int:
        """The number V of values."""
        return self.values.shape[-2]

    @property
    def allowed(self) -> Tensor:
        """The whole number of places that may change, `(B,)`."""
        return (self.radius + 1e-6).floor().long().minimum(self.free.sum(1))

    def holding(self, held: Tensor) -> Tensor:
        """The parameters at which places hold the values `held` `(B, T)`."""
        return torch.nn.functional.one_hot(held, self.choices).to(self.inputs)

    def rest(self) -> Tensor:
        return self.holding(self.held)

    def random(self, randomness: Randomness) -> Tensor:
        """Other values at as many places as are allowed."""
        shape = tuple(self.held.shape[1:])
        drawn = randomness.stream("place").uniform(shape)
        order = drawn.masked_fill(~self.free.to(drawn.device), torch.inf).argsort(1).argsort(1)
        other = randomness.stream("value").uniform(shape) * (self.choices - 1)
        moved = (self.held + 1 + other.to(self.inputs.device).long()) % self.choices
        chosen = order.to(self.held.device) < self.allowed[:, None]
        return self.holding(torch.where(chosen, moved, self.held))

    def apply(self, parameters: Tensor) -> Tensor:
        return (parameters[:, :, None] @ self.values).view_as(self.inputs)

    def project(self, parameters: Tensor) -> Tensor:
        """The largest value of each place, at the places where it leads the one at rest most."""
        found = parameters.max(2)
        lead = found.values - parameters.gather(2, self.held[:, :, None])[:, :, 0]
        changed = self.free & (found.indices != self.held)
        order = lead.masked_fill(~changed, -torch.inf).argsort(dim=1, descending=True, stable=True)
        chosen = changed & (order.argsort(1) < self.allowed[:, None])
        return self.holding(torch.where(chosen, found.indices, self.held))

    def size(self, parameters: Tensor) -> Tensor:
        return (self.free & (parameters.argmax(2) != self.held)).sum(1).to(self.inputs)

    def gains(self, gradient: Tensor, parameters: Tensor) -> Tensor:
        """The gain of each value at each place to first order, `(B, T, V)`.

        It is -inf for the value that is held, and where no other may be.
        """
        held = parameters.argmax(2, keepdim=True)
        gains = (gradient - gradient.gather(2, held)).scatter(2, held, -torch.inf)
        return gains.masked_fill(~self.free[:, :, None], -torch.inf)

    def steepest(self, gradient: Tensor, parameters: Tensor) -> Tensor:
        """The one change with the largest gain to first order."""
        best = self.gains(gradient, parameters).flatten(1).argmax(1)
        place, value = best // self.choices, best % self.choices
        changed = parameters.argmax(2).scatter(1, place[:, None], value[:, None])
        return SURE * (self.holding(changed) - self.holding(parameters.argmax(2)))

    def take(self, index: Tensor) -> Self:
        return replace(
            self,
            inputs=self.inputs[index],
            radius=self.radius[index],
            held=self.held[index],
            free=self.free[index],
            values=self.values[index] if self.values.dim() == 4 else self.values,
        )
