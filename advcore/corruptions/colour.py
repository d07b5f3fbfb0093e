"""Brightness, contrast and saturation."""

import torch
from torch import Tensor

from advcore.corruptions.corruption import Corruption
from advcore.randomness import Randomness


def brightness(images: Tensor, randomness: Randomness, added: float) -> Tensor:
    """Return the images with `added` added to their value, hue and saturation kept.

    The value V of HSV is the largest channel: colours are scaled by V' / V. Grey images are their
    own value.
    """
    value = images.amax(1, keepdim=True)
    brighter = (value + added).clamp(max=1)
    scale = torch.where(value > 0, brighter / value, 0)
    return (images * scale).add_(torch.where(value > 0, 0, brighter))


def contrast(images: Tensor, randomness: Randomness, factor: float) -> Tensor:
    """Return `mean + factor (x - mean)`, with the mean of each channel of each image."""
    means = images.mean((-2, -1), keepdim=True)
    return (images * factor).add_(means * (1 - factor))


def saturate(images: Tensor, randomness: Randomness, factor: float, added: float) -> Tensor:
    """Return the images with the saturation `min(factor S + added, 1)`, hue and value kept.

    In HSV with `S = (V - min) / V` a channel is `V (1 - S g)`, where g, 0 to 1, is the hue's.
    Grey pixels take the hue of red, as in the original.
    """
    value, least = images.amax(1, keepdim=True), images.amin(1, keepdim=True)
    spread = value - least
    red = torch.tensor([0.0, 1.0, 1.0], dtype=images.dtype, device=images.device).view(3, 1, 1)
    saturation = torch.where(value > 0, spread / value, 0)
    taken = value * (factor * saturation + added).clamp_(max=1)
    scale = torch.where(spread > 0, taken / spread, 0)
    coloured = (images * scale).add_(value * (1 - scale))
    return coloured.sub_(torch.where(spread > 0, 0, taken) * red)


BRIGHTNESS = Corruption(
    brightness,
    small=((0.05,), (0.1,), (0.15,), (0.2,), (0.3,)),
    medium=((0.1,), (0.2,), (0.3,), (0.4,), (0.5,)),
    large=((0.1,), (0.2,), (0.3,), (0.4,), (0.5,)),
)
CONTRAST = Corruption(
    contrast,
    small=((0.75,), (0.5,), (0.4,), (0.3,), (0.15,)),
    medium=((0.4,), (0.3,), (0.2,), (0.1,), (0.05,)),
    large=((0.4,), (0.3,), (0.2,), (0.1,), (0.05,)),
)
SATURATE = Corruption(
    saturate,
    small=((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)),
    medium=((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (30, 0.2)),
    large=((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)),
    coloured=True,
)
