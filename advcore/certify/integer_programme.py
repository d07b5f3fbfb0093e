"""The nearest point where one logit reaches another, as a mixed-integer linear programme.

Tjeng et al. 2019, Evaluating robustness of neural networks with mixed integer programming.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from advcore.certify.affine_maps import AffineMap
from advcore.norms import Norm

RELATIVE_GAP = 1e-6
"""The share of the distance by which the solver's two bounds of it may still differ at the end."""

OPTIMAL, INFEASIBLE = 0, 2
"""Statuses of scipy's `milp`: solved, and where a programme has no point."""


@dataclass(frozen=True, eq=False)
class SearchedBall:
    """The inputs that may be reached: of a ball around an image, and of the box.

    - `image` `(n,)`, float64; `low`, `high` `(n,)`: the ends of each pixel.
    - `radius`: the ball's, pixel units.
    - `sizes` `(n, s)`: each pixel's change is at most its row times the s numbers whose sum is the
      norm: one for all pixels in linf, one each in l1.
    """

    image: Tensor
    low: Tensor
    high: Tensor
    radius: float
    sizes: Tensor

    @classmethod
    def around(cls, image: Tensor, radius: float, norm: Norm, box: bool) -> "SearchedBall":
        """Return the ball of a norm, linf or l1, inside [0, 1] if `box`."""
        low, high = image - radius, image + radius
        if box:
            low, high = low.clamp(min=0), high.clamp(max=1)
        count = len(image)
        ones = torch.ones(count, 1) if norm.name == "linf" else torch.eye(count)
        return cls(image, low, high, radius, ones.double())

    def of(self, first: AffineMap) -> tuple[Tensor, Tensor]:
        """Return the ends of an affine map's values over the region, `(m,)` each."""
        low, high = interval(first, self.low, self.high)
        middle = first(self.image)
        dual = first.weight.abs() @ self.sizes
        reach = self.radius * dual.amax(1)
        return torch.maximum(low, middle - reach), torch.minimum(high, middle + reach)


@dataclass(frozen=True, eq=False)
class NearestPoint:
    """The solver's answer, in pixel units.

    - `point` `(n,)` float64: the nearest point found; None where there is none.
    - `lower`: no point of the region is nearer; inf where the region has none at all.
    - `solved`: the solver came to its end.
    """

    point: Tensor | None
    lower: float
    solved: bool


