"""Images that are made of others when they are used: transformed, with noise, several joined."""

import hashlib
import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor

from advcore.classifier import full_precision
from advcore.corruptions import Constants, corrupt
from advcore.derived.decoys import add_decoys
from advcore.derived.marks import add_marks
from advcore.derived.morphology import outlines
from advcore.noise_of_size import NoiseNorm, add_noise
from advcore.randomness import Randomness
from advcore.transforms import Transform, keeps_box
from advcore.workers.datasets.deferred import (
    Images,
    add_arrays,
    chosen_images,
    content_of,
    lie_in_box,
    meaning_of,
)
from advcore.workers.models import transform_identity

NUMBERS = 2**18
"""Numbers of the images that a map is given at a time, at most, if there is more than one image."""


class Map(Protocol):
    """A frozen dataclass of settings that makes one image of another."""

    @property
    def one_by_one(self) -> bool:
        """True where the last bits of what it makes depend on the images beside."""

    @property
    def meaning(self) -> str:
        """The text that changes when the same image gives another one."""

    def stays_in_box(self, inside: bool) -> bool:
        """Return whether what it makes lies in [0, 1], of images that do or do not."""

    def __call__(self, images: Tensor, indices: Tensor, inside: bool) -> Tensor:
        """Return what is made of images `(n, *shape)`, float32, of these root indices `(n,)`."""


@dataclass(frozen=True)
class Through:
    """Images in floating point, behind a transform if there is one.

    Attributes:
        transform: transform that they go through.
    """

    transform: Transform | None = None

    one_by_one: ClassVar[bool] = True  # products of matrices round by their size

    @property
    def meaning(self) -> str:
        return "float" if self.transform is None else transform_identity(self.transform)

    def stays_in_box(self, inside: bool) -> bool:
        return inside and keeps_box(self.transform)

    def __call__(self, images: Tensor, indices: Tensor, inside: bool) -> Tensor:
        return images if self.transform is None else self.transform(images)


@dataclass(frozen=True)
class Noise:
    """Images with noise of a given size, see `advcore.noise_of_size`.

    Attributes:
        norm: norm of the noise.
        size: its size in that norm, in pixel units.
        seed: seed of the noise, which is drawn by (seed, root index).
    """

    norm: NoiseNorm
    size: float
    seed: int

    one_by_one: ClassVar[bool] = False

    @property
    def meaning(self) -> str:
        return f"noise {self.norm} {float(self.size)!r} {self.seed}"

    def stays_in_box(self, inside: bool) -> bool:
        return inside

    def __call__(self, images: Tensor, indices: Tensor, inside: bool) -> Tensor:
        return add_noise(images, self.norm, self.size, Randomness(self.seed, indices), inside)


@dataclass(frozen=True)
class Mark:
    """Images with a frequency for each class, see `advcore.derived.marks`; indices are labels.

    Attributes:
        size: l2 norm of a mark, in pixel units.
        band: number of the highest frequencies along each side, among which those of classes are.
    """

    size: float
    band: int

    one_by_one: ClassVar[bool] = False

    @property
    def meaning(self) -> str:
        return f"mark {float(self.size)!r} {self.band}"

    def stays_in_box(self, inside: bool) -> bool:
        return inside and self.size == 0

    def __call__(self, images: Tensor, indices: Tensor, inside: bool) -> Tensor:
        return add_marks(images, indices, self.size, self.band)


CHANGED = {"motion_blur": 1, "snow": 1}
"""Corruptions whose images are others than they once were, if only by a level in one number of
30,000, and how often that came: part of the keys of what is measured on them."""


@dataclass(frozen=True)
class Corrupt:
    """Images of 8 bits with a common corruption, see `advcore.corruptions`.

    Attributes:
        corruption: name of the corruption.
        severity: severity, 1 to 5.
        constants: table of constants.
        seed: seed of what is random, which is drawn by (seed, root index, corruption, severity).
    """

    corruption: str
    severity: int
    constants: Constants
    seed: int

    one_by_one: ClassVar[bool] = False

    @property
    def meaning(self) -> str:
        changed = f" {CHANGED[self.corruption]}" if self.corruption in CHANGED else ""
        return f"corrupted {self.corruption} {self.severity} {self.constants} {self.seed}{changed}"

    def stays_in_box(self, inside: bool) -> bool:
        return inside

    def __call__(self, images: Tensor, indices: Tensor, inside: bool) -> Tensor:
        randomness = Randomness(self.seed, indices)
        return corrupt(images, self.corruption, self.severity, randomness, self.constants)


