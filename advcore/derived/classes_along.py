"""Inputs whose class stands along one direction, and nowhere else.

Source: Ortiz-Jimenez et al. 2020, Neural anisotropy directions, sections 2 and 4.
"""

import math
from dataclasses import dataclass

from advcore.classifier import Classifier
from advcore.derived.derivation import Made
from advcore.directions import check_leading
from advcore.learnt import Learnt
from advcore.norms import L2
from advcore.probes.probe import Batch
from advcore.randomness import Randomness
from advcore.subspaces.fitted import Order, first_directions


@dataclass(frozen=True)
class ClassesAlong:
    """`x - <x, v> v + a v`, a = -margin / 2 for the label 0 and margin / 2 for the label 1.

    A linear classifier along v tells the two classes apart with half the margin on either side. Of
    noise x that knows no label, no other direction says anything of the class: `D(v)` of the paper.
    Of other inputs it is a carrier that is added to them, in the place of what they have along v.
    A study says beside these settings `of` which data set they are made; it must have two classes.

    Attributes:
        fit: fit with a tensor `directions` `(k, *shape)`, orthonormal, the leading ones first.
        direction: number of the direction v, 0 for the first.
        order: order in which directions are counted: from the `most` leading one, from the `least`,
            or `random` ones of their span in place of them, drawn by the entry's `seed`.
        margin: distance of the two classes along v, in pixel units.
    """

    fit: Learnt
    direction: int = 0
    order: Order = "most"
    margin: float = 1.0

    def __post_init__(self) -> None:
        if self.direction < 0:
            raise ValueError(f"direction is a number from 0 on; got {self.direction}")
        if not 0 < self.margin < math.inf:
            raise ValueError(f"margin must be a positive number; got {self.margin}")

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        """Raise ValueError for other than two classes, and where the fit has fewer directions."""
        if classes != 2:
            raise ValueError(f"along has a side for each of 2 classes; got {classes}")
        check_leading(self.fit, shape, self.direction + 1)

    def fits(self) -> tuple[Learnt, ...]:
        """Return the fit of the directions."""
        return (self.fit,)

    def stays_in_box(self, inside: bool) -> bool:
        """Return False: what is made may leave [0, 1]."""
        return False

    def make(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Made:
        """Return the inputs of one batch with their label along v; labels stay."""
        shape = tuple(batch.inputs.shape[1:])
        found = first_directions(self.fit, shape, self.direction + 1, self.order, randomness.seed)[
            -1
        ]
        v = L2.steepest(found.flatten()[None].double())[0].to(batch.inputs.device)
        rows = batch.inputs.flatten(1).double()
        sides = self.margin * (batch.labels.double() - 0.5)
        made = rows + (sides - rows @ v)[:, None] * v
        return Made(made.to(batch.inputs.dtype).view_as(batch.inputs), batch.labels)
