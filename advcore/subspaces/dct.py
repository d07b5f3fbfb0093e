"""Blocks of the DCT, along the diagonal or over the whole plane.

Source: Ortiz-Jimenez et al. 2020, "Hold me tight".
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from advcore.classifier import check_pictures
from advcore.frequency import dct_matrix


@dataclass(frozen=True, eq=False)
class DCTBlock:
    """The span of a square window of frequencies in each of `channels` channels.

    It holds the frequencies (a, b), a in a window of `size` vertical and b in one of `size`
    horizontal frequencies.

    `vertical` `(size, height)` and `horizontal` `(size, width)` hold those rows of the DCT
    matrices; `(B, size, ...)` when each row of a batch has its own block. Coordinates run over
    channel, a, b. They come from two small matrix products; no basis of images is ever built.
    """

    vertical: Tensor
    horizontal: Tensor
    channels: int

    @property
    def dim(self) -> int:
        """Channels x size x size."""
        return self.channels * self.vertical.shape[-2] * self.horizontal.shape[-2]

    def coordinates(self, images: Tensor) -> Tensor:
        """`(B, C, height, width)` to `(B, dim)`."""
        if images.shape[1] != self.channels:
            raise ValueError(
                f"the DCT blocks are made for {self.channels} channels; images have "
                f"{images.shape[1]}: pass channels="
            )
        return (_like(self.vertical, images) @ images @ _like(self.horizontal, images).mT).flatten(
            1
        )

    def lift(self, coordinates: Tensor) -> Tensor:
        """`(B, dim)` to `(B, C, height, width)`."""
        square = coordinates.view(
            -1, self.channels, self.vertical.shape[-2], self.horizontal.shape[-2]
        )
        return _like(self.vertical, coordinates).mT @ square @ _like(self.horizontal, coordinates)

    def rows(self, index: Tensor) -> "DCTBlock":
        """The blocks of the samples `index`."""
        return (
            self
            if self.vertical.dim() == 2
            else DCTBlock(self.vertical[index], self.horizontal[index], self.channels)
        )


def _like(cosines: Tensor, other: Tensor) -> Tensor:
    cosines = cosines.to(dtype=other.dtype, device=other.device)
    return cosines if cosines.dim() == 2 else cosines[:, None]


@dataclass(frozen=True, eq=False)
class DCTBlocks:
    """Blocks of equal size.

    `vertical` is `(blocks, size, height)`, `horizontal` `(blocks, size, width)`.
    """

    vertical: Tensor
    horizontal: Tensor
    channels: int

    @property
    def dim(self) -> int:
        """Channels x size x size."""
        return self[0].dim

    def __len__(self) -> int:
        return len(self.vertical)

    def __getitem__(self, position: int) -> DCTBlock:
        return DCTBlock(self.vertical[position], self.horizontal[position], self.channels)

    def rows(self, which: Tensor) -> DCTBlock:
        """Row b of a batch gets block `which[b]`."""
        return DCTBlock(
            self.vertical.to(which.device)[which],
            self.horizontal.to(which.device)[which],
            self.channels,
        )


def dct_blocks(side: int, size: int, stride: int, channels: int = 1) -> DCTBlocks:
    """Return the blocks `{s..s+size-1} x {s..s+size-1}` of frequencies, from low to high.

    s goes through 0, stride, 2 stride, ..., for images `(channels, side, side)`. 28, 8, 1 gives
    the article's 21 blocks on MNIST; 32, 8, 2 with 3 channels its 13 on CIFAR-10; 224, 16, 16 its
    14 disjoint ones on ImageNet. Neighbours overlap where stride < size.
    """
    if not 1 <= size <= side:
        raise ValueError(
            f"a DCT block must fit into the image: size must lie in 1..{side} for images of "
            f"{side} x {side}; got {size}"
        )
    if stride < 1:
        raise ValueError(f"stride must be at least 1; got {stride}")
    matrix = dct_matrix(side)
    cosines = torch.stack([matrix[low : low + size] for low in range(0, side - size + 1, stride)])
    return DCTBlocks(cosines, cosines, channels)


def dct_grid(height: int, width: int, size: int, channels: int = 1) -> DCTBlocks:
    """Return all blocks of a tiling of the frequency plane by `size` x `size`, row by row.

    Together they are the whole image space.

    For images `(channels, height, width)`. Position p is row i, column j of the tiling, `i, j =
    divmod(p, width // size)`: vertical frequencies `i size .. (i + 1) size - 1`, horizontal ones by
    j. Needs sides that are multiples of `size`.
    """
    if size < 1 or height % size or width % size:
        raise ValueError(
            "a grid of DCT blocks needs a size that divides both sides of the images; got "
            f"size {size} for {height} x {width}"
        )
    vertical, horizontal = (dct_matrix(side).view(-1, size, side) for side in (height, width))
    rows, columns = len(vertical), len(horizontal)
    return DCTBlocks(
        vertical.repeat_interleave(columns, 0), horizontal.repeat(rows, 1, 1), channels
    )


@dataclass(frozen=True)
class DCTDiagonal:
    """The family `dct_blocks(side, size, stride, channels)` of square images.

    The side and the channels are those of the images that a study measures.

    Attributes:
        size: frequencies along each side of a block.
        stride: distance from one block to the next along the diagonal, in frequencies.
    """

    size: int = 8
    stride: int = 1

    def __call__(self, shape: tuple[int, ...]) -> DCTBlocks:
        """Return the family for images of `shape` (C, H, W)."""
        channels, height, width = check_pictures(shape, "a family of DCT blocks")
        if height != width:
            raise ValueError(
                f"DCT blocks along the diagonal need square images; got {height} x {width}"
            )
        return dct_blocks(height, self.size, self.stride, channels)

    def window(self, position: int) -> tuple[int, int]:
        """Return the lowest and the highest frequency of the block at a position.

        They are the same vertically and horizontally.
        """
        return position * self.stride, position * self.stride + self.size - 1


@dataclass(frozen=True)
class DCTGrid:
    """The family `dct_grid(height, width, size, channels)`, for a map over all frequencies.

    The sizes and the channels are those of the images that a study measures.

    Attributes:
        size: frequencies along each side of a block; it divides both sides of the images.
    """

    size: int = 4

    def __call__(self, shape: tuple[int, ...]) -> DCTBlocks:
        """Return the family for images of `shape` (C, H, W)."""
        channels, height, width = check_pictures(shape, "a grid of DCT blocks")
        return dct_grid(height, width, self.size, channels)

    def place(self, shape: tuple[int, ...], position: int) -> tuple[int, int]:
        """Row and column, from low to high frequency, of the block at a position of the family."""
        return divmod(position, shape[2] // self.size)
