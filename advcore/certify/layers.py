"""Layers as bounds see them: how intervals pass forward, and linear forms backward.

A form `<a, z>` of a layer's outputs is bounded from below by forms of its inputs and a constant:
exactly for affine layers, by CROWN's relaxation (Zhang et al. 2018) for ReLU and max pooling.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from advcore.certify.intervals import Interval

Back = tuple[tuple[Tensor, ...], Tensor]
"""Forms `(N, *shape)` of each input of a layer, and the constants `(N,)` that come to them."""


class Layer(Protocol):
    """A step of a network, from the outputs of earlier ones."""

    def interval(self, *inputs: Interval) -> Interval:
        """Return bounds of the outputs."""


class Affine(Layer, Protocol):
    """A layer through which linear forms pass backward without loss."""

    def back(self, forms: Tensor) -> Back:
        """Return the forms of the inputs that forms `(N, *shape)` of the outputs are."""


@runtime_checkable
class Relaxed(Layer, Protocol):
    """A layer of one input, whose outputs are bounded by linear functions inside an interval."""

    def undecided(self, before: Interval) -> Tensor:
        """Return the units of the input whose bounds matter, `(B, *shape)` bool."""

    def relax(self, forms: Tensor, before: Interval) -> Back:
        """Return a form of the input that bounds forms `(N, *shape)` from below.

        The intervals of the input hold one row a form.
        """


@dataclass(frozen=True, eq=False)
class Weighted:
    """`operator(x, weight) + bias`: a linear layer or a convolution.

    Intervals: the centre passes, the half-width by `|weight|`; that of an l2 ball by the rows'
    lengths, the root of the half-widths' squares by `weight^2`.
    """

    operator: Callable[[Tensor, Tensor], Tensor]
    adjoint: Callable[[Tensor, Tensor], Tensor]
    weight: Tensor
    bias: Tensor

    def interval(self, *inputs: Interval) -> Interval:
        (before,) = inputs
        centre = self.operator(before.centre, self.weight) + self.bias
        if before.round:
            half = self.operator(before.half_width.square(), self.weight.square()).sqrt()
        else:
            half = self.operator(before.half_width, self.weight.abs())
        return Interval(centre - half, centre + half)

    def back(self, forms: Tensor) -> Back:
        return (self.adjoint(forms, self.weight),), _product(forms, self.bias)


@dataclass(frozen=True, eq=False)
class Elementwise:
    """`scale x + offset`, unit by unit: normalisations; `scale` and `offset` are `(1, *shape)`."""

    scale: Tensor
    offset: Tensor

    def interval(self, *inputs: Interval) -> Interval:
        (before,) = inputs
        ends = [self.scale * end + self.offset for end in (before.lower, before.upper)]
        return Interval(torch.minimum(*ends), torch.maximum(*ends), before.round)

    def back(self, forms: Tensor) -> Back:
        return (forms * self.scale,), _product(forms, self.offset)


@dataclass(frozen=True, eq=False)
class Averaged:
    """A linear map whose weights are not negative: an average, or another order of the units.

    `shape` is that of one input, `keeps` says whether each output is one of the inputs.
    """

    function: Callable[[Tensor], Tensor]
    shape: tuple[int, ...]
    keeps: bool = False

    def interval(self, *inputs: Interval) -> Interval:
        (before,) = inputs
        return Interval(
            self.function(before.lower),
            self.function(before.upper),
            before.round and self.keeps,
        )

    def back(self, forms: Tensor) -> Back:
        back = pulled_back(self.function, forms.new_zeros(len(forms), *self.shape), forms)
        return (back,), forms.new_zeros(len(forms))


@dataclass(frozen=True, eq=False)
class Summed:
    """The sum of two layers, as of a residual block and its shortcut."""

    def interval(self, *inputs: Interval) -> Interval:
        one, other = inputs
        return Interval(one.lower + other.lower, one.upper + other.upper)

    def back(self, forms: Tensor) -> Back:
        return (forms, forms), forms.new_zeros(len(forms))


@dataclass(frozen=True, eq=False)
class ReLU:
    """`max(z, 0)`, for `l <= z <= u` between `a z` and `s (z - min(l, 0))`.

    s is `u / (u - l)` where the sign is open, a is 1 if `u > -l` and else 0 (CROWN's adaptive
    slope); where the sign is known both bounds are the function itself.
    """

    def interval(self, *inputs: Interval) -> Interval:
        (before,) = inputs
        return Interval(before.lower.clamp(min=0), before.upper.clamp(min=0))

    def undecided(self, before: Interval) -> Tensor:
        return (before.lower < 0) & (before.upper > 0)

    def relax(self, forms: Tensor, before: Interval) -> Back:
        low, high = before.lower.clamp(max=0), before.upper.clamp(min=0)
        above = high / (high - low).clamp(min=torch.finfo(high.dtype).tiny)
        below = (before.upper > -before.lower).to(forms.dtype)
        downward = forms.clamp(max=0) * above
        return (forms.clamp(min=0) * below + downward,), -_product(downward, low)


@dataclass(frozen=True, eq=False)
class MaxPool:
    """The largest unit of each window.

    It is at least the unit with the largest lower bound, and at most the largest upper bound; where
    that one's lower bound is no less than the others' upper bounds, it is that unit. The latter is
    looked for where windows lie `apart`.

    `function` gives the largest values and their places in the flat picture.
    """

    function: Callable[[Tensor], tuple[Tensor, Tensor]]
    apart: bool

    def interval(self, *inputs: Interval) -> Interval:
        (before,) = inputs
        return Interval(self.function(before.lower)[0], self.function(before.upper)[0])

    def undecided(self, before: Interval) -> Tensor:
        return before.lower < before.upper

    def relax(self, forms: Tensor, before: Interval) -> Back:
        (lowest, leader), (highest, _) = map(self.function, (before.lower, before.upper))
        passed = torch.where(self._decided(before, lowest, leader), forms, forms.clamp(min=0))
        constant = _product(forms - passed, highest)
        flat = torch.zeros_like(before.lower).flatten(2)
        flat = flat.scatter_add(2, leader.flatten(2), passed.flatten(2))
        return (flat.view_as(before.lower),), constant

    def _decided(self, before: Interval, lowest: Tensor, leader: Tensor) -> Tensor:
        """Return the windows of which the largest unit is known."""
        if not self.apart:
            return torch.zeros_like(lowest, dtype=torch.bool)
        upper = before.upper.flatten(2)
        others = upper.scatter(2, leader.flatten(2), -torch.inf).view_as(before.upper)
        return lowest >= self.function(others)[0]


def pulled_back(function: Callable[[Tensor], Tensor], at: Tensor, forms: Tensor) -> Tensor:
    """Return the forms of a function's inputs, `J^T a` of each row, J the derivative there."""
    differentiable = torch.is_grad_enabled()
    with torch.enable_grad():
        at = at.requires_grad_()
        (back,) = torch.autograd.grad(function(at), at, forms, create_graph=differentiable)
    return back


def _product(forms: Tensor, values: Tensor) -> Tensor:
    """Return `<forms, values>` of each row, `(N,)`."""
    return (forms * values).flatten(1).sum(1)
