"""Categorical columns of a table as its inputs hold them: a group of entries, one a category."""

import math
from collections.abc import Sequence

from torch import Tensor


def check_entries(entries: Sequence[int], least: int = 2, name: str = "entries") -> None:
    """Raise ValueError unless there are so many entries, not negative, each once."""
    if len(entries) < least or len(set(entries)) < len(entries) or min(entries) < 0:
        raise ValueError(
            f"{name} must be at least {least} different numbers of entries of an input, from 0; "
            f"got {list(entries)}"
        )


def check_entries_of(entries: Sequence[int], shape: tuple[int, ...], name: str = "entries") -> None:
    """Raise ValueError where inputs of a shape have no such entries."""
    if max(entries) >= math.prod(shape):
        raise ValueError(
            f"{name} are numbers of entries of an input, below {math.prod(shape)} for inputs "
            f"{tuple(shape)}; got {list(entries)}"
        )


def category_of(inputs: Tensor, entries: Sequence[int]) -> Tensor:
    """Return the category `(B,)` of a one-hot column of inputs `(B, F)`: its largest entry.

    Entries of other inputs `(B, *shape)` are numbered as they lie in memory. Raises ValueError for
    a sample that has no category, none of its entries being above 0.
    """
    values, categories = inputs.flatten(1)[:, list(entries)].max(1)
    lost = int((~(values > 0)).sum())
    if lost:
        raise ValueError(
            f"{lost} of {len(inputs)} samples have no category in entries {list(entries)}: none "
            "of them is above 0"
        )
    return categories
