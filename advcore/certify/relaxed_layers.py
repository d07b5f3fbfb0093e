"""Layers that linear relaxation bounds: ReLU and max pooling (CROWN, Zhang et al. 2018)."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from advcore.certify.intervals import Interval, product
from advcore.certify.layers import Back


@dataclass(frozen=True, eq=False)
class ReLU:
    """`max(z, 0)`, for `l <= z <= u` between `a z` and `s (z - min(l, 0))`.

    s is `u / (u - l)` where the sign is open, a is 1 if `u > -l` and else 0 (CROWN's adaptive
    slope); where the sign is known both bounds are the function itself.
    """

    def interval(self, *inputs: Interval) -> Interval:
        (before,) = inputs
        return Interval(before.lower.clamp(min=0), before.upper.clamp(min=0))

    def lipschitz(self, like: Tensor) -> float:
        return 1.0

    def undecided(self, before: Interval) -> Tensor:
        return (before.lower < 0) & (before.upper > 0)

    def relax(self, forms: Tensor, before: Interval, samples: Tensor) -> Back:
        low, high = before.lower.clamp(max=0), before.upper.clamp(min=0)
        above = high / (high - low).clamp(min=torch.finfo(high.dtype).tiny)
        below = (before.upper > -before.lower).to(forms.dtype)
        downward = forms.clamp(max=0) * above[samples]
        return (forms.clamp(min=0) * below[samples] + downward,), -product(downward, low[samples])


@dataclass(frozen=True, eq=False)
class MaxPool:
    """The largest unit of each window.

    It is at least the unit with the largest lower bound, and at most the largest upper bound; where
    that one's lower bound is no less than the others' upper bounds, it is that unit. The latter is
    looked for where windows do not overlap.

    `function` gives the largest values and their places in the flat picture; a unit lies in
    `overlap` windows at most.
    """

    function: Callable[[Tensor], tuple[Tensor, Tensor]]
    overlap: int

    def interval(self, *inputs: Interval) -> Interval:
        (before,) = inputs
        return Interval(self.function(before.lower)[0], self.function(before.upper)[0])

    def lipschitz(self, like: Tensor) -> float:
        return self.overlap**0.5

    def undecided(self, before: Interval) -> Tensor:
        return before.lower < before.upper

    def relax(self, forms: Tensor, before: Interval, samples: Tensor) -> Back:
        (lowest, leader), (highest, _) = map(self.function, (before.lower, before.upper))
        decided = self._decided(before, lowest, leader)
        passed = torch.where(decided[samples], forms, forms.clamp(min=0))
        constant = product(forms - passed, highest[samples])
        flat = forms.new_zeros(len(forms), *before.lower.flatten(2).shape[1:])
        flat = flat.scatter_add(2, leader[samples].flatten(2), passed.flatten(2))
        return (flat.view(-1, *before.lower.shape[1:]),), constant

    def _decided(self, before: Interval, lowest: Tensor, leader: Tensor) -> Tensor:
        """Return the windows of which the largest unit is known."""
        if self.overlap > 1:
            return torch.zeros_like(lowest, dtype=torch.bool)
        upper = before.upper.flatten(2)
        others = upper.scatter(2, leader.flatten(2), -torch.inf).view_as(before.upper)
        return lowest >= self.function(others)[0]