def interval(own: AffineMap, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Return the ends of an affine map's values where its inputs lie between `low` and `high`."""
    middle, reach = own((low + high) / 2), own.weight.abs() @ ((high - low) / 2)
    return middle - reach, middle + reach


def nearest_point(
    maps: Sequence[AffineMap], region: SearchedBall, towards: int, away: int, seconds: float
) -> NearestPoint:
    """Solve `min ||x' - x||` over the region, with `z_towards(x') >= z_away(x')`.

    Each ReLU `h = max(u, 0)` whose u may have both signs has a binary d, with `l <= u <= v` over
    the region: `h >= u`, `h >= 0`, `h <= u - l (1 - d)`, `h <= v d`. The others are linear.

    Args:
        maps: affine maps with ReLUs between them.
        region: inputs among which the nearest is looked for.
        towards: class that is to be reached.
        away: class that is to be left.
        seconds: time after which the solver stops with the bounds that it has.
    """
    *hidden, last = maps
    count, sizes = region.sizes.shape
    widths = [len(own.bias) for own in hidden]
    programme = _Programme([count, sizes, *widths, *widths])
    inputs, lengths = programme.variables[:2]
    after, on = programme.variables[2 : 2 + len(widths)], programme.variables[2 + len(widths) :]
    programme.within(inputs, region.low, region.high)
    programme.within(lengths, torch.zeros(sizes), torch.full((sizes,), region.radius))
    eye = torch.eye(count, dtype=torch.float64)
    programme.add([(inputs, eye), (lengths, -region.sizes)], high=region.image)
    programme.add([(inputs, eye), (lengths, region.sizes)], low=region.image)
    programme.add([(lengths, torch.ones(1, sizes))], high=torch.tensor([region.radius]))
    before, ends = inputs, region.of(hidden[0]) if hidden else (region.low, region.high)
    for place, (own, values, binaries) in enumerate(zip(hidden, after, on, strict=True)):
        if place:
            ends = interval(own, ends[0].clamp(min=0), ends[1].clamp(min=0))
        programme.add_relu(own, before, values, binaries, *ends)
        before = values
    rise = last.weight[towards] - last.weight[away]
    programme.add([(before, rise[None])], low=(last.bias[away] - last.bias[towards])[None])
    return programme.solve(lengths, inputs, on, seconds)


class _Programme:
    """Linear constraints on blocks of variables, in the order in which they are added."""

    def __init__(self, counts: Sequence[int]) -> None:
        ends = torch.tensor([0, *counts]).cumsum(0).tolist()
        self.variables = [slice(low, high) for low, high in pairwise(ends)]
        self.count = ends[-1]
        self.low = torch.zeros(self.count, dtype=torch.float64)
        self.high = torch.ones(self.count, dtype=torch.float64)
        self._rows: list[tuple[Tensor, Tensor, Tensor]] = []

    def within(self, some: slice, low: Tensor, high: Tensor) -> None:
        """Hold some variables between two ends."""
        self.low[some], self.high[some] = low.double(), high.double()

    def add(
        self,
        parts: Sequence[tuple[slice, Tensor]],
        low: Tensor | float = -math.inf,
        high: Tensor | float = math.inf,
    ) -> None:
        """Add rows: the sum over the blocks of their matrix times their variables, `(rows,)`."""
        rows = len(parts[0][1])
        whole = torch.zeros(rows, self.count, dtype=torch.float64)
        for some, matrix in parts:
            whole[:, some] = matrix.double()
        ends = [torch.as_tensor(end, dtype=torch.float64).expand(rows) for end in (low, high)]
        self._rows.append((whole, ends[0], ends[1]))

    def add_relu(
        self,
        own: AffineMap,
        before: slice,
        after: slice,
        on: slice,
        low: Tensor,
        high: Tensor,
    ) -> None:
        """Make `after` the ReLU of the affine map of `before`, whose values lie in the ends."""
        eye = torch.eye(len(own.bias), dtype=torch.float64)
        below, above = low.clamp(max=0), high.clamp(min=0)
        self.within(after, torch.zeros_like(above), above)
        self.within(on, ((low >= 0) & (high > 0)).double(), (high > 0).double())
        self.add([(after, eye), (before, -own.weight)], low=own.bias)
        self.add([(after, eye), (before, -own.weight), (on, -below.diag())], high=own.bias - below)
        self.add([(after, eye), (on, -above.diag())], high=0.0)

    def solve(
        self, summed: slice, wanted: slice, whole: Sequence[slice], seconds: float
    ) -> NearestPoint:
        """Minimise the sum of some variables; return others of the solution.

        The variables in `whole` are whole numbers. There is no presolve: it saves no time on
        networks of two layers, and its way back can print to the standard output.
        """
        from scipy.optimize import Bounds, LinearConstraint, milp  # takes a while

        costs, integers = (torch.zeros(self.count, dtype=torch.float64) for _ in range(2))
        costs[summed] = 1
        for some in whole:
            integers[some] = 1
        matrix, low, high = (torch.cat(part).numpy() for part in zip(*self._rows, strict=True))
        found = milp(
            costs.numpy(),
            integrality=integers.numpy(),
            bounds=Bounds(self.low.numpy(), self.high.numpy()),
            constraints=LinearConstraint(matrix, low, high),
            options={"time_limit": seconds, "mip_rel_gap": RELATIVE_GAP, "presolve": False},
        )
        if found.status == INFEASIBLE:
            return NearestPoint(None, math.inf, True)
        linear = found.status == OPTIMAL and not integers.any()
        bound = found.fun if linear else found.mip_dual_bound
        lower = 0.0 if bound is None or not math.isfinite(bound) else max(0.0, bound)
        point = None if found.x is None else torch.from_numpy(found.x)[wanted]
        return NearestPoint(point, lower, found.status == OPTIMAL)
