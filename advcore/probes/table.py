"""The rows that probes give and read, as named columns."""

from collections.abc import Mapping
from typing import NoReturn

import torch
from torch import Tensor

Columns = Mapping[str, Tensor | list[str]]
"""Named columns of equal length: tensors `(rows, *shape)` or lists of words. `sample` (the data
set's index) is always there."""


class Table(dict[str, Tensor | list[str]]):
    """`Columns` whose kind is told by how they are read: `numbers` or `words`.

    It is a dict, so that what takes or gives plain columns goes on with it; whoever runs a probe
    makes a `Table` of what a store gives back.
    """

    def __missing__(self, column: str) -> NoReturn:
        """Raise KeyError with the columns that there are."""
        raise KeyError(
            f"expected a column {column}; these rows have {', '.join(self)}: where an earlier "
            "version measured them, measure them again, into another folder or store"
        )

    def numbers(self, column: str) -> Tensor:
        """Return a column of numbers, `(rows, *shape)`.

        Raises KeyError where there is none of that name, TypeError where it holds words.
        """
        values = self[column]
        if not isinstance(values, Tensor):
            raise TypeError(f"the column {column} holds words, not numbers: read it by `words`")
        return values

    def words(self, column: str) -> list[str]:
        """Return a column of words, one a row.

        Raises KeyError where there is none of that name, TypeError where it holds numbers.
        """
        values = self[column]
        if isinstance(values, Tensor):
            raise TypeError(f"the column {column} holds numbers, not words: read it by `numbers`")
        return values

    def rows_with(self, column: str, word: str) -> Tensor:
        """Return which rows have `word` in a column of words, `(rows,)` bool."""
        return torch.tensor([own == word for own in self.words(column)], dtype=torch.bool)

    def take(self, rows: Tensor) -> "Table":
        """Return some rows of all columns.

        `rows` `(rows,)` is bool, true for them, or holds their numbers, in their order.
        """
        places = rows.nonzero()[:, 0] if rows.dtype == torch.bool else rows
        return Table(
            {
                name: column[places]
                if isinstance(column, Tensor)
                else [column[place] for place in places.tolist()]
                for name, column in self.items()
            }
        )
