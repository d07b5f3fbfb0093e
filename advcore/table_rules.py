"""The rules of a table around given rows: what each may become, and what a change costs."""

from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

import torch
from torch import Tensor
from torch.nn import functional as F

from advcore.norms import Norm
from advcore.table_schema import TableSchema

CLOSE = 1e-4
"""Largest difference of an entry without a step that is no change, in standard deviations."""

ROUNDING = 5e-6
"""Largest error of an entry by float32, as large as values of some 40 have it."""


@runtime_checkable
class OfTable(Protocol):
    """A threat model or probe of the rows of one table."""

    @property
    def schema(self) -> TableSchema:
        """The columns of the table."""
        ...


@dataclass(frozen=True, eq=False)
class TableRules:
    """The rows `(B, F)` that may be reached from each of some rows.

    Numeric entries stay in the range of the training rows, or at a value outside of it that they
    have already, and move as the direction of their column says; so do categories. Whole numbers
    change by whole numbers.

    - `rows` `(B, F)`: as they are.
    - `numeric` `(n,)`: places of the numeric entries, whose bounds are `low` and `high` `(B, n)`.
    - `step` `(n,)`: smallest change of each, 0 where there is none.
    - `groups` `(g, w)`: places of the entries of g categorical columns, where w is the largest
      number of categories; the first place in those that a column lacks.
    - `held` `(B, g)`: category of each.
    - `allowed` `(B, g, w)`: true for categories that may be taken.
    """

    rows: Tensor
    numeric: Tensor
    low: Tensor
    high: Tensor
    step: Tensor
    groups: Tensor
    held: Tensor
    allowed: Tensor

    @classmethod
    def around(cls, schema: TableSchema, rows: Tensor) -> Self:
        """Return the rules around rows; ValueError for rows that are none of such a table."""
        if rows.dim() != 2 or rows.shape[1] != schema.features:
            raise ValueError(
                f"a table {schema.name} has rows (B, {schema.features}), a number an entry; got "
                f"{tuple(rows.shape)}: encode it (an entry for each category, numbers in standard "
                "deviations), or give its own schema"
            )
        numeric, low, high, step = _numeric_bounds(schema, rows)
        groups, there, rises, falls = _groups(schema, rows.device)
        entries = rows[:, groups].masked_fill(~there, 0)
        held = entries.argmax(2)
        place = torch.arange(groups.shape[1], device=rows.device)
        if not torch.equal(entries, (place == held[:, :, None]).to(entries)):
            check_rows(schema, rows, torch.arange(len(rows)))
        later, sooner = place > held[:, :, None], place < held[:, :, None]
        allowed = there & (~later | rises[:, None]) & (~sooner | falls[:, None])
        return cls(rows, numeric, low, high, step, groups, held, allowed)

    def take(self, index: Tensor) -> Self:
        """Return the rules of the rows `index`."""
        return type(self)(
            self.rows[index],
            self.numeric,
            self.low[index],
            self.high[index],
            self.step,
            self.groups,
            self.held[index],
            self.allowed[index],
        )

    def weights(self, rows: Tensor) -> Tensor:
        """Return the share of each category that is allowed, `(B, g, w)`, summing to 1.

        What others hold is left out; a group of which nothing is left holds what it did.
        """
        own = (rows[:, self.groups] * self.allowed).clamp(min=0)
        total = own.sum(2, keepdim=True)
        return torch.where(total > 0, own / total.clamp(min=1e-12), self.holding(self.held))

    def holding(self, categories: Tensor) -> Tensor:
        """Return categories `(B, g)` as entries `(B, g, w)`."""
        return F.one_hot(categories, self.groups.shape[1]).to(self.rows)

    def joined(self, numbers: Tensor, categories: Tensor) -> Tensor:
        """Return rows `(B, F)` of numeric entries `(B, n)` and categories' entries `(B, g, w)`."""
        rows = self.rows.clone()
        rows[:, self.numeric] = numbers
        real = self._real
        rows[:, self.groups[real]] = categories[:, real]
        return rows

    def stepped(self, change: Tensor) -> Tensor:
        """Return changes of numeric entries `(B, n)`, of whole numbers the next smaller whole one.

        No entry leaves its bounds, or a ball, by that.
        """
        count = ((change.abs() + ROUNDING) / self._unit).floor()
        return torch.where(self.step > 0, change.sign() * count * self.step, change)

    def projected(self, rows: Tensor) -> Tensor:
        """Return the nearest rows, in l2, that may be reached, of any rows `(B, F)`.

        A category is the allowed one of the largest entry. Whole numbers are not the nearest ones,
        but those beyond, as far as is allowed, so that nothing is lost of a change.
        """
        here = self.rows[:, self.numeric]
        change = rows[:, self.numeric].maximum(self.low).minimum(self.high) - here
        count = ((change.abs() - ROUNDING) / self._unit).ceil().clamp(min=0)
        beyond = here + change.sign() * count * self.step
        bounded = beyond.maximum(self.low).minimum(self.high) - here
        numbers = here + torch.where(self.step > 0, self.stepped(bounded), change)
        return self.joined(numbers, self.holding(self.weights(rows).argmax(2)))

    def violations(self, rows: Tensor) -> Tensor:
        """Return how many columns of rows `(B, F)` break a rule, `(B,)`."""
        numbers, entries = rows[:, self.numeric], rows[:, self.groups] * self._real
        close = close_to(self.step)
        outside = (numbers < self.low - close) | (numbers > self.high + close)
        steps = (numbers - self.rows[:, self.numeric]) / self._unit
        between = (self.step > 0) & ((steps - steps.round()).abs() * self.step > ROUNDING)
        category = entries.argmax(2)
        exact = ((entries - self.holding(category)).abs() <= CLOSE).all(2)
        fits = self.allowed.gather(2, category[:, :, None])[:, :, 0]
        return (outside | between).sum(1) + (~(exact & fits)).sum(1) + (~rows.isfinite()).any(1)

    def changed(self, rows: Tensor) -> Tensor:
        """Return how many columns of rows `(B, F)` are other than they were, `(B,)`."""
        change = (rows - self.rows).abs()
        numbers = change[:, self.numeric] > close_to(self.step)
        categories = (change[:, self.groups] > CLOSE) & self._real
        return numbers.sum(1) + categories.any(2).sum(1)

    def cost(self, rows: Tensor, norm: Norm, category: float) -> Tensor:
        """Return the size of the change to rows `(B, F)`, `(B,)`.

        It is the norm of the changes of the numeric entries, in standard deviations, and of
        `category` for each categorical column that has another value. Of a row that breaks the
        rules a column costs that share of it that is moved: half of the changes of its entries.
        """
        change = rows - self.rows
        moved = (change[:, self.groups].abs() * self._real).sum(2) / 2
        return norm.size(torch.cat([change[:, self.numeric], category * moved], 1))

    @property
    def _unit(self) -> Tensor:
        """The step of each numeric entry, 1 where it has none, `(n,)`."""
        return torch.where(self.step > 0, self.step, 1)

    @property
    def _real(self) -> Tensor:
        """True for the entries that a categorical column has, `(g, w)`."""
        place = torch.arange(self.groups.shape[1], device=self.groups.device)
        return (self.groups != self.groups[:, :1]) | (place == 0)