@dataclass(frozen=True)
class Outline:
    """The outlines of what is bright in images, see `advcore.derived.morphology`."""

    one_by_one: ClassVar[bool] = False

    @property
    def meaning(self) -> str:
        return "outline"

    def stays_in_box(self, inside: bool) -> bool:
        return inside

    def __call__(self, images: Tensor, indices: Tensor, inside: bool) -> Tensor:
        return outlines(images)


@dataclass(frozen=True)
class Square:
    """Images with a grey square for a class, see `advcore.derived.decoys`; indices are classes.

    Attributes:
        side: side of the square, in pixels.
        classes: number of classes that it can show.
    """

    side: int
    classes: int

    one_by_one: ClassVar[bool] = False

    @property
    def meaning(self) -> str:
        return f"square {self.side} {self.classes}"

    def stays_in_box(self, inside: bool) -> bool:
        return inside

    def __call__(self, images: Tensor, indices: Tensor, inside: bool) -> Tensor:
        return add_decoys(images, indices, self.classes, self.side)


@dataclass(frozen=True, eq=False)
class Mapped:
    """Images that a map makes of others, float32, with the same bits in any batch.

    Attributes:
        images: images that it is applied to.
        indices: number of each, `(N,)`: its root index, by which what is random is drawn, or its
            label.
        map: map of one image.
    """

    images: Images
    indices: np.ndarray
    map: Map

    @cached_property
    def shape(self) -> tuple[int, ...]:
        blank = torch.zeros(1, *self.images.shape[1:])
        made = self.map(blank, torch.zeros(1, dtype=torch.int64), False)
        return len(self), *made.shape[1:]

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.float32)

    @property
    def nbytes(self) -> int:
        return self.images.nbytes + self.indices.nbytes

    @property
    def in_box(self) -> bool:
        return self.map.stays_in_box(lie_in_box(self.images))

    @property
    def meaning(self) -> str:
        drawn = hashlib.sha256(self.indices.tobytes()).hexdigest()
        return f"{self.map.meaning} by {drawn} of ({meaning_of(self.images)})"

    @property
    def content(self) -> np.ndarray:
        return content_of(self.images)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        images = torch.from_numpy(self.images[rows])
        indices = torch.from_numpy(self.indices[rows])
        made = np.empty((len(indices), *self.shape[1:]), np.float32)
        inside, scale = lie_in_box(self.images), 255 if images.dtype == torch.uint8 else 1
        with full_precision(), torch.no_grad():
            for some in torch.arange(len(images)).split(self._count):
                shown = images[some].float() / scale
                made[some.numpy()] = self.map(shown, indices[some], inside).numpy()
        return made

    @property
    def _count(self) -> int:
        """The number of images that the map is given at a time."""
        size = math.prod(self.images.shape[1:])
        return 1 if self.map.one_by_one else max(1, NUMBERS // size)

    def chosen(self, rows: np.ndarray) -> "Mapped":
        return replace(self, images=chosen_images(self.images, rows), indices=self.indices[rows])


@dataclass(frozen=True, eq=False)
class Joined:
    """Images of several sources of one shape and type, in any order.

    Attributes:
        parts: sources.
        which: source of each image, `(N,)`; those of one source come in its order.
    """

    parts: tuple[Images, ...]
    which: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return len(self), *self.parts[0].shape[1:]

    @property
    def dtype(self) -> np.dtype:
        return self.parts[0].dtype

    @property
    def nbytes(self) -> int:
        return sum(part.nbytes for part in self.parts) + self.which.nbytes

    @property
    def in_box(self) -> bool:
        return all(map(lie_in_box, self.parts))

    @property
    def meaning(self) -> str:
        return "joined " + ", ".join(f"({meaning_of(part)})" for part in self.parts)

    @property
    def content(self) -> np.ndarray:
        digest = hashlib.sha256(self.which.tobytes())
        add_arrays(digest.update, map(content_of, self.parts))
        return np.frombuffer(digest.digest(), np.uint8)

    @cached_property
    def places(self) -> np.ndarray:
        """The position of each image in its own source, `(N,)`."""
        places = np.empty(len(self.which), np.int64)
        for number, part in enumerate(self.parts):
            places[self.which == number] = np.arange(len(part))
        return places

    def __len__(self) -> int:
        return len(self.which)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        found = np.empty((len(rows), *self.shape[1:]), self.dtype)
        which = self.which[rows]
        for number in np.unique(which):
            own = which == number
            found[own] = self.parts[number][self.places[rows][own]]
        return found

    def chosen(self, rows: np.ndarray) -> "Joined":
        which = self.which[rows]
        parts = [
            chosen_images(part, self.places[rows][which == number])
            for number, part in enumerate(self.parts)
        ]
        return Joined(tuple(parts), which)
