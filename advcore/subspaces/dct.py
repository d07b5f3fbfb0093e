"""Blocks of the DCT along the diagonal, low to high frequency (Ortiz-Jimenez et al. 2020, "Hold me tight")."""

from dataclasses import dataclass

import torch
from torch import Tensor

from advcore.frequency import dct_matrix


@dataclass(frozen=True, eq=False)
class DCTBlock:
    """The span of the frequencies (a, b), a and b in a window of `size`, in each of `channels` channels.

    `cosines` `(size, side)` holds those rows of the DCT matrix; `(B, size, side)` when each row of a batch has its own window.
    Coordinates run over channel, a, b. They come from two small matrix products; no basis of images is ever built.
    """

    cosines: Tensor
    channels: int

    @property
    def dim(self) -> int:
        """channels x size x size."""
        return self.channels * self.cosines.shape[-2] ** 2

    def coordinates(self, images: Tensor) -> Tensor:
        """`(B, C, side, side)` to `(B, dim)`."""
        if images.shape[1] != self.channels:
            raise ValueError(f"the DCT blocks are made for {self.channels} channels; images have {images.shape[1]}: pass channels=")
        cosines = self._cosines(images)
        return (cosines @ images @ cosines.mT).flatten(1)

    def lift(self, coordinates: Tensor) -> Tensor:
        """`(B, dim)` to `(B, C, side, side)`."""
        size = self.cosines.shape[-2]
        cosines = self._cosines(coordinates)
        return cosines.mT @ coordinates.view(-1, self.channels, size, size) @ cosines

    def rows(self, index: Tensor) -> "DCTBlock":
        """The blocks of the samples `index`."""
        return self if self.cosines.dim() == 2 else DCTBlock(self.cosines[index], self.channels)

    def _cosines(self, like: Tensor) -> Tensor:
        cosines = self.cosines.to(dtype=like.dtype, device=like.device)
        return cosines if cosines.dim() == 2 else cosines[:, None]


@dataclass(frozen=True, eq=False)
class DCTBlocks:
    """Blocks of equal size; `cosines` `(blocks, size, side)`."""

    cosines: Tensor
    channels: int

    @property
    def dim(self) -> int:
        """channels x size x size."""
        return self.channels * self.cosines.shape[-2] ** 2

    def __len__(self) -> int:
        return len(self.cosines)

    def __getitem__(self, position: int) -> DCTBlock:
        return DCTBlock(self.cosines[position], self.channels)

    def rows(self, which: Tensor) -> DCTBlock:
        """Row b of a batch gets block `which[b]`."""
        return DCTBlock(self.cosines.to(which.device)[which], self.channels)


def dct_blocks(side: int, size: int, stride: int, channels: int = 1) -> DCTBlocks:
    """The blocks `{s..s+size-1} x {s..s+size-1}` of frequencies, s = 0, stride, 2 stride, ...: low to high frequency.

    For images `(channels, side, side)`. 28, 8, 1 gives the article's 21 blocks on MNIST; 32, 8, 2 with 3 channels its 13 on
    CIFAR-10; 224, 16, 16 its 14 disjoint ones on ImageNet. Neighbours overlap where stride < size.
    """
    if not 1 <= size <= side:
        raise ValueError(
            f"a DCT block must fit into the image: size must lie in 1..{side} for images of {side} x {side}; got {size}"
        )
    if stride < 1:
        raise ValueError(f"stride must be at least 1; got {stride}")
    matrix = dct_matrix(side)
    return DCTBlocks(torch.stack([matrix[low : low + size] for low in range(0, side - size + 1, stride)]), channels)


@dataclass(frozen=True)
class DCTDiagonal:
    """The family `dct_blocks(side, size, stride, channels)` of whatever square images a study measures.

    Attributes:
        size: frequencies along each side of a block.
        stride: from one block to the next, along the diagonal.
    """

    size: int = 8
    stride: int = 1

    def __call__(self, shape: tuple[int, int, int]) -> DCTBlocks:
        channels, height, width = shape
        if height != width:
            raise ValueError(f"DCT blocks along the diagonal need square images; got {height} x {width}")
        return dct_blocks(height, self.size, self.stride, channels)
