"""Alignment of a gradient with its image.

Source: Etmann et al. 2019, On the connection between adversarial robustness and saliency map
interpretability.
"""

import torch
from torch import Tensor

from advcore.norms import L2


def alignment(inputs: Tensor, maps: Tensor) -> Tensor:
    """Return `|<x, g>| / ||g||_2` `(B,)`, in the units of x; NaN where g is 0.

    It hangs on the origin of x: black of pixels in [0, 1] as they are. Of a linear classifier
    without bias it is the distance of x to the boundary.
    """
    product = (inputs * maps).flatten(1).sum(1).abs()
    length = L2.size(maps)
    return (product / length).masked_fill(length == 0, torch.nan)


def absolute_cosine(inputs: Tensor, maps: Tensor) -> Tensor:
    """Return `|<x, g>| / (||x||_2 ||g||_2)` `(B,)`, in [0, 1]; NaN where x or g is 0."""
    length = L2.size(inputs)
    return (alignment(inputs, maps) / length).masked_fill(length == 0, torch.nan)


def mean_free(inputs: Tensor) -> Tensor:
    """Return each input less the mean of its own numbers: its origin is its mean grey."""
    return inputs - inputs.flatten(1).mean(1).view(-1, *[1] * (inputs.dim() - 1))


def half_turn(pictures: Tensor) -> Tensor:
    """Return pictures `(B, C, H, W)` turned by half a turn: the same values at other places."""
    return pictures.flip(2, 3)
