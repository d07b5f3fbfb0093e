"""Inputs projected onto a fitted subspace, or onto what is orthogonal to it."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from advcore.classifier import Classifier, check_images
from advcore.derived.derivation import Made
from advcore.learnt import Learnt
from advcore.probes.probe import Batch
from advcore.randomness import Randomness
from advcore.subspaces.fitted import Order, first_directions


@dataclass(frozen=True)
class Projected:
    """The part of each input in the span of orthonormal directions Q, or the rest of it.

    `P x` with `P = Q^T Q`, or with `I - P`; with a mean m `m + P (x - m)`, so that of what is
    removed its mean stays: `P x + (I - P) m`. (Jetley et al. 2018, With friends like these, who
    needs adversaries?) A study says beside these settings `of` which data set they are made.

    Column: `clipped`, the l2 length of what the box cuts off, in pixel units.

    Attributes:
        fit: fit with a tensor `directions` `(k, *shape)`, orthonormal, the leading ones first.
        keep: part that is kept: `inside` the span, or its `complement`.
        directions: number of directions that span it; all when none.
        order: order in which they are counted: from the `most` leading one, from the `least`, or
            `random` ones of their span in place of them, uniformly distributed; those of a larger
            number span those of a smaller. They are drawn by the entry's `seed`; the family
            `fitted` draws the same ones where its own `seed` is the same.
        mean: fit with a tensor `mean` `(*shape)`, or one for each class, `(K, *shape)`, with
            `count` `(K,)`: the mean input of which the removed part is added back. None leaves
            the removed part out.
        box: clip what comes out to [0, 1]; the inputs must lie there.
    """

    fit: Learnt
    keep: Literal["inside", "complement"] = "inside"
    directions: int | None = None
    order: Order = "most"
    mean: Learnt | None = None
    box: bool = True

    def __post_init__(self) -> None:
        if self.directions is not None and self.directions < 1:
            raise ValueError(f"directions must be 1 or more, or none; got {self.directions}")

    def validate(self, shape: tuple[int, ...], classes: int) -> None:
        """Raise ValueError for more directions than an input has numbers, or the fit has.

        Fits are asked for what they declare until they are learnt.
        """
        numbers = torch.Size(shape).numel()
        if self.directions is not None and self.directions > numbers:
            raise ValueError(
                f"directions must be at most the {numbers} numbers of an input {tuple(shape)}; got "
                f"{self.directions}"
            )
        self._count(shape)
        if self.mean is not None:
            _check_mean(self.mean, shape)

    def fits(self) -> tuple[Learnt, ...]:
        """Return the fit of the directions, and that of the mean."""
        return (self.fit,) if self.mean is None else (self.fit, self.mean)

    def stays_in_box(self, inside: bool) -> bool:
        """Return whether it clips to the box."""
        return inside and self.box

    def make(self, classifier: Classifier, batch: Batch, randomness: Randomness) -> Made:
        """Return the projected inputs of one batch; labels stay."""
        inputs = check_images(batch.inputs) if self.box else batch.inputs
        rows = inputs.flatten(1)
        basis = self._basis(inputs, randomness.seed)
        center = torch.zeros_like(rows[0]) if self.mean is None else _mean(self.mean, inputs)
        away = rows - center
        part = (away @ basis.mT) @ basis
        made = (center + (part if self.keep == "inside" else away - part)).view_as(inputs)
        kept = made.clamp(0, 1) if self.box else made
        return Made(kept, batch.labels, {"clipped": (made - kept).flatten(1).norm(dim=1)})

    def _count(self, shape: tuple[int, ...]) -> int:
        """The number of directions. Raises ValueError where the fit has fewer, of such inputs."""
        there = self.fit.shape_of("directions")
        wanted = self.directions or 1
        if there is None:
            return wanted
        if there[1:] != tuple(shape) or wanted > there[0]:
            raise ValueError(
                f"the fit {self.fit.name} has directions {there}; at least {wanted} of inputs "
                f"{tuple(shape)} are needed"
            )
        return self.directions or there[0]

    def _basis(self, inputs: Tensor, seed: int) -> Tensor:
        """The directions that span the subspace, `(k, D)`."""
        shape = tuple(inputs.shape[1:])
        found = first_directions(self.fit, shape, self._count(shape), self.order, seed)
        return found.flatten(1).to(inputs)


def _mean(fit: Learnt, inputs: Tensor) -> Tensor:
    """Return the mean input `(D,)` that a fit has learnt."""
    _check_mean(fit, tuple(inputs.shape[1:]))
    mean = fit["mean"].to(inputs)
    if mean.shape[1:] == inputs.shape[1:] and mean.dim() == inputs.dim():
        counts = fit["count"].to(inputs)
        mean = torch.einsum("k,k...->...", counts / counts.sum(), mean)
    return mean.flatten()


def _check_mean(fit: Learnt, shape: tuple[int, ...]) -> None:
    """Raise ValueError for a fit without a mean of such inputs, or of each class of them."""
    there = fit.shape_of("mean")
    if there is None:
        return
    by_class = len(there) == len(shape) + 1 and there[1:] == tuple(shape)
    if by_class:
        fit.shape_of("count")
    elif there != tuple(shape):
        raise ValueError(
            f"the fit {fit.name} has a mean {there}; one of inputs {tuple(shape)} is needed"
        )
