"""PRIME: mixed chains of three families of largest entropy (Modas et al. 2022).

The strength of an operation is drawn for each image; settings are its largest. The published code
draws it from the same distributions, once for all images of a batch.
"""

import math
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from advcore.norms import per_sample
from advcore.randomness import Randomness
from advcore.training.augmentation import check_augmented
from advcore.training.chains import check_chains, mixed_chains
from advcore.training.picture_operations import resampled


@dataclass(frozen=True)
class RandomFilter:
    """Each image filtered by `delta + s N(0, 1)`, the same for its channels, clipped to [0, 1].

    s is uniform in 0 to `sigma`, drawn for each image. The published code has delta beside the
    middle of the kernel; here it is in the middle. Beyond the border pixels count as 0.

    Attributes:
        size: side of the kernel in pixels, odd.
        sigma: largest standard deviation of an entry of the kernel.
    """

    size: int = 3
    sigma: float = 4.0

    def __post_init__(self) -> None:
        if self.size < 1 or self.size % 2 == 0:
            raise ValueError(f"size must be odd, in pixels, for a middle; got {self.size}")
        _check_scale("sigma", self.sigma)

    @property
    def box(self) -> bool:
        """True: pixels are kept in [0, 1]."""
        return True

    def __call__(self, images: Tensor, randomness: Randomness) -> Tensor:
        images = check_augmented(images, randomness, box=True)
        sigma = self.sigma * randomness.stream("sigma").uniform((1, 1))
        kernels = sigma * randomness.stream("filter").normal((self.size, self.size))
        kernels[:, self.size // 2, self.size // 2] += 1
        return filtered(images, kernels.to(images.dtype)).clamp(0, 1)


def filtered(images: Tensor, kernels: Tensor) -> Tensor:
    """The correlation of each image `(B, C, H, W)` with its kernel `(B, k, k)`, padded by 0."""
    height, width = images.shape[-2:]
    around = F.pad(images, [kernels.shape[1] // 2] * 4)
    result = torch.zeros_like(images)
    for down in range(kernels.shape[1]):
        for right in range(kernels.shape[2]):
            part = around[..., down : down + height, right : right + width]
            result.addcmul_(part, per_sample(kernels[:, down, right], images))
    return result


@dataclass(frozen=True)
class RandomColour:
    """Each channel's values sent through a random smooth curve, clipped to [0, 1].

    `x + sum_k a_k sin(pi k x)`, k from 1 to K, `a_k ~ N(0, T)`: 0 and 1 stay. For each image, K is
    uniform in 1 to `waves` and T in 0 to `temperature`, the same for its channels. The curve is
    computed at the 8-bit greys and at places between them, `TABLE` times as many as `waves` at
    least, and is linear between those.

    Attributes:
        waves: largest number of waves of the curve.
        temperature: largest variance of their amplitudes.
    """

    waves: int = 100
    temperature: float = 0.01

    def __post_init__(self) -> None:
        if self.waves < 1:
            raise ValueError(f"waves must be at least 1; got {self.waves}")
        _check_scale("temperature", self.temperature)

    @property
    def box(self) -> bool:
        """True: pixels are kept in [0, 1]."""
        return True

    def __call__(self, images: Tensor, randomness: Randomness) -> Tensor:
        images = check_augmented(images, randomness, box=True)
        cut = self.waves * randomness.stream("cut").uniform((1, 1))
        variance = self.temperature * randomness.stream("temperature").uniform((1, 1))
        normals = randomness.stream("colour").normal((images.shape[1], self.waves))
        kept = torch.arange(self.waves, device=cut.device) < cut
        amplitudes = torch.where(kept, variance.sqrt() * normals, 0)
        return (images + waves_at(images, amplitudes.to(images.dtype))).clamp(0, 1)


TABLE = 10
"""Places of a tabulated curve for each of its waves.

Between them a wave is wrong by 1.3 % of its amplitude at most.
"""


def waves_at(images: Tensor, amplitudes: Tensor) -> Tensor:
    """`sum_k a_k sin(pi k x)` for pixels `(B, C, H, W)` in [0, 1] and `a` `(B, C, waves)`."""
    count = amplitudes.shape[2]
    cells = 255 * math.ceil(TABLE * count / 255)
    greys = torch.linspace(0, 1, cells + 1, dtype=images.dtype, device=images.device)
    number = torch.arange(1, count + 1, dtype=images.dtype, device=images.device)
    curves = amplitudes @ torch.sin(math.pi * number[:, None] * greys)
    place = cells * images.flatten(2)
    cell = place.floor().clamp(max=cells - 1)
    left, right = (curves.gather(2, cell.long() + side) for side in (0, 1))
    return torch.lerp(left, right, place - cell).view_as(images)


@dataclass(frozen=True)
class Diffeomorphism:
    """Each image deformed by a random smooth map (Petrini et al. 2021).

    A pixel is taken from where it is, less a displacement of `sqrt(T) n sum_ij c_ij sin(pi i u)
    sin(pi j v)` pixels along either axis; (u, v) is its place in [0, 1]^2, n the longer side,
    `c_ij ~ N(0, 1 / (i^2 + j^2))`, the sum over `i^2 + j^2 <= cut^2`. The border stays.

    For each image a largest cut is uniform in 3 to `waves`, and the cut lies in 2 to that as `cuts`
    draws it. One above n - 1, all that can be told apart on n pixels, counts as n - 1. T is drawn
    from Beta(1/2, 1/2) between where a typical displacement is half a pixel, that is
    `1 / (pi n^2 log cut)`, and where the map begins to fold, `4 / (pi^3 cut^2 log cut)`; it is the
    former where that is larger. The published code differs in two things: it sums up to
    `cut + 1/2`, and takes cuts above n - 1 as they are.

    Attributes:
        waves: largest cut of any image.
    """

    waves: int = 100

    def __post_init__(self) -> None:
        if self.waves < 2:
            raise ValueError(f"waves must be at least 2; got {self.waves}")

    @property
    def box(self) -> bool:
        """False: pixels are means of pixels."""
        return False

    def __call__(self, images: Tensor, randomness: Randomness) -> Tensor:
        check_augmented(images, randomness)
        side = max(images.shape[-2:])
        waves = max(2, min(self.waves, side - 1))
        cut = cuts(randomness.stream("cut").uniform((2,)), self.waves).clamp(max=waves)
        low, high = temperatures(side, cut)
        share = arcsine(randomness.stream("temperature").uniform(()))
        field_of = randomness.stream("field").normal((2, waves, waves))
        moves = displacements(field_of, torch.lerp(low, high, share), cut, images)
        height, width = images.shape[-2:]
        down = torch.arange(height, dtype=images.dtype, device=images.device) + 0.5
        right = torch.arange(width, dtype=images.dtype, device=images.device) + 0.5
        places = torch.stack([right - moves[:, 0], down[:, None] - moves[:, 1]], 3)
        return resampled(images, places)


def cuts(uniform: Tensor, waves: int) -> Tensor:
    """Return a cut `(B,)` for each two uniform numbers `(B, 2)`, int64.

    The largest is uniform in 3 to `waves`, which is 2 at least; the cut is 2 and as many of what
    is left as Beta(1/2, 1/2) says, each number a part of equal length.
    """
    largest = (3 + uniform[:, 0] * (waves - 2)).long().clamp(max=waves)
    return (2 + arcsine(uniform[:, 1]) * (largest - 1)).long().minimum(largest)


def arcsine(uniform: Tensor) -> Tensor:
    """Return numbers that are Beta(1/2, 1/2) where the given ones are uniform in (0, 1)."""
    return torch.sin(math.pi / 2 * uniform).square()


def temperatures(side: int, cut: Tensor) -> tuple[Tensor, Tensor]:
    """The lowest and the highest T `(B,)` for pictures of `side` pixels and cuts `(B,)`."""
    log = cut.float().log()
    low = 1 / (math.pi * side**2 * log)
    return low, torch.maximum(low, 4 / (math.pi**3 * cut**2 * log))


def displacements(normals: Tensor, temperature: Tensor, cut: Tensor, images: Tensor) -> Tensor:
    """The displacements `(B, 2, H, W)`, right and down, in pixels.

    `normals` `(B, 2, waves, waves)` are standard normal; temperature and cut `(B,)`.
    """
    height, width = images.shape[-2:]
    number = torch.arange(1, normals.shape[-1] + 1, dtype=torch.float32, device=images.device)
    radius = torch.hypot(number[:, None], number)
    kept = normals * (radius <= cut[:, None, None] + 1e-3)[:, None] / radius
    across, along = (
        torch.sin(math.pi * torch.linspace(0, 1, side, device=images.device)[:, None] * number)
        for side in (height, width)
    )
    scale = temperature.sqrt() * max(height, width)
    return (per_sample(scale, kept) * (across @ kept @ along.mT)).to(images.dtype)


@dataclass(frozen=True)
class PRIME:
    """A random mixture of each image and of chains of the three families below, as `AugMix` mixes.

    Attributes:
        width: number of chains.
        depth: largest number of operations in a chain.
        filter: random filters.
        colour: random curves of each channel.
        diffeomorphism: random deformations.
    """

    width: int = 3
    depth: int = 3
    filter: RandomFilter = field(default_factory=RandomFilter)
    colour: RandomColour = field(default_factory=RandomColour)
    diffeomorphism: Diffeomorphism = field(default_factory=Diffeomorphism)

    def __post_init__(self) -> None:
        check_chains(self.width, self.depth)

    @property
    def box(self) -> bool:
        """True: pixels are kept in [0, 1]."""
        return True

    def __call__(self, images: Tensor, randomness: Randomness) -> Tensor:
        families = (self.filter, self.colour, self.diffeomorphism)
        return mixed_chains(families, images, randomness, self.width, self.depth)


def _check_scale(name: str, value: float) -> None:
    """Raise ValueError unless `value` is finite and not negative."""
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} must be finite and not negative; got {value}")
