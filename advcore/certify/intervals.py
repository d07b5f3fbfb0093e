"""Bounds of units, and the balls of inputs that they begin with."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from advcore.norms import L2, L2OrLinf, per_sample

Reach = Literal["box", "ball", "ends", "bounds"]
"""The part of the space between bounds that is reached; see `Interval`."""


@dataclass(frozen=True, eq=False)
class Interval:
    """Bounds of every unit of a layer.

    - `lower`, `upper` `(B, *shape)`: no unit leaves them for any input of the ball.
    - `reach`: what of it there is: a `box`, any point between the ends; a `ball`, the centres plus
      the half-widths times the coordinates of any point of the l2 unit ball; `ends`, those of each
      unit alone; `bounds`, perhaps less.
    """

    lower: Tensor
    upper: Tensor
    reach: Reach = "bounds"

    @property
    def centre(self) -> Tensor:
        """The middle of the bounds, `(B, *shape)`."""
        return (self.lower + self.upper) / 2

    @property
    def half_width(self) -> Tensor:
        """Half the distance of the bounds, `(B, *shape)`."""
        return (self.upper - self.lower) / 2

    def take(self, rows: Tensor) -> "Interval":
        """Return the bounds of the samples `rows` `(N,)`."""
        return Interval(self.lower[rows], self.upper[rows], self.reach)

    def minimum(self, forms: Tensor) -> Tensor:
        """Return the least `<forms, z>` inside the bounds, `(B,)`; forms are `(B, *shape)`."""
        return product(forms.clamp(min=0), self.lower) + product(forms.clamp(max=0), self.upper)


@dataclass(frozen=True, eq=False)
class InputBall:
    """The inputs within `eps` `(B,)` of `images` `(B, *shape)`, in l2 or linf, pixel units.

    With a `box`, those of a linf ball that lie in [0, 1]; an l2 ball stays whole.
    """

    images: Tensor
    eps: Tensor
    norm: L2OrLinf
    box: bool

    def interval(self) -> Interval:
        """Return the bounds of the inputs themselves."""
        reach = per_sample(self.eps, self.images)
        lower, upper = self.images - reach, self.images + reach
        if self.norm == "linf" and self.box:
            lower, upper = lower.clamp(0, 1), upper.clamp(0, 1)
        return Interval(lower, upper, "ball" if self.norm == "l2" else "box")

    def minimum(self, forms: Tensor, rows: Tensor) -> Tensor:
        """Return the least `<forms, x>` over the balls of the samples `rows`, `(N,)`, exactly."""
        if self.norm == "linf":
            return self.interval().take(rows).minimum(forms)
        return product(forms, self.images[rows]) - self.eps[rows] * L2.dual(forms)

    def take(self, rows: Tensor) -> "InputBall":
        """Return the balls of the samples `rows` `(N,)`."""
        return InputBall(self.images[rows], self.eps[rows], self.norm, self.box)


def product(forms: Tensor, values: Tensor) -> Tensor:
    """Return `<forms, values>` of each row of `(N, *shape)`, `(N,)`."""
    return (forms * values).flatten(1).sum(1)
