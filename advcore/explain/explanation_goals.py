"""Goals of an attack on an explanation: where it shall move (Ghorbani et al. 2019).

Each is a number of maps `(B, H, W)` of sum 1 that grows with the attack's success.
"""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from advcore.explain.agreement import centre, top_pixels
from advcore.pixel_masks import PixelMask


class ExplanationGoal(Protocol):
    """A frozen dataclass that says how far a map has moved from the original one."""

    def __call__(self, shares: Tensor, original: Tensor) -> Tensor:
        """Return how far maps `(B, H, W)` are from the originals, `(B,)`; differentiable.

        Raises ValueError for maps of a size that the goal does not fit.
        """


@dataclass(frozen=True)
class OutOfTop:
    """The share of the map outside the pixels that were its largest.

    Attributes:
        count: number of these pixels; 200 for MNIST, 100 for Fashion-MNIST in Chen et al. 2019.
    """

    count: int = 100

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"count of the top pixels must be at least 1; got {self.count}")

    def __call__(self, shares: Tensor, original: Tensor) -> Tensor:
        if self.count >= original[0].numel():
            raise ValueError(
                f"count of the top pixels must be below {original[0].numel()}, the pixels of a "
                f"picture; got {self.count}"
            )
        return (shares * (1 - top_pixels(original, self.count))).sum((1, 2))


@dataclass(frozen=True)
class CentreShift:
    """The squared distance between the centres of mass, in pixels."""

    def __call__(self, shares: Tensor, original: Tensor) -> Tensor:
        return (centre(shares) - centre(original)).square().sum(1)


@dataclass(frozen=True)
class Into:
    """The share of the map inside a mask of pixels, whatever it was before.

    Attributes:
        region: mask of the pixels that the explanation shall point at.
    """

    region: PixelMask

    def __call__(self, shares: Tensor, original: Tensor) -> Tensor:
        return (shares * self.region((1, *shares.shape[1:])).to(shares)).sum((1, 2))


EXPLANATION_GOALS: dict[str, type] = {
    "out_of_top": OutOfTop,
    "centre_shift": CentreShift,
    "into": Into,
}
"""The goals of an attack on an explanation that a study can name by `kind`."""
