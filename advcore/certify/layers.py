"""Layers as bounds see them: how intervals pass forward, and linear forms backward.

A form `<a, z>` of a layer's outputs is bounded from below by forms of its inputs and a constant,
exactly for the affine layers that stand here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from advcore.certify.intervals import Interval, product
from advcore.certify.spectral_norms import average_norm
from advcore.logit_gradients import leaf

Back = tuple[tuple[Tensor, ...], Tensor]
"""Forms `(N, *shape)` of each input of a layer, and the constants `(N,)` that come to them."""


class Layer(Protocol):
    """A step of a network, from the outputs of earlier ones."""

    def interval(self, *inputs: Interval) -> Interval:
        """Return bounds of the outputs."""

    def lipschitz(self, like: Tensor) -> float:
        """Return a bound of `||f(x) - f(x')|| / ||x - x'||`, l2, in each input alone.

        Inputs have the shape, precision and device of `like`.
        """


class Affine(Layer, Protocol):
    """A layer through which linear forms pass backward without loss."""

    def back(self, forms: Tensor) -> Back:
        """Return the forms of the inputs that forms `(N, *shape)` of the outputs are."""


@runtime_checkable
class Relaxed(Layer, Protocol):
    """A layer of one input, whose outputs are bounded by linear functions inside an interval."""

    def undecided(self, before: Interval) -> Tensor:
        """Return the units of the input whose bounds matter, `(B, *shape)` bool."""

    def relax(self, forms: Tensor, before: Interval, samples: Tensor) -> Back:
        """Return a form of the input that bounds forms `(N, *shape)` from below.

        The intervals of the input hold a row a sample; `samples` `(N,)` is that of each form.
        """


@dataclass(frozen=True, eq=False)
class Weighted:
    """`operator(x, weight) + bias`: a linear layer or a convolution.

    Intervals: the centre passes, the half-width by `|weight|`; that of an l2 ball by the rows'
    lengths, the root of the half-widths' squares by `weight^2`. `norm` bounds the spectral norm for
    inputs of a shape.
    """

    operator: Callable[[Tensor, Tensor], Tensor]
    adjoint: Callable[[Tensor, Tensor], Tensor]
    weight: Tensor
    bias: Tensor
    norm: Callable[[tuple[int, ...]], float]

    def interval(self, *inputs: Interval) -> Interval:
        (before,) = inputs
        centre = self.operator(before.centre, self.weight) + self.bias
        if before.reach == "ball":
            half = self.operator(before.half_width.square(), self.weight.square()).sqrt()
        else:
            half = self.operator(before.half_width, self.weight.abs())
        tight = before.reach in ("ball", "box")
        return Interval(centre - half, centre + half, "ends" if tight else "bounds")

    def lipschitz(self, like: Tensor) -> float:
        return self.norm(tuple(like.shape))

    def back(self, forms: Tensor) -> Back:
        return (self.adjoint(forms, self.weight),), product(forms, self.bias)


@dataclass(frozen=True, eq=False)
class Elementwise:
    """`scale x + offset`, unit by unit: normalisations; `scale` and `offset` are `(1, *shape)`."""

    scale: Tensor
    offset: Tensor

    def interval(self, *inputs: Interval) -> Interval:
        (before,) = inputs
        ends = [self.scale * end + self.offset for end in (before.lower, before.upper)]
        return Interval(torch.minimum(*ends), torch.maximum(*ends), before.reach)

    def lipschitz(self, like: Tensor) -> float:
        return self.scale.abs().max().item()

    def back(self, forms: Tensor) -> Back:
        return (forms * self.scale,), product(forms, self.offset)


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
        reach = before.reach if self.keeps else "bounds"
        return Interval(self.function(before.lower), self.function(before.upper), reach)

    def lipschitz(self, like: Tensor) -> float:
        if self.keeps:
            return 1.0
        return average_norm(self.function, lambda forms: self.back(forms)[0][0], like)

    def back(self, forms: Tensor) -> Back:
        back = pulled_back(self.function, forms.new_zeros(len(forms), *self.shape), forms)
        return (back,), forms.new_zeros(len(forms))


@dataclass(frozen=True, eq=False)
class Summed:
    """The sum of two layers, as of a residual block and its shortcut."""

    def interval(self, *inputs: Interval) -> Interval:
        one, other = inputs
        return Interval(one.lower + other.lower, one.upper + other.upper)

    def lipschitz(self, like: Tensor) -> float:
        return 1.0

    def back(self, forms: Tensor) -> Back:
        return (forms, forms), forms.new_zeros(len(forms))


def pulled_back(function: Callable[[Tensor], Tensor], at: Tensor, forms: Tensor) -> Tensor:
    """Return the forms of a function's inputs, `J^T a` of each row, J the derivative there."""
    differentiable = torch.is_grad_enabled()
    with torch.enable_grad():
        at = leaf(at)
        (back,) = torch.autograd.grad(function(at), at, forms, create_graph=differentiable)
    return back
