"""Corruptions of CIFAR-10-C-bar, which are unlike those of ImageNet-C and no augmentation contains.

Source: Mintun et al. 2021, "On interaction between augmentations and corruptions in natural
corruption robustness", and their code, whose severities are a tenth of each constant's scale. They
chose them to lie far from ImageNet-C: an augmentation that was fitted to that may not help here.
"""

import math

import torch
from torch import Tensor

from advcore.corruptions.corruption import Corruption
from advcore.randomness import Randomness

GREY = 128 / 255
"""The level of cut-outs and lines."""
_CELLS = 15
"""Cells of a checkerboard from the corner in either direction, at least: the diagonal of a square
over the smallest side of a cell, a tenth of its side."""


def brownish_noise(images: Tensor, randomness: Randomness, deviation: float) -> Tensor:
    """Return `x + deviation n / std(n)`, n with the amplitudes `1 / (f^2 + 1)` and random phases.

    f is the frequency in periods an image; each channel has noise of its own, whose standard
    deviation is that of its pixels. Its mean, the lowest frequency, stays.
    """
    height, width = images.shape[-2:]
    phases = 2 * math.pi * randomness.uniform(images.shape[1:]).double()
    down, across = (torch.fft.fftfreq(size, 1 / size).to(phases) for size in (height, width))
    amplitudes = 1 / (down[:, None] ** 2 + across**2 + 1)
    noise = torch.fft.ifft2(torch.polar(amplitudes.expand_as(phases), phases)).real
    return images + deviation * noise / noise.std((-2, -1), correction=0, keepdim=True)


def checkerboard_cutout(images: Tensor, randomness: Randomness, share: float) -> Tensor:
    """Return the images with a share of the dark cells of a turned checkerboard set to grey.

    Its cells have sides of .1 to .25 of the image's longer side, one pixel at least, and any
    angle; half of them are dark.
    """
    height, width = images.shape[-2:]
    drawn = randomness.stream("board").uniform((2,)).double()
    angle = 2 * math.pi * drawn[:, 0].view(-1, 1, 1)
    side = ((0.1 + 0.15 * drawn[:, 1]) * max(height, width)).clamp(min=1).view(-1, 1, 1)
    y, x = _pixels(images)
    down = torch.floor((angle.cos() * y + angle.sin() * x) / side).long()
    across = torch.floor((angle.cos() * x - angle.sin() * y) / side).long()
    cut = randomness.stream("cells").uniform((2 * _CELLS, 2 * _CELLS)) < share
    cells = (down + _CELLS) * 2 * _CELLS + across + _CELLS
    covered = cut.flatten(1).gather(1, cells.flatten(1)).view_as(cells)
    covered &= (down - across) % 2 == 0
    return torch.where(covered[:, None], GREY, images)


def lines(images: Tensor, randomness: Randomness, density: float) -> Tensor:
    """Return the images with grey lines drawn over them, one pixel wide, without jagged edges.

    There are `density` times as many as the longer side has pixels, one at least. Each passes
    through a random pixel, in a direction that varies about one of the image's own, by up to a
    tenth of a turn or up to half of one, and reaches as far as that side to both ends. A pixel
    takes `max(0, 1 - d)` of the grey, d its distance from the line.
    """
    height, width = images.shape[-2:]
    longer = max(height, width)
    own = randomness.stream("image").uniform((2,)).double()
    kept = torch.ones_like(images[:, 0])
    y, x = _pixels(images)
    for number in range(max(1, int(density * longer))):
        drawn = randomness.stream("line", number).uniform((3,)).double().view(-1, 3, 1, 1)
        varied = (0.1 + 0.9 * own[:, 1]).view(-1, 1, 1) * (drawn[:, 2] - 0.5)
        angle = 2 * math.pi * (own[:, 0].view(-1, 1, 1) + varied)
        down, across = y - height * drawn[:, 0], x - width * drawn[:, 1]
        away = (across * angle.sin() - down * angle.cos()).abs()
        along = (across * angle.cos() + down * angle.sin()).abs()
        kept = kept * torch.where(along <= longer, away.clamp(max=1), 1)
    return GREY + (images - GREY) * kept[:, None]


def _pixels(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the rows `(H, 1)` and columns `(W,)` of the pixels, as numbers."""
    y, x = (torch.arange(size, device=images.device).double() for size in images.shape[-2:])
    return y[:, None], x


BROWNISH_NOISE = Corruption(
    brownish_noise,
    small=tuple((6.4 * level / 255,) for level in (2.5, 4, 5.5, 6.5, 7)),
    medium=tuple((6.4 * level / 255,) for level in (2.5, 4, 5.5, 6.5, 7)),
    large=tuple((6.4 * level / 255,) for level in (1, 2, 3, 4, 5)),
)
CHECKERBOARD_CUTOUT = Corruption(
    checkerboard_cutout,
    small=((0.1,), (0.2,), (0.3,), (0.4,), (0.5,)),
    medium=((0.1,), (0.2,), (0.3,), (0.4,), (0.5,)),
    large=((0.2,), (0.3,), (0.4,), (0.5,), (0.6,)),
)
LINES = Corruption(
    lines,
    small=((0.05,), (0.1,), (0.15,), (0.2,), (0.25,)),
    medium=((0.05,), (0.1,), (0.15,), (0.2,), (0.25,)),
    large=((0.05,), (0.1,), (0.15,), (0.2,), (0.25,)),
)
