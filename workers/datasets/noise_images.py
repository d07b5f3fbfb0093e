"""Images of noise in place of those of a data set."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, get_args

from torch import Tensor

from advcore.low_pass_noise import NoiseSource, noise_images
from advcore.randomness import Randomness
from advcore.workers.datasets.altered import settled
from advcore.workers.datasets.dataset import Dataset
from advcore.workers.datasets.mapped import Mapped
from advcore.workers.datasets.sizes import is_picture
from advcore.workers.errors import InputError


@dataclass(frozen=True)
class NoiseMap:
    """Images of noise in place of images, see `advcore.low_pass_noise`.

    Attributes:
        source: pixels of the noise.
        filtered: whether a low-pass comes behind.
        seed: seed of the noise, which is drawn by (seed, root index).
    """

    source: NoiseSource
    filtered: bool
    seed: int

    one_by_one: ClassVar[bool] = True  # products of matrices round by their size

    @property
    def meaning(self) -> str:
        return f"noise alone {self.source} {self.filtered} {self.seed}"

    def stays_in_box(self, inside: bool) -> bool:
        return inside or self.filtered or self.source == "uniform"

    def __call__(self, images: Tensor, indices: Tensor, inside: bool) -> Tensor:
        return noise_images(images, Randomness(self.seed, indices), self.source, self.filtered)


@dataclass(frozen=True)
class NoiseImages:
    """Images of noise in place of those of a data set, float32, made when they are used.

    They show nothing: what a network should not be sure of. Labels stay, and say nothing. See
    `advcore.low_pass_noise.noise_images`; with `source: mixed` and the filter it is the noise of
    ACET and CEDA (Hein et al. 2019).

    Attributes:
        of: name of the data set.
        source: pixels of the noise: `uniform` in (0, 1), `permuted`, those of the image in another
            order, or `mixed`, one of both.
        filtered: send it through a Gaussian low-pass, and stretch it to [0, 1].
        seed: seed of the noise, which is drawn by (seed, root index).
    """

    of: str
    source: NoiseSource = "mixed"
    filtered: bool = True
    seed: int = 0

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.of,)

    def apply(self, datasets: Mapping[str, Dataset]) -> Dataset:
        whole = datasets[self.of]
        if self.source not in get_args(NoiseSource):
            raise InputError(
                f"source must be one of {', '.join(get_args(NoiseSource))}; got {self.source!r}"
            )
        if not is_picture(whole.shape):
            raise InputError(f"noise images need pictures (C, H, W); got inputs {whole.shape}")
        noise = NoiseMap(self.source, self.filtered, self.seed)
        return replace(whole, images=Mapped(settled(whole), whole.indices, noise), transform=None)
