"""The samples of several data sets as one."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from advcore.transforms import Transform
from advcore.workers.datasets.altered import settled
from advcore.workers.datasets.columns import joined_columns
from advcore.workers.datasets.dataset import Dataset
from advcore.workers.datasets.deferred import Images
from advcore.workers.datasets.mapped import Joined, Mapped, Through
from advcore.workers.errors import InputError


@dataclass(frozen=True)
class Union:
    """The samples of several data sets, one after the other.

    They must agree in the shape of their images and in the names of their classes. Where one has
    8-bit images and another has not, or they have other transforms, all become float32 as they are
    used.

    Samples keep their root indices unless one index would stand twice, as where images lie beside
    what was made of them. Then those of the data set number k are moved by k times the smallest
    power of ten above all indices: the last digits tell the root.

    Attributes:
        of: names of the data sets; one that stands there several times counts as often.
    """

    of: tuple[str, ...]

    @property
    def sources(self) -> tuple[str, ...]:
        return self.of

    def apply(self, datasets: Mapping[str, Dataset]) -> Dataset:
        parts = [datasets[name] for name in self.of]
        if len(parts) < 2:
            raise InputError(f"a union needs at least 2 data sets; got {len(parts)}")
        for name, part in zip(self.of, parts, strict=True):
            if (part.shape, part.names, part.schema) != (
                parts[0].shape,
                parts[0].names,
                parts[0].schema,
            ):
                raise InputError(
                    "a union needs data sets of one shape, the same classes and the same columns "
                    "in their inputs; got "
                    f"{self.of[0]} {parts[0].shape} {', '.join(parts[0].names)}; {name} "
                    f"{part.shape} {', '.join(part.names)}"
                )
        images, transform = _alike(parts)
        return Dataset(
            _joined(images),
            np.concatenate([part.labels for part in parts]),
            _indices(self.of, parts),
            parts[0].names,
            transform,
            joined_columns([(part.columns, len(part)) for part in parts]),
            parts[0].schema,
        )


def _alike(parts: list[Dataset]) -> tuple[list[Images], Transform | None]:
    """Return images of one type, and the transform that all of them have yet to go through."""
    first = parts[0]
    if all(part.transform == first.transform for part in parts):
        images, transform = [part.images for part in parts], first.transform
    else:
        images, transform = [settled(part) for part in parts], None
    if all(one.dtype == images[0].dtype for one in images):
        return images, transform
    return [
        one if one.dtype == np.float32 else Mapped(one, part.indices, Through())
        for one, part in zip(images, parts, strict=True)
    ], transform


def _joined(images: list[Images]) -> Images:
    arrays = [one for one in images if isinstance(one, np.ndarray)]
    if len(arrays) == len(images):
        return np.concatenate(arrays)
    return Joined(tuple(images), np.repeat(np.arange(len(images)), [len(one) for one in images]))


def _indices(names: tuple[str, ...], parts: list[Dataset]) -> np.ndarray:
    """Return the root indices of all, moved apart where one would stand twice."""
    together = np.concatenate([part.indices for part in parts])
    if len(np.unique(together)) == len(together):
        return together
    for name, part in zip(names, parts, strict=True):
        if len(np.unique(part.indices)) < len(part):
            raise InputError(f"{name} has an index twice: a union needs one index per sample")
    room = 10 ** len(str(together.max()))
    return np.concatenate([part.indices + number * room for number, part in enumerate(parts)])
