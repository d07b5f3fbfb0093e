"""Data sets of samples of another one: a subset, one of many halves, all as one class."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from advcore.counts import counted
from advcore.workers.datasets.dataset import Dataset
from advcore.workers.errors import InputError


@dataclass(frozen=True)
class Subset:
    """Some samples of a data set, drawn uniformly without replacement, in ascending order.

    They are a piece of `RandomState(seed).permutation`: at one seed a smaller subset lies in a
    larger one, and one that skips the first `n` has none of the `n` first.

    Attributes:
        of: name of the data set.
        samples: number of samples; none means all that are left.
        skip: number of drawn samples that are left out first.
        seed: seed of the draw.
        classes: numbers of the classes of which samples are drawn, none means all. Labels and
            names stay as they are.
    """

    of: str
    samples: int | None = None
    skip: int = 0
    seed: int = 0
    classes: tuple[int, ...] | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.of,)

    def apply(self, datasets: Mapping[str, Dataset]) -> Dataset:
        whole = datasets[self.of]
        rows = np.arange(len(whole))
        if self.classes is not None:
            _check_classes(self.classes, whole)
            rows = rows[np.isin(whole.labels, self.classes)]
        there = len(rows) - self.skip
        samples = there if self.samples is None else self.samples
        if self.skip < 0 or not 0 < samples <= there:
            raise InputError(
                f"a subset of {self.of} must have between 1 and "
                f"{counted(max(there, 0), 'sample')}, of {len(rows)} there without the "
                f"skipped ones (skip: {self.skip}); got samples: {samples}"
            )
        if not 0 <= self.seed < 2**32:
            raise InputError(f"the seed of a subset must lie in 0..2^32-1; got {self.seed}")
        order = np.random.RandomState(self.seed).permutation(len(rows))
        return whole.chosen(rows[np.sort(order[self.skip : self.skip + samples])])


@dataclass(frozen=True)
class Half:
    """One of `out_of` halves, of which each sample lies in exactly half.

    Each sample draws its halves by (seed, root index), so they differ a little in size. (Carlini et
    al. 2022, Membership inference attacks from first principles.)

    Attributes:
        of: name of the data set.
        out_of: number of halves, even.
        number: number of this half, from 0 to `out_of` - 1.
        seed: seed of the draw.
    """

    of: str
    out_of: int
    number: int
    seed: int = 0

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.of,)

    def apply(self, datasets: Mapping[str, Dataset]) -> Dataset:
        whole = datasets[self.of]
        if self.out_of < 2 or self.out_of % 2 or not 0 <= self.number < self.out_of:
            raise InputError(
                "a half needs an even out_of, 2 or more, and a number from 0 to out_of - 1; got "
                f"out_of: {self.out_of}, number: {self.number}"
            )
        drawn = whole.randomness(self.seed).stream("half").uniform((self.out_of,))
        places = drawn.argsort(stable=True, dim=1).argsort(1)
        rows = np.flatnonzero(places[:, self.number].numpy() < self.out_of // 2)
        if not len(rows):
            raise InputError(
                f"half {self.number} of {self.of} has no sample: take a larger data set"
            )
        return whole.chosen(rows)


@dataclass(frozen=True)
class OneClass:
    """The samples of a data set as one of two classes: 0, `inside`, or 1, `outside`.

    What is learnt of the inside alone is a detector, see the training term `drocc`.

    Attributes:
        of: name of the data set.
        label: class of all its samples.
    """

    of: str
    label: Literal["inside", "outside"] = "inside"

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.of,)

    def apply(self, datasets: Mapping[str, Dataset]) -> Dataset:
        whole, names = datasets[self.of], ("inside", "outside")
        return replace(
            whole, labels=np.full_like(whole.labels, names.index(self.label)), names=names
        )


def _check_classes(classes: tuple[int, ...], whole: Dataset) -> None:
    unknown = [number for number in classes if not 0 <= number < whole.classes]
    if unknown or not classes:
        raise InputError(
            f"classes must be numbers in 0..{whole.classes - 1} ({', '.join(whole.names)}), at "
            f"least one; got {list(classes)}"
        )
