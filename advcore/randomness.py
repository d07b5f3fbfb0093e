"""Noise keyed by seed and sample index.

The numbers are the same whatever the batch, the shard, the worker or the device.

A counter-based generator in the sense of Salmon et al. 2011 (Parallel random numbers: as easy as 1,
2, 3): number i of a sample is a hash of (seed, stream, sample index, i), with the finaliser of
SplitMix64 (Steele et al. 2014). torch's own generators are seeded per batch, and their CPU one
keeps only 32 bits of a seed, too few to key samples by.
"""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Randomness:
    """A source of noise for the samples `indices` `(B,)` of a data set.

    It has no state: equal calls give equal numbers.

    Draws that must differ come from different streams: `randomness.stream("start",
    3).normal((784,))`.
    """

    seed: int
    indices: Tensor
    key: int = 0

    def stream(self, *names: str | int) -> "Randomness":
        """An independent source for the same samples, named by words and numbers."""
        return replace(self, key=zlib.crc32(repr((self.key, *names)).encode()) + 1)

    def check(self, samples: int) -> None:
        """Raise ValueError unless there is one index for each of `samples` samples."""
        if len(self.indices) != samples:
            raise ValueError(
                f"randomness must have one index per sample; got {len(self.indices)} for {samples} "
                "samples: Randomness(seed, torch.arange(samples)) numbers them"
            )

    def take(self, index: Tensor | slice) -> "Randomness":
        """The source for the samples `index` of this batch."""
        return replace(self, indices=self.indices[index])

    def uniform(self, shape: Sequence[int]) -> Tensor:
        """`(B, *shape)` numbers, uniform in (0, 1), float32, on the device of `indices`."""
        return self._uniform(shape, 0)

    def normal(self, shape: Sequence[int]) -> Tensor:
        """Return standard normal numbers `(B, *shape)` (Box and Muller), float32.

        They are on the device of `indices`.
        """
        radius = self._uniform(shape, 1).log_().mul_(-2).sqrt_()
        return radius.mul_(self._uniform(shape, 2).mul_(2 * math.pi).cos_())

    def _uniform(self, shape: Sequence[int], lane: int) -> Tensor:
        count = math.prod(shape)
        start = _mix(_mix(self.indices + _constant(self.seed)) + _constant((self.key << 2) + lane))
        steps = torch.arange(1, count + 1, device=self.indices.device) * _GOLDEN
        # the finaliser's last step changes the lower 33 bits alone, of which none is used
        top = _stirred(start[:, None] + steps).bitwise_right_shift_(41).bitwise_and_(0x7FFFFF)
        drawn = top.to(torch.int32).to(torch.float32).add_(0.5).mul_(2.0**-23)
        return drawn.view(len(self.indices), *shape)


def drawn_places(indices: Tensor) -> Tensor:
    """Return the place of each index `(N,)`, int64, in a random order.

    A hash of the index alone draws it: 0 for the first, N - 1 for the last.

    The same samples come first whatever the order, the classes or the number of the others that
    come after them.
    """
    return _mix(indices + _constant(zlib.crc32(b"drawn"))).argsort(stable=True).argsort()


def _signed(value: int) -> int:
    """Return the 64-bit two's complement of a whole number.

    Torch has no unsigned arithmetic on 64 bits, and wraps.
    """
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


_GOLDEN = _signed(0x9E3779B97F4A7C15)


def _constant(value: int) -> int:
    return _signed(value * 0x9E3779B97F4A7C15 + 0xD1B54A32D192ED03)


def _mix(bits: Tensor) -> Tensor:
    """SplitMix64's finaliser on int64 tensors, in their place.

    A masked arithmetic shift is the logical one.
    """
    return bits.bitwise_xor_(_shifted(_stirred(bits), 31))


def _stirred(bits: Tensor) -> Tensor:
    """The finaliser but for its last step."""
    shifted = torch.empty_like(bits)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        bits.bitwise_xor_(_shifted(bits, shift, shifted)).mul_(_signed(factor))
    return bits


def _shifted(bits: Tensor, shift: int, out: Tensor | None = None) -> Tensor:
    """The bits after a logical shift to the right."""
    return torch.bitwise_right_shift(bits, shift, out=out).bitwise_and_((1 << 64 - shift) - 1)
