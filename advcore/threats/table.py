"""A budget for changes of a table's row that its columns allow."""

from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor

from advcore import norms
from advcore.classifier import Classifier
from advcore.norms import Norm, NormName
from advcore.randomness import Randomness
from advcore.table_rules import TableRules
from advcore.table_schema import TableSchema
from advcore.threats.region import Region


@dataclass(frozen=True)
class Tabular:
    """Change what a person could change: rows `(B, F)` of a table whose columns are known.

    Columns that nobody can change stay, those of one direction move that way alone, a categorical
    column has one category at each step of a search, and numbers stay in the range of the training
    rows, or where they are; whole numbers change by whole ones at each step too. The size is the
    norm of the numeric changes, in standard deviations of the training rows, together with
    `category` for each categorical column that changes.

    Attributes:
        schema: columns of the table.
        norm: norm of the change; few columns change in l1.
        category: cost of another category, in standard deviations.
    """

    schema: TableSchema
    norm: NormName = "l1"
    category: float = 1.0

    def __post_init__(self) -> None:
        norms.norm_by_name(self.norm)
        if not 0 < self.category < torch.inf:
            raise ValueError(f"category must be a positive cost; got {self.category}")

    @property
    def name(self) -> str:
        return "table"

    @property
    def box(self) -> bool:
        """False: it says itself what inputs may hold."""
        return False

    def around(self, inputs: Tensor, radius: Tensor, classifier: Classifier) -> "TableRegion":
        """The rows `(B, F)` that may be reached; ValueError for others."""
        rules = TableRules.around(self.schema, inputs)
        return TableRegion(rules, radius, norms.norm_by_name(self.norm), self.category)


class _Straight(torch.autograd.Function):
    """`values`, with the gradient of `parameters`."""

    @staticmethod
    def forward(ctx: Any, parameters: Tensor, values: Tensor) -> Tensor:
        return values.clone()

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None]:
        return slopes[0], None


