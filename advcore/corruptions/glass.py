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
    the partner's partner, and so on: chains, followed by doubling their length.
    """
    height, width = drawn.shape[1:]
    numbers = torch.arange(height * width, device=drawn.device)
    row, column = numbers // width, numbers % width
    moves = (drawn.flatten(1) * (2 * reach) ** 2).floor_()
    down = (moves / (2 * reach)).floor_()
    across = moves - down * (2 * reach)
    partner = numbers + ((down - reach) * width + (across - reach)).long()
    turn = (row > reach) & (row <= height - reach) & (column > reach) & (column <= width - reach)
    partner = torch.where(turn, partner, numbers)
    goes_on = turn.expand_as(partner).gather(1, partner) & (partner > numbers)
    while goes_on.any():
        # a chain that has ended stays where it is; one that goes on takes its partner's way
        following = partner.gather(1, partner)
        still = goes_on & goes_on.gather(1, partner)
        partner = torch.where(goes_on, following, partner)
        goes_on = still
    return partner


GLASS_BLUR = Corruption(
    glass_blur,
    small=((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
    medium=((0.1, 1, 1), (0.5, 1, 1), (0.6, 1, 2), (0.7, 2, 1), (0.9, 2, 2)),
    large=((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
)
