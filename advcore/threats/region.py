"""The seam of the threat models: which inputs an attack may reach, as a map from parameters.

Source: the article's footnote 2, `r(x) = T_phi(x) - x`.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Protocol, Self, runtime_checkable

from torch import Tensor

from advcore.classifier import Classifier, logits_of, take_rows
from advcore.randomness import Randomness


class ThreatModel(Protocol):
    """A frozen dataclass that says which inputs may be reached from an input, and how far away."""

    @property
    def name(self) -> str:
        """A short name for tables and legends, in place of a norm's."""

    def around(self, inputs: Tensor, radius: Tensor, classifier: Classifier) -> "Region":
        """The inputs that may be reached from each of a batch `(B, *shape)`.

        `radius` `(B,)` is in the threat model's own unit; `classifier` is the one that is attacked.

        Raises ValueError for inputs that it cannot change.
        """


class Region(ABC):
    """The inputs `T_phi(x)` with `size(phi) <= radius`, for each sample of a batch.

    `radius` is `(B,)`. Parameters `phi` are `(B, *parameters)`, those of one sample in each row; no
    row looks at another.
    """

    radius: Tensor

    @abstractmethod
    def rest(self) -> Tensor:
        """The parameters that change nothing."""

    @abstractmethod
    def random(self, randomness: Randomness) -> Tensor:
        """Random parameters inside the region."""

    @abstractmethod
    def apply(self, parameters: Tensor) -> Tensor:
        """The inputs `(B, *shape)`, which can be differentiated in the parameters."""

    @abstractmethod
    def project(self, parameters: Tensor) -> Tensor:
        """Parameters inside the region, near the given ones; those that are inside stay."""

    @abstractmethod
    def size(self, parameters: Tensor) -> Tensor:
        """The size of parameters, `(B,)`; 0 at rest, in the unit of the radius."""

    @abstractmethod
    def steepest(self, gradient: Tensor, parameters: Tensor) -> Tensor:
        """The direction of size 1 along which a function with this gradient rises most."""

    @abstractmethod
    def take(self, index: Tensor) -> "Region":
        """The regions of the samples `index`."""

    def edge(self, randomness: Randomness) -> Tensor:
        """Random parameters at the edge of the region, from which Auto-PGD starts."""
        return self.random(randomness)

    def through(self, classifier: Classifier) -> Classifier:
        """The classifier of parameters: `phi -> classifier(T_phi(x))`."""
        return Through(classifier, self)


@dataclass(frozen=True, eq=False)
class Mapped(Region):
    """A region whose parameters say what happens to inputs, whatever these are.

    `inputs` `(B, *shape)`, `radius` `(B,)`.
    """

    inputs: Tensor
    radius: Tensor

    def at(self, inputs: Tensor) -> Self:
        """The same around other inputs of the same shape."""
        return replace(self, inputs=inputs)

    def take(self, index: Tensor) -> Self:
        return replace(self, inputs=self.inputs[index], radius=self.radius[index])


@runtime_checkable
class Gridded(Protocol):
    """A region with few enough parameters to try them all."""

    def grid(self, points: int) -> Tensor:
        """Return all combinations of `points` values of each parameter, `(n, parameters)`.

        They run from -1 to 1, and are to be multiplied by the radius.
        """


@runtime_checkable
class ChecksInputs(Protocol):
    """A threat model that says itself what inputs may hold."""

    @property
    def box(self) -> bool:
        """True if they must lie in [0, 1] besides."""


@runtime_checkable
class OfFit(Protocol):
    """A threat model of a fit, which may be looked at before the fit is learnt."""

    def check(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError where the fit, as far as it is known, is none for inputs of a shape."""


@runtime_checkable
class Counts(Protocol):
    """A threat model whose size is a number of changes."""

    def most(self, shape: tuple[int, ...]) -> int:
        """Return the largest number of changes of an input of this shape."""


@runtime_checkable
class Convex(Protocol):
    """A convex region over which a linear function can be maximised."""

    def farthest(self, slope: Tensor) -> Tensor:
        """Return the parameters of the region whose inner product with `slope` is largest."""


class Through:
    """A classifier of parameters of a region."""

    def __init__(self, classifier: Classifier, region: Region) -> None:
        self.classifier, self.region = classifier, region

    def __call__(self, parameters: Tensor) -> Tensor:
        return logits_of(self.classifier, self.region.apply(parameters))

    def rows(self, index: Tensor) -> "Through":
        """The classifier of the samples `index`."""
        return Through(take_rows(self.classifier, index), self.region.take(index))