@dataclass(frozen=True, eq=False)
class TableRegion(Region):
    """Rows that may be reached. Parameters: relaxed rows, `(B, F)`.

    There a categorical column has shares of its categories, which sum to 1. An input is made of it
    by taking the largest share, at the columns that are moved furthest and that the radius allows;
    numbers have what is left of it, whole ones as many whole steps as fit in. The gradient goes
    straight through (Bengio et al. 2013, Estimating or propagating gradients through stochastic
    neurons).
    """

    rules: TableRules
    radius: Tensor
    norm: Norm
    category: float

    def rest(self) -> Tensor:
        return self.rules.rows

    def random(self, randomness: Randomness) -> Tensor:
        """Numbers at random in the ball, with categories drawn at random, as far as is allowed."""
        rules = self.rules
        count, groups = len(rules.numeric), len(rules.groups)
        size = self.norm.random(randomness.stream("size"), (count + groups,), self.radius)
        size = size.to(rules.rows)
        drawn = randomness.stream("category").uniform(tuple(rules.allowed.shape[1:]))
        other = drawn.to(rules.rows).masked_fill(~rules.allowed, -1).argmax(2)
        share = (size[:, count:].abs() / self.category).clamp(max=1)[:, :, None]
        weights = torch.lerp(rules.holding(rules.held), rules.holding(other), share)
        numbers = rules.rows[:, rules.numeric] + size[:, :count]
        return self.project(rules.joined(numbers, weights))

    def apply(self, parameters: Tensor) -> Tensor:
        with torch.no_grad():
            values = self._rounded(parameters.detach())
        return _Straight.apply(parameters, values)

    def project(self, parameters: Tensor) -> Tensor:
        """Relaxed rows in the ball: all changes are drawn back as its norm projects their sizes."""
        rules, held = self.rules, self.rules.holding(self.rules.held)
        change = self._change(parameters)
        weights = rules.weights(parameters)
        moved = self.category * (1 - (weights * held).sum(2))
        sizes = torch.cat([change.abs(), moved], 1)
        kept = self.norm.project(sizes, self.radius) / sizes.clamp(min=1e-12)
        numbers = rules.rows[:, rules.numeric] + kept[:, : change.shape[1]] * change
        share = kept[:, change.shape[1] :, None]
        return rules.joined(numbers, torch.lerp(held, weights, share))

    def size(self, parameters: Tensor) -> Tensor:
        return self.rules.cost(self._rounded(parameters), self.norm, self.category)

    def steepest(self, gradient: Tensor, parameters: Tensor) -> Tensor:
        """The unit vector of the norm, where a categorical column is one coordinate.

        Its slope is what its best category gains over its shares, by the cost of that; 0 where the
        radius has no room for another one beside those that are changed already.
        """
        rules = self.rules
        numbers, slopes = parameters[:, rules.numeric], gradient[:, rules.numeric]
        _, chosen = self._categories(parameters)
        left = self._left(chosen)[:, None] * (1 + 1e-6)
        free = torch.where(slopes > 0, numbers < rules.high, numbers > rules.low)
        free &= rules.step <= left
        weights, gains = rules.weights(parameters), gradient[:, rules.groups]
        best = gains.masked_fill(~rules.allowed, -torch.inf).max(2)
        rise = (best.values - (weights * gains).sum(2)).clamp(min=0) / self.category
        room = chosen | (left >= self.category)
        unit = self.norm.steepest(torch.cat([slopes * free, rise * room], 1))
        count = numbers.shape[1]
        towards = rules.holding(best.indices) - weights
        way = replace(rules, rows=torch.zeros_like(parameters))
        return way.joined(unit[:, :count], unit[:, count:, None] / self.category * towards)

    def take(self, index: Tensor) -> Self:
        return replace(self, rules=self.rules.take(index), radius=self.radius[index])

    def _change(self, parameters: Tensor) -> Tensor:
        """Return the change of numeric entries, in their bounds, `(B, n)`."""
        rules = self.rules
        numbers = parameters[:, rules.numeric].maximum(rules.low).minimum(rules.high)
        return numbers - rules.rows[:, rules.numeric]

    def _rounded(self, parameters: Tensor) -> Tensor:
        """Return rows `(B, F)` of one category a column, whose change has at most the radius."""
        rules = self.rules
        best, chosen = self._categories(parameters)
        change = self._change(parameters)
        if change.shape[1]:
            change = rules.stepped(self.norm.project(change, self._left(chosen)))
        numbers = rules.rows[:, rules.numeric] + change
        return rules.joined(numbers, rules.holding(torch.where(chosen, best, rules.held)))

    def _categories(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """Return the category of the largest share, and where it is taken, `(B, g)` each.

        These are the columns whose largest share leads that of the category held most, as many as
        the radius has room for.
        """
        weights = self.rules.weights(parameters)
        share, best = weights.max(2)
        lead = share - weights.gather(2, self.rules.held[:, :, None])[:, :, 0]
        other = best != self.rules.held
        order = lead.masked_fill(~other, -torch.inf).argsort(dim=1, descending=True, stable=True)
        count = order.argsort(1) + 1
        costs = (
            self.category
            * {
                norms.L1: count,
                norms.L2: count.sqrt(),
                norms.LINF: torch.ones_like(count),
            }[self.norm]
        )
        return best, other & (costs <= self.radius[:, None] * (1 + 1e-6))

    def _left(self, chosen: Tensor) -> Tensor:
        """Return what other categories `(B, g)` leave of the radius to numbers, `(B,)`."""
        count = chosen.sum(1)
        if self.norm is norms.L1:
            return (self.radius - self.category * count).clamp(min=0)
        if self.norm is norms.LINF:
            return self.radius
        return (self.radius.square() - self.category**2 * count).clamp(min=0).sqrt()
