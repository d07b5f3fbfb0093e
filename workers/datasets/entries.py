"""Data sets with entries of their inputs exchanged or hidden, or with a column as labels."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from advcore.one_hot import check_entries, check_entries_of
from advcore.workers.datasets.altered import settled
from advcore.workers.datasets.dataset import Dataset
from advcore.workers.datasets.mapped import Mapped
from advcore.workers.errors import InputError, refused


@dataclass(frozen=True)
class Swapped:
    """The same samples with entries of their inputs exchanged: the other sex, all else equal.

    A one-hot column of two categories is one pair.

    Attributes:
        of: name of the data set.
        pairs: pairs of numbers of entries that are exchanged, as an input's numbers lie in memory.
    """

    of: str
    pairs: tuple[tuple[int, int], ...]

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.of,)

    def apply(self, datasets: Mapping[str, Dataset]) -> Dataset:
        whole = datasets[self.of]
        entries = [entry for pair in self.pairs for entry in pair]
        with refused("swapped"):
            check_entries(entries, name="pairs")
            check_entries_of(entries, whole.shape, "pairs")
        images = Mapped(settled(whole), whole.indices, Exchange(self.pairs))
        return replace(whole, images=images, transform=None)


@dataclass(frozen=True)
class Hidden:
    """The same samples with entries of their inputs at one value: what networks must do without.

    0 is the mean of a standardised number, and no category of a one-hot column.

    Attributes:
        of: name of the data set.
        entries: numbers of the entries, as an input's numbers lie in memory.
        values: value of each of them; 0 for all when not given. In the box they lie in [0, 1].
    """

    of: str
    entries: tuple[int, ...]
    values: tuple[float, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.of,)

    def apply(self, datasets: Mapping[str, Dataset]) -> Dataset:
        whole = datasets[self.of]
        with refused("hidden"):
            check_entries(self.entries, 1)
            check_entries_of(self.entries, whole.shape)
        values = self.values or (0.0,) * len(self.entries)
        if len(values) != len(self.entries):
            raise InputError(
                f"hidden: values must be one for each of {len(self.entries)} entries; got "
                f"{len(values)}"
            )
        images = Mapped(settled(whole), whole.indices, Hide(self.entries, values))
        return replace(whole, images=images, transform=None)


@dataclass(frozen=True)
class LabelledBy:
    """The same samples with a further column as labels, a protected attribute say.

    The classes are the values that are there, words in the order of the alphabet, numbers in
    theirs. Other columns stay.

    Attributes:
        of: name of the data set.
        column: name of a further column of the data set (its `columns`).
    """

    of: str
    column: str

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.of,)

    def apply(self, datasets: Mapping[str, Dataset]) -> Dataset:
        whole = datasets[self.of]
        if self.column not in whole.columns:
            raise InputError(
                f"{self.of} has no column {self.column!r}; it has "
                f"{', '.join(whole.columns) or 'none'}: name it in its columns"
            )
        column = whole.columns[self.column]
        blank = column == "" if column.dtype.kind == "U" else np.isnan(column)
        unknown = int(blank.sum())
        if unknown:
            raise InputError(
                f"the column {self.column!r} of {self.of} is unknown of {unknown} samples: labels "
                "must be known"
            )
        values, labels = np.unique(column, return_inverse=True)
        names = tuple(map(str, values.tolist()))
        return replace(whole, labels=labels.astype(np.int64), names=names)


@dataclass(frozen=True)
class Exchange:
    """Inputs with pairs of entries exchanged.

    Attributes:
        pairs: pairs of numbers of entries.
    """

    pairs: tuple[tuple[int, int], ...]

    one_by_one: ClassVar[bool] = False

    @property
    def meaning(self) -> str:
        return f"exchange {self.pairs}"

    def stays_in_box(self, inside: bool) -> bool:
        return inside

    def __call__(self, images: Tensor, indices: Tensor, inside: bool) -> Tensor:
        made = images.flatten(1).clone()
        ones, others = (list(entries) for entries in zip(*self.pairs, strict=True))
        made[:, ones + others] = made[:, others + ones]
        return made.view_as(images)


@dataclass(frozen=True)
class Hide:
    """Inputs with entries at fixed values.

    Attributes:
        entries: numbers of the entries.
        values: value of each of them.
    """

    entries: tuple[int, ...]
    values: tuple[float, ...]

    one_by_one: ClassVar[bool] = False

    @property
    def meaning(self) -> str:
        return f"hide {self.entries} {self.values}"

    def stays_in_box(self, inside: bool) -> bool:
        return inside and all(0 <= value <= 1 for value in self.values)

    def __call__(self, images: Tensor, indices: Tensor, inside: bool) -> Tensor:
        made = images.flatten(1).clone()
        made[:, list(self.entries)] = torch.tensor(self.values, dtype=made.dtype)
        return made.view_as(images)
