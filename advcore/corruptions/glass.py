"""Glass blur: pixels that change places with near ones, between two Gaussian filters."""

import torch
from torch import Tensor

from advcore.corruptions.corruption import Corruption, cut_to_levels
from advcore.corruptions.filters import gaussian_blur
from advcore.randomness import Randomness


def glass_blur(
    images: Tensor, randomness: Randomness, sigma: float, reach: float, rounds: float
) -> Tensor:
    """Return the images blurred, their pixels moved about, and blurred again.

    In each round the pixels from the last to the first, a margin of `reach` apart, become what
    stands at a random place within `reach` pixels. The original means to swap the two; as its two
    sides are views of one array it copies, and so does this, whatever the number of channels.
    """
    values = cut_to_levels(gaussian_blur(images, sigma)).div_(255).flatten(2)
    origins = torch.arange(values.shape[2], device=images.device).expand(len(images), -1)
    for number in range(int(rounds)):
        drawn = randomness.stream("round", number).uniform(images.shape[-2:])
        origins = origins.gather(1, _origins(drawn, int(reach)))
    moved = values.gather(2, origins[:, None].expand_as(values))
    return gaussian_blur(moved.view_as(images), sigma)


def _origins(drawn: Tensor, reach: int) -> Tensor:
    """Return the pixel whose value each one has after a round, `(B, H W)`, by uniform numbers.

    A pixel takes the value of its partner. If the partner's turn came before, that is the value of
    the partner's partner, and so on: chains, followed by doubling their length. They end at what
    stood at a pixel before the round, for which its number and H W stand.
    """
    height, width = drawn.shape[1:]
    pixels = height * width
    numbers = torch.arange(pixels, device=drawn.device)
    row, column = numbers // width, numbers % width
    moves = (drawn.flatten(1) * (2 * reach) ** 2).floor_()
    down = (moves / (2 * reach)).floor_()
    across = moves.sub_(down, alpha=2 * reach).sub_(reach)
    partner = down.sub_(reach).mul_(width).add_(across).long().add_(numbers)
    ends = (numbers + pixels).expand_as(partner)
    turn = (row > reach) & (row <= height - reach) & (column > reach) & (column <= width - reach)
    partner = torch.where(turn, partner, numbers)
    ways = torch.where(partner > numbers, partner, partner + pixels)
    while ways.amin() < pixels:
        ways = torch.cat([ways, ends], 1).gather(1, ways)
    return ways.sub_(pixels)


GLASS_BLUR = Corruption(
    glass_blur,
    small=((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
    medium=((0.1, 1, 1), (0.5, 1, 1), (0.6, 1, 2), (0.7, 2, 1), (0.9, 2, 2)),
    large=((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
)