def close_to(step: Tensor) -> Tensor:
    """Return the largest differences that are no change, of entries that change by such steps.

    Steps are 0 for entries without one, and differences at most half a step, of the steps' shape.
    They are never below float32's rounding.
    """
    return torch.where(step > 0, (step / 2).clamp(ROUNDING, CLOSE), CLOSE)


def check_rows(schema: TableSchema, rows: Tensor, indices: Tensor) -> None:
    """Raise ValueError where rows `(B, F)` of a table have no category, or several.

    The first such row is called by its index of `indices` `(B,)`.
    """
    for column, place in schema.places():
        own = rows[:, place]
        wrong = (own != F.one_hot(own.argmax(1), column.width)).any(1)
        if column.categories and wrong.any():
            raise ValueError(
                "rows of a table need one 1 and else 0 in the entries of each categorical column; "
                f"sample {int(indices[int(wrong.nonzero()[0])])} has others in {column.name}: "
                "encode it so, or leave it out"
            )


def _numeric_bounds(schema: TableSchema, rows: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the places of numeric entries `(n,)`, their bounds `(B, n)` and steps `(n,)`."""
    own = [(column, place.start) for column, place in schema.places() if not column.categories]
    places = torch.tensor([start for _, start in own], dtype=torch.int64, device=rows.device)
    here = rows[:, places]
    low, high = (
        here.new_tensor([column.bounds[end] for column, _ in own]).expand_as(here) for end in (0, 1)
    )
    rises = torch.tensor([column.rises for column, _ in own], dtype=torch.bool, device=rows.device)
    falls = torch.tensor([column.falls for column, _ in own], dtype=torch.bool, device=rows.device)
    return (
        places,
        torch.where(falls, low.minimum(here), here),
        torch.where(rises, high.maximum(here), here),
        here.new_tensor([column.step for column, _ in own]),
    )


def _groups(schema: TableSchema, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the places of categorical entries `(g, w)`, which are there, and ways `(g,)`."""
    own = [(column, place) for column, place in schema.places() if column.categories]
    width = max((column.width for column, _ in own), default=1)
    entry = torch.arange(width)
    starts = torch.tensor([place.start for _, place in own], dtype=torch.int64)[:, None]
    there = entry < torch.tensor([column.width for column, _ in own], dtype=torch.int64)[:, None]
    rises = torch.tensor([column.rises for column, _ in own], dtype=torch.bool, device=device)
    falls = torch.tensor([column.falls for column, _ in own], dtype=torch.bool, device=device)
    groups = torch.where(there, starts + entry, starts)
    return groups.to(device), there.to(device), rises, falls
