"""Images of noise that look like nothing: uniform, or the pixels of an image in another order.

Source: Hein et al. 2019, Why ReLU networks yield high-confidence predictions far away, whose
training and tests outside the distribution begin with them.
"""

from typing import Literal

import torch
from torch import Tensor

from advcore.norms import per_sample
from advcore.randomness import Randomness

NoiseSource = Literal["uniform", "permuted", "mixed"]
"""The pixels of noise: uniform in (0, 1), those of the image in another order, one of both."""

TAPS = 15
"""Taps of the low-pass filter on each side."""

BLUR = (1.0, 2.5)
"""Between which the filter's standard deviation is drawn, in pixels."""


def noise_images(
    images: Tensor,
    randomness: Randomness,
    source: NoiseSource = "mixed",
    filtered: bool = True,
) -> Tensor:
    """Images `(B, C, H, W)` of noise in [0, 1], each of its own sample and randomness.

    `permuted`: the sample's image, its pixels in another order, the same for all channels;
    `uniform` in (0, 1); `mixed`: one of both, each with probability 1/2. With `filtered` a Gaussian
    low-pass comes behind it, its std uniform in `BLUR`, and each image is stretched linearly to
    [0, 1]; a constant one becomes 0.
    """
    noise = _pixels(images, randomness, source)
    if not filtered:
        return noise
    deviations = BLUR[0] + (BLUR[1] - BLUR[0]) * randomness.stream("blur").uniform(())
    blurred = low_passed(noise, deviations.to(images.dtype))
    low, high = blurred.amin((1, 2, 3), keepdim=True), blurred.amax((1, 2, 3), keepdim=True)
    return (blurred - low) / torch.where(high > low, high - low, 1)


def _pixels(images: Tensor, randomness: Randomness, source: NoiseSource) -> Tensor:
    """The pixels of noise `(B, C, H, W)`, before any filter."""
    if source == "uniform":
        return _uniform(images, randomness)
    if source == "permuted":
        return _permuted(images, randomness)
    shuffled = randomness.stream("half").uniform(()) < 0.5
    permuted, uniform = _permuted(images, randomness), _uniform(images, randomness)
    return torch.where(per_sample(shuffled, images), permuted, uniform)


def _uniform(images: Tensor, randomness: Randomness) -> Tensor:
    return randomness.stream("uniform").uniform(images.shape[1:]).to(images.dtype)


def _permuted(images: Tensor, randomness: Randomness) -> Tensor:
    order = randomness.stream("permutation").uniform((images[0, 0].numel(),)).argsort(1)
    places = order[:, None].expand(-1, images.shape[1], -1)
    return images.flatten(2).gather(2, places).view_as(images)


def low_passed(images: Tensor, deviations: Tensor) -> Tensor:
    """Filter images `(B, C, H, W)` by a normalised Gaussian of `TAPS` taps a side.

    `deviations` `(B,)` are in pixels, each image its own. Beyond the border the image is mirrored,
    the pixel at the border twice.
    """
    rows, columns = (_filters(side, deviations) for side in images.shape[2:])
    return torch.einsum("bij,bcjk,blk->bcil", rows, images, columns)


def _filters(side: int, deviations: Tensor) -> Tensor:
    """The filter of one axis as matrices `(B, side, side)`."""
    offsets = torch.arange(TAPS, device=deviations.device) - TAPS // 2
    taps = torch.exp(-0.5 * (offsets / deviations[:, None]).square())
    place = (torch.arange(side, device=deviations.device)[:, None] + offsets) % (2 * side)
    place = torch.where(place < side, place, 2 * side - 1 - place)
    taps = (taps / taps.sum(1, keepdim=True))[:, None].expand(-1, side, -1)
    empty = deviations.new_zeros(len(deviations), side, side)
    return empty.scatter_add(2, place.expand(len(deviations), -1, -1), taps)
