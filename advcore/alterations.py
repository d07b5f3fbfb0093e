"""Alterations: images made of others by chance, not by a search; the same ones for each sample."""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from advcore.corruptions import Constants, corrupt, corruption_named
from advcore.noise_of_size import NoiseNorm, add_noise, check_noise
from advcore.randomness import Randomness


class Alteration(Protocol):
    """A frozen dataclass of settings that makes one image of another, and looks at no network.

    What is random comes from its own seed and the sample's index, so that the data set of the same
    settings holds the same images.
    """

    def check(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError for inputs of a shape that it cannot alter."""

    def __call__(self, images: Tensor, indices: Tensor) -> Tensor:
        """Return altered images of `images` `(B, *shape)` in [0, 1], in the box themselves.

        `indices` `(B,)` are those of the samples in their data set.
        """


@dataclass(frozen=True)
class RandomNoise:
    """Noise of a given size, as in the data set `noised`; see `advcore.noise_of_size.add_noise`.

    Attributes:
        size: size of the noise in its norm, in pixel units.
        norm: norm of the noise. In linf each pixel moves by `size`, up or down.
        seed: seed of the noise, which is drawn by (seed, index).
    """

    size: float
    norm: NoiseNorm = "l2"
    seed: int = 0

    def __post_init__(self) -> None:
        check_noise(self.norm, self.size)

    def check(self, shape: tuple[int, ...]) -> None:
        """Accept inputs of any shape."""

    def __call__(self, images: Tensor, indices: Tensor) -> Tensor:
        """Return the noisy images."""
        return add_noise(images, self.norm, self.size, Randomness(self.seed, indices), box=True)


@dataclass(frozen=True)
class CommonCorruption:
    """A common corruption, as in the data set `corrupted`; see `advcore.corruptions`.

    Attributes:
        corruption: name of the corruption, as there.
        severity: severity, 1 to 5.
        constants: table of constants, as there.
        seed: seed of what is random, which is drawn by (seed, index, corruption, severity).
    """

    corruption: str
    severity: int
    constants: Constants = "auto"
    seed: int = 0

    def check(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError for inputs or settings that do not fit."""
        corruption = corruption_named(self.corruption)
        corruption.check(shape, self.severity, self.constants, self.corruption)

    def __call__(self, images: Tensor, indices: Tensor) -> Tensor:
        """Return the corrupted images."""
        drawn = Randomness(self.seed, indices)
        return corrupt(images, self.corruption, self.severity, drawn, self.constants)


ALTERATIONS: dict[str, type] = {"noised": RandomNoise, "corrupted": CommonCorruption}
"""The alterations that a study can name by `kind`: that of the data set that holds the same."""
