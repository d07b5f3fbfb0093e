"""The seam of laws: distributions from which labelled samples are drawn."""

import math
from typing import Protocol

from torch import Tensor

from advcore.randomness import Randomness


class Law(Protocol):
    """A frozen dataclass of a distribution of labelled inputs, whose truths are known."""

    @property
    def box(self) -> bool:
        """True where all inputs lie in [0, 1]."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, two or more."""

    def draw(self, randomness: Randomness) -> tuple[Tensor, Tensor]:
        """Return inputs `(B, *shape)`, float32, and labels `(B,)`, int64, of the samples.

        All that is drawn comes from `randomness`: a sample's numbers hang on no other sample's.
        """


def check_finite_number(name: str, value: float) -> None:
    """Raise ValueError for NaN and inf."""
    if not math.isfinite(value):
        raise ValueError(f"{name} must be finite; got {value}")


def signs(labels: Tensor) -> Tensor:
    """Return -1 for class 0 and 1 for class 1, float32, `(B,)`."""
    return (2 * labels - 1).float()


def uniform_labels(count: int, randomness: Randomness) -> Tensor:
    """Return labels `(B,)` that are uniform over so many classes."""
    return (count * randomness.stream("label").uniform(())).long()
